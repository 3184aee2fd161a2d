"""What a parameter's value may be, and how it is read from a text."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterable
from typing import Any

Value = None | bool | int | float | str | tuple["Value", ...]

_UNLOGGABLE = re.compile(r", [A-Za-z_][A-Za-z0-9_]*:|[\n\r\ud800-\udfff]")  # the last ones: no character, no UTF-8


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
