"""The search space: named parameters and, if all of them are choices, the grid of their combinations.

A grid is indexed, never materialised: `space.at(index)` costs O(parameters), whatever the size.
"""

from __future__ import annotations

import ast
import math
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hypersweep.errors import SpaceError

Value = None | bool | int | float | str | tuple["Value", ...]

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

_UNLOGGABLE = re.compile(r", [A-Za-z_][A-Za-z0-9_]*:|[\n\r\ud800-\udfff]")  # the last ones: no character, no UTF-8
_MAX_EXPONENT = 709  # exp(710) is no float


def read_literal(text: str) -> Any:
    """The Python literal that `text` is; raises `ValueError` if it is none, or none that can be written again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # '\d' stays what it is, without a word
        try:
            literal = ast.literal_eval(text)
            repr(literal)  # a hexadecimal number may have too many digits for a decimal one
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise ValueError(f"{text!r} is no literal") from error
    return literal


def as_value(value: Any) -> Value:
    """The parameter value that `value` stands for: lists become tuples, and a string that is itself a bracketed
    list loses its blanks. Raises `TypeError` for anything that a space cannot hold."""
    if isinstance(value, (list, tuple)):
        return tuple(as_value(item) for item in value)
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return value.replace(" ", "")
    if value is None or type(value) in (bool, int, float, str):
        return value  # type: ignore[no-any-return]
    raise TypeError(f"{value!r} is no number, True, False, None, string or list of these")


def unquote(text: str) -> str:
    """The text of a value without what some logs add to it: a blank in front, quotes, blanks in a bracketed list."""
    text = text.removeprefix(" ")
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return str(as_value(text))


def find_value_problems(values: Iterable[Value]) -> list[str]:
    """What is wrong with the values of a choice; empty if nothing."""
    problems = []
    repr_of_text: dict[str, str] = {}
    for value in values:
        text = str(value)
        if text in repr_of_text and repr_of_text[text] == repr(value):
            problems.append(f"the value {value!r} stands in the list twice; expected each value once. Remove one")
        elif text in repr_of_text:
            problems.append(
                f"the values {repr_of_text[text]} and {value!r} have the same text; expected values that the result "
                "log can tell apart. Change one"
            )
        if _UNLOGGABLE.search(text):
            problems.append(
                f"the result log cannot carry the value, got {value!r}; expected no newline, no ', name:' and no "
                "lone surrogate in it. Change the value"
            )
        if not _is_finite(value):
            problems.append(f"a number is not finite, got {value!r}; expected finite numbers. Change the value")
        repr_of_text.setdefault(text, repr(value))
    return problems


def _is_finite(value: Value) -> bool:
    if isinstance(value, tuple):
        return all(_is_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


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


class Space:
    """Ordered named parameters. Equal if the parameters and their order are.

    Raises `SpaceError` if there is no parameter, or two have the same name.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters: tuple[Parameter, ...] = tuple(parameters)
        if not self.parameters:
            raise SpaceError(
                "the space has no parameter; expected at least one. Add a line: learning_rate choice [0.001]"
            )
        names = [parameter.name for parameter in self.parameters]
        for name in sorted(set(names)):
            if names.count(name) > 1:
                raise SpaceError(f"{name!r} stands in the space {names.count(name)} times; expected once. Rename one")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and repr(self) == repr(other)  # 1 == True, their texts differ

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"Space({list(self.parameters)!r})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def _choices(self) -> tuple[Choice, ...] | None:
        choices = tuple(parameter for parameter in self.parameters if isinstance(parameter, Choice))
        return choices if len(choices) == len(self.parameters) else None

    @cached_property
    def grid_size(self) -> int | None:
        """The number of combinations; None if a parameter is no choice."""
        return None if self._choices is None else math.prod(len(choice.values) for choice in self._choices)

    def at(self, index: int) -> dict[str, Value]:
        """The combination at `index` in product order: the last parameter changes fastest, as in
        `itertools.product`. Raises `IndexError` outside 0 … grid_size - 1."""
        choices = self._grid()
        if not 0 <= index < (self.grid_size or 0):
            raise IndexError(f"combination {index} of {self.grid_size}")
        values: list[Value] = []
        for choice in reversed(choices):
            index, position = divmod(index, len(choice.values))
            values.append(choice.values[position])
        return dict(zip(self.names, reversed(values), strict=True))

    def index(self, texts: Mapping[str, str]) -> int:
        """The inverse of `at`, for a combination given by the texts of its values (`str(value)`), as a log has them:
        a text stands for the value that prints so, else for the one that does without its quotes.

        Raises `KeyError` with the name of a parameter that is missing, unknown, or has no such value.
        """
        index = 0
        for choice in self._grid():
            text = texts[choice.name]
            position = choice.index_of_text.get(text, choice.index_of_text.get(unquote(text)))
            if position is None:
                raise KeyError(choice.name)
            index = index * len(choice.values) + position
        for name in texts:
            if name not in self.names:
                raise KeyError(name)
        return index

    def _grid(self) -> tuple[Choice, ...]:
        if self._choices is None:
            raise SpaceError(f"{self.first_distribution!r} is no choice; a grid needs choices only")
        return self._choices

    @property
    def first_distribution(self) -> str | None:
        """The name of the first parameter that is no choice, because of which there is no grid."""
        return next((parameter.name for parameter in self.parameters if isinstance(parameter, Distribution)), None)
