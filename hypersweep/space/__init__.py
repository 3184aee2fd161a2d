"""The search space: values only."""

from hypersweep.space.parameter import (
    DISTRIBUTIONS,
    KINDS,
    NAME,
    Choice,
    Distribution,
    Parameter,
    find_argument_problem,
)
from hypersweep.space.space import Space
from hypersweep.space.value import Value, as_value, find_value_problems, read_literal, unquote

__all__ = [
    "DISTRIBUTIONS",
    "KINDS",
    "NAME",
    "Choice",
    "Distribution",
    "Parameter",
    "Space",
    "Value",
    "as_value",
    "find_argument_problem",
    "find_value_problems",
    "read_literal",
    "unquote",
]
