"""The parameters of a space, by what their values are drawn from."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from hypersweep.errors import SpaceError
from hypersweep.space.value import Value, as_value, find_value_problems, read_literal, unquote

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
KINDS = ("choice", *DISTRIBUTIONS)  # of a hyper.test

ARGUMENTS: Mapping[str, tuple[str, ...]] = {**DISTRIBUTIONS, "log": ("low", "high")}

MAX_TYPICAL_VALUES = 20

_MAX_NUMBER = 2**63 - 1
_MAX_WHOLE_FLOAT = 2**53  # above it floats miss whole numbers
_MIN_EXPONENT, _MAX_EXPONENT = -708, 709  # of floats with all their digits


@dataclass(frozen=True)
class Choice:
    """A parameter with a list of values; raises `SpaceError` if the list is empty or ambiguous.

    Each parameter may depend on those above it: it is there only if the rule `only_if` (see `expression`) holds.
    """

    name: str
    values: tuple[Value, ...]
    only_if: str | None = None
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

    @property
    def num_values(self) -> int:
        return len(self.values)

    def value_at(self, position: int) -> Value:
        return self.values[position]

    def position_of(self, text: str) -> int | None:
        """The position of the value that prints so, else of the one that does without the text's quotes."""
        return self.index_of_text.get(text, self.index_of_text.get(unquote(text)))


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included, `step` apart: ints if all three are, else floats.

    `is_log`, for ints one apart, says that searchers draw them evenly by their logarithm.
    Raises `SpaceError` for bounds that are no numbers, in the wrong order, or which the step does not join.
    """

    name: str
    low: float
    high: float
    step: float = 1
    is_log: bool = False
    only_if: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        problem = self._find_problem()
        if problem:
            raise SpaceError(f"{self.name!r}: {problem}")
        if not self.is_whole:
            for field in ("low", "high", "step"):
                object.__setattr__(self, field, float(getattr(self, field)))

    @property
    def kind(self) -> str:
        return "logint" if self.is_log else "int" if self.is_whole else "uniform"

    @property
    def is_whole(self) -> bool:
        return all(isinstance(number, int) for number in (self.low, self.high, self.step))

    @property
    def num_values(self) -> int:
        return self._num_steps + 1

    @property
    def _num_steps(self) -> int:
        return int((_exact(self.high) - _exact(self.low)) / _exact(self.step))

    def value_at(self, position: int) -> Value:
        if self.is_whole:
            return self.low + position * self.step
        return float(_exact(self.low) + position * _exact(self.step))

    def position_of(self, text: str) -> int | None:
        """The position of the number that prints so."""
        try:
            position = (_exact(read_literal(unquote(text))) - _exact(self.low)) / _exact(self.step)
        except (ValueError, TypeError):
            return None
        is_there = position.denominator == 1 and 0 <= position < self.num_values
        return int(position) if is_there and str(self.value_at(int(position))) == unquote(text) else None

    def _find_problem(self) -> str | None:
        numbers = (self.low, self.high, self.step)
        got = f"got {self.low!r} to {self.high!r} by {self.step!r}"
        if not all(type(number) in (int, float) and abs(number) <= _MAX_NUMBER for number in numbers):
            return f"a bound or step that is no number of 64 bits, {got}; expected low, high and step. Use such numbers"
        if self.low >= self.high:
            return f"low >= high, {got}; expected low < high. Swap or widen the bounds"
        if self.step <= 0:
            return f"step <= 0, {got}; expected step > 0. Use a positive step"
        if (_exact(self.high) - _exact(self.low)) % _exact(self.step):
            below = self.value_at(self._num_steps)
            return f"the steps miss the upper bound, {got}; expected one such as {below!r}. Move the bound"
        if self.is_log and not (self.is_whole and self.step == 1 and self.low > 0):
            return f"no positive whole numbers, {got}; expected 0 < low < high. Use such numbers"
        edges = ((0, 1), (self._num_steps - 1, self._num_steps))
        if any(self.value_at(position) == self.value_at(following) for position, following in edges):
            return f"the step is too small for its bounds, {got}; expected numbers that differ. Use a larger step"
        return None


@dataclass(frozen=True)
class Distribution:
    """A parameter drawn from one of hyperopt's distributions, `arguments` in the order of `DISTRIBUTIONS[kind]`; or,
    kind `log`, evenly by its logarithm between two bounds, which hyperopt's `loguniform` takes as exponents."""

    name: str
    kind: str
    arguments: tuple[float, ...]
    only_if: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        problem = find_argument_problem(self.kind, self.arguments)
        if problem:
            raise SpaceError(f"{self.name!r}: {problem}")


