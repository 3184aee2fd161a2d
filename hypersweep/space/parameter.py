"""The parameters of a space, by what their values are drawn from."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hypersweep.errors import SpaceError
from hypersweep.space.value import Value, as_value, find_value_problems

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# The distributions of hyperopt's `hp`, with the names of their arguments; the ones in brackets may be left out.
DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"),
    "qloguniform": ("low", "high", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
    "randint": ("low", "high"),
    "uniformint": ("low", "high"),
}
KINDS = ("choice", *DISTRIBUTIONS)

_MAX_EXPONENT = 709  # exp(710) is no float


@dataclass(frozen=True)
class Choice:
    """A parameter with a list of values; raises `SpaceError` if the list is empty or ambiguous."""

    name: str
    values: tuple[Value, ...]
    kind = "choice"

    def __post_init__(self) -> None:
        _check_name(self.name)
        try:
            object.__setattr__(self, "values", tuple(as_value(value) for value in self.values))
        except TypeError as error:
            raise SpaceError(f"{self.name!r}: {error}; expected one of these. Change the value") from error
        problems = find_value_problems(self.values) or (
            [] if self.values else ["the list of values is empty; expected at least one. Add a value"]
        )
        if problems:
            raise SpaceError.gather(f"{self.name!r}: {problem}" for problem in problems)

    @cached_property
    def index_of_text(self) -> Mapping[str, int]:
        """The position of each value by its text, by which result logs name it."""
        return {str(value): index for index, value in enumerate(self.values)}


@dataclass(frozen=True)
class Distribution:
    """A parameter drawn from one of hyperopt's distributions; `arguments` in the order of `DISTRIBUTIONS[kind]`."""

    name: str
    kind: str
    arguments: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        problem = find_argument_problem(self.kind, self.arguments)
        if problem:
            raise SpaceError(f"{self.name!r}: {problem}")


Parameter = Choice | Distribution


def find_argument_problem(kind: str, arguments: tuple[float, ...]) -> str | None:
    """What is wrong with the arguments of a distribution; None if nothing."""
    names = DISTRIBUTIONS[kind]
    expected = f"expected {kind} {','.join(names)}"
    may_omit = 1 if kind == "randint" else 0  # randint upper  is  randint 0,upper
    if not len(names) - may_omit <= len(arguments) <= len(names):
        return f"{kind} has {len(arguments)} arguments, got {_listed(arguments)}; {expected}. Mend the line"
    if not all(abs(argument) <= sys.float_info.max for argument in arguments):  # false for NaN too
        return f"{kind} has a bound that is not finite, got {_listed(arguments)}; {expected}. Use finite numbers"
    if kind in ("randint", "uniformint") and not all(isinstance(argument, int) for argument in arguments):
        return f"{kind} takes whole numbers, got {_listed(arguments)}; {expected}. Write integers"
    value_of = dict(zip(names, arguments if len(arguments) > 1 else (0, *arguments), strict=False))
    if "low" in value_of and value_of["low"] >= value_of["high"]:
        return f"low >= high, got {_listed(arguments)}; expected low < high. Swap or widen the bounds"
    if kind in ("loguniform", "qloguniform") and value_of["high"] > _MAX_EXPONENT:
        return (
            f"exp({value_of['high']!r}) is no float, got {_listed(arguments)}; expected bounds that are exponents, at "
            f"most {_MAX_EXPONENT}. Write log(low),log(high)"
        )
    if value_of.get("sigma", 1) <= 0:
        return f"sigma <= 0, got {_listed(arguments)}; expected sigma > 0. Use a positive sigma"
    if value_of.get("q", 1) <= 0:
        return f"q <= 0, got {_listed(arguments)}; expected q > 0. Use a positive step"
    return None


def _listed(arguments: tuple[float, ...]) -> str:
    return repr(",".join(repr(argument) for argument in arguments))


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise SpaceError(f"{name!r} is no parameter name; expected letters, digits and _, no digit first. Rename it")
