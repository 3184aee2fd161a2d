"""A search space as RecBole writes it (`hyper.test`): a parameter a line.

All that is wrong in a text is told together. Lists are Python literals, never evaluated, and may have a comma after the
last item.
"""

from __future__ import annotations

import re

from hypersweep.errors import SpaceError, did_you_mean
from hypersweep.space import (
    DISTRIBUTIONS,
    KINDS,
    NAME,
    Choice,
    Distribution,
    Parameter,
    Space,
    Value,
    as_value,
    find_argument_problem,
    find_value_problems,
    read_literal,
)

_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_QUOTED_COMMENT_OR_COMMA = re.compile(rf"({_QUOTED})|(#.*)|，", re.DOTALL)
_LINE = re.compile(r"([^ \t]+)[ \t]+([^ \t\[]+)(?:[ \t]+|(?=\[))(.+)", re.DOTALL)
_BETWEEN_COMMAS = re.compile(rf"(?:{_QUOTED}|[^\[\],])+", re.DOTALL)
_ITEM = re.compile(rf"{_QUOTED}|[\w.+-]+", re.DOTALL)

_ITEM_EXPECTED = "expected a number, True, False, None, a quoted string or a list of these"


def find_lines(text: str) -> dict[str, int]:
    """The line of each parameter in a text that can be parsed."""
    words = (line.split() for line in text.removeprefix("\ufeff").split("\n"))
    return {line[0]: number for number, line in enumerate(words, 1) if line}


def parse_lines(text: str, where: str) -> Space:
    """The space that the text describes; raises one `SpaceError` with everything that is wrong, by `where` and line."""
    parameters: list[Parameter] = []
    problems: list[str] = []
    line_of_name: dict[str, int] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = _QUOTED_COMMENT_OR_COMMA.sub(_keep_quoted, line.removesuffix("\r")).rstrip(" \t")
        if not line:
            continue
        read = _read_line(line)
        if isinstance(read, list):
            problems += [f"{where}:{number}: {problem}" for problem in read]
        else:
            parameters.append(read)
        name = re.split(r"[ \t]", line, maxsplit=1)[0]
        if name in line_of_name and NAME.fullmatch(name):
            problems.append(
                f"{where}:{number}: the parameter stands in line {line_of_name[name]} already, got {name!r}; expected "
                "each name once. Remove or rename one"
            )
        line_of_name.setdefault(name, number)
    if problems:
        raise SpaceError.gather(problems)
    if not parameters:
        raise SpaceError(
            f"{where}: the space has no parameter; expected at least one. Add a line: learning_rate choice [0.001]"
        )
    return Space(parameters)


def _keep_quoted(match: re.Match[str]) -> str:
    """Outside of quotes a comment is nothing and a full-width comma is a comma."""
    return match[1] or ("" if match[2] else ",")


def _read_line(line: str) -> Parameter | list[str]:
    """The parameter of a line without comment, or what is wrong with it."""
    match = _LINE.fullmatch(line)
    if not match:
        return [
            f"too few words or blanks in front, got {line!r}; expected a name, a kind and its arguments. "
            "Write for example: learning_rate choice [0.001, 0.003]"
        ]
    name, kind, arguments = match.groups()
    problems = []
    if not NAME.fullmatch(name):
        problems.append(f"no parameter name, got {name!r}; expected letters, digits and _, no digit first. Rename it")
    if kind in ("choice", "in"):
        values = _read_list(arguments, problems)
        problems += find_value_problems(values)
        return [f"{name!r}: {problem}" for problem in problems] or Choice(name, values)
    if kind not in DISTRIBUTIONS:
        problems.append(
            f"unknown kind, got {kind!r}; expected {', '.join(KINDS)}."
            f"{did_you_mean(kind.lower(), KINDS)} Use one of these"
        )
        return [f"{name!r}: {problem}" for problem in problems]
    numbers = _read_numbers(kind, arguments, problems)
    problem = None if problems else find_argument_problem(kind, numbers)
    problems += [problem] if problem else []
    return [f"{name!r}: {problem}" for problem in problems] or Distribution(name, kind, numbers)


def _read_list(text: str, problems: list[str]) -> tuple[Value, ...]:
    """The values of a choice; what is wrong is added to `problems`."""
    if not text.startswith("["):
        problems.append(f"no list of values, got {text!r}; expected [v1, v2, …]. Put the values in brackets")
        return ()
    items = [item.strip(" \t") for item in _BETWEEN_COMMAS.findall(text)]
    unreadable = [item for item in items if item and not _is_item(item)]
    for item in unreadable:
        problems.append(f"no value, got {item!r}; {_ITEM_EXPECTED}. Quote it, or mend it")
    if unreadable:
        return ()
    try:
        values = read_literal(text)
    except ValueError:
        values = None
    if not isinstance(values, list):
        problems.append(
            f"the list cannot be read, got {text!r}; expected [v1, v2, …]. Close every bracket and quote, and put one "
            "comma between two values"
        )
        return ()
    if not values:
        problems.append("the list is empty, got '[]'; expected at least one value. Add one")
    return tuple(as_value(value) for value in values)


def _is_item(text: str) -> bool:
    """Whether it is one value by itself: not two strings side by side, no prefixed string, no complex number."""
    try:
        as_value(read_literal(text))
    except (ValueError, TypeError):
        return False
    return bool(_ITEM.fullmatch(text))


def _read_numbers(kind: str, text: str, problems: list[str]) -> tuple[float, ...]:
    """The arguments of a distribution; what is wrong is added to `problems`."""
    numbers = []
    for item in text.split(","):
        try:
            number = read_literal(item.strip(" \t"))
        except ValueError:
            number = None
        if type(number) in (int, float) and _ITEM.fullmatch(item.strip(" \t")):
            numbers.append(number)
        else:
            expected = f"expected {kind} {','.join(DISTRIBUTIONS[kind])}"
            problems.append(f"no number, got {item!r}; {expected}. Write numbers with commas between them")
    return tuple(numbers)