Finite = Choice | Range
Parameter = Finite | Distribution


def find_typical_values(parameter: Parameter) -> tuple[Value, ...]:
    """Some values of each type that the parameter has."""
    if isinstance(parameter, Distribution):
        return (
            parameter.arguments[0] if parameter.kind in ("randint", "uniformint") else float(parameter.arguments[0]),
        )
    step = -(-parameter.num_values // MAX_TYPICAL_VALUES)
    return tuple(parameter.value_at(position) for position in range(0, parameter.num_values, step))


def _exact(number: float) -> Fraction:
    """The number as it is written: 0.1 is a tenth."""
    return Fraction(repr(number))


def find_argument_problem(kind: str, arguments: tuple[float, ...]) -> str | None:
    """What is wrong with the arguments of a distribution; None if nothing."""
    names = ARGUMENTS[kind]
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
    if kind == "log" and value_of["low"] <= 0:
        return f"low <= 0, got {_listed(arguments)}; expected 0 < low < high. Use positive bounds"
    if value_of.get("sigma", 1) <= 0:
        return f"sigma <= 0, got {_listed(arguments)}; expected sigma > 0. Use a positive sigma"
    if value_of.get("q", 1) <= 0:
        return f"q <= 0, got {_listed(arguments)}; expected q > 0. Use a positive step"
    return _find_extent_problem(kind, value_of, _listed(arguments))


def _find_extent_problem(kind: str, value_of: Mapping[str, float], got: str) -> str | None:
    """Whether some of the values are no numbers of 64 bits, whole or floats; of normal ones those up to 8 sigma from
    the mean count, which a draw in 10^15 misses."""
    if kind in ("randint", "uniformint"):
        if value_of["low"] < -_MAX_NUMBER - 1 or value_of["high"] > _MAX_NUMBER:
            return f"{kind} has a bound that is no number of 64 bits, got {got}; expected smaller ones. Mend the line"
        return None
    if "low" in value_of:
        low, high = float(value_of["low"]), float(value_of["high"])
    else:
        low, high = (value_of["mu"] + sign * 8 * float(value_of["sigma"]) for sign in (-1, 1))
    if kind in ("loguniform", "qloguniform", "lognormal", "qlognormal"):
        for exponent in (low, high):
            if not _MIN_EXPONENT <= exponent <= _MAX_EXPONENT:
                expected = f"expected exponents from {_MIN_EXPONENT} to {_MAX_EXPONENT}. Write logarithms"
                return f"exp({exponent:g}) is no float, got {got}; {expected}"
        low, high = math.exp(low), math.exp(high)
        if "uniform" in kind and low >= high:
            return f"low >= high, got {got}; expected low < high. Swap or widen the bounds"
    if not math.isfinite(high - low):
        return f"the values span more than a float can hold, got {got}; expected fewer. Use smaller numbers"
    largest_multiple = max(abs(low), abs(high)) / value_of.get("q", math.inf)
    if largest_multiple > (_MAX_WHOLE_FLOAT if kind == "quniform" else sys.float_info.max):
        return f"the step is too small for the values, got {got}; expected numbers that differ. Use a larger step"
    return None


def _listed(arguments: tuple[float, ...]) -> str:
    return repr(",".join(repr(argument) for argument in arguments))


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise SpaceError(f"{name!r} is no parameter name; expected letters, digits and _, no digit first. Rename it")
