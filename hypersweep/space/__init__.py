"""The search space: values only."""

from hypersweep.space.exclusion import Exclusion, count_excluded
from hypersweep.space.grid import Grid
from hypersweep.space.parameter import (
    ARGUMENTS,
    DISTRIBUTIONS,
    KINDS,
    NAME,
    Choice,
    Distribution,
    Finite,
    Parameter,
    Range,
    find_argument_problem,
)
from hypersweep.space.rule import CONSTRAINT, FORBIDDEN, Rule, RuleError
from hypersweep.space.space import Space
from hypersweep.space.value import Value, as_value, find_value_problems, read_literal, unquote

__all__ = [
    "ARGUMENTS",
    "CONSTRAINT",
    "DISTRIBUTIONS",
    "FORBIDDEN",
    "KINDS",
    "NAME",
    "Choice",
    "Distribution",
    "Exclusion",
    "Finite",
    "Grid",
    "Parameter",
    "Range",
    "Rule",
    "RuleError",
    "Space",
    "Value",
    "as_value",
    "count_excluded",
    "find_argument_problem",
    "find_value_problems",
    "read_literal",
    "unquote",
]
