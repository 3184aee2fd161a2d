"""The text of a space: a line for each parameter where that says it all, else YAML."""

from __future__ import annotations

from hypersweep.space import CONSTRAINT, DISTRIBUTIONS, FORBIDDEN, Choice, Distribution, Parameter, Range, Space, Value
from hypersweep.spacefile.document import PARAMETERS, SECTION_OF

_NOT_PLAIN = ("yes", "no", "on", "off", "true", "false", "null")  # names that YAML 1.1 takes for something else


def format_space(space: Space) -> str:
    """The text that `parse_space` reads as an equal space, the types of all values included."""
    if space.rules or not all(map(_fits_line, space.parameters)):
        return format_document(space)
    return "".join(f"{parameter.name} {_format_line(parameter)}\n" for parameter in space.parameters)


def format_document(space: Space) -> str:
    """The same as YAML, whatever the space."""
    lines = [f"{PARAMETERS}:"]
    for parameter in space.parameters:
        name = _quote(parameter.name) if parameter.name.lower() in _NOT_PLAIN else parameter.name
        lines.append(f"  {name}: {_format_entry(parameter)}")
    for what in (CONSTRAINT, FORBIDDEN):
        texts = space.texts_of(what)
        lines += [f"{SECTION_OF[what]}:"] * bool(texts) + [f"  - {_quote(text)}" for text in texts]
    return "\n".join(lines) + "\n"


def describe_parameter(parameter: Parameter) -> str:
    """A parameter without its name, in one line: `choice [1, 2]`, `{int: [1, 8], only_if: "depth > 1"}`."""
    return _format_line(parameter) if _fits_line(parameter) else _format_entry(parameter)


def _fits_line(parameter: Parameter) -> bool:
    """Whether a line of a `hyper.test` can say it."""
    return (
        parameter.only_if is None and parameter.kind in ("choice", *DISTRIBUTIONS) and not isinstance(parameter, Range)
    )


def _format_line(parameter: Parameter) -> str:
    if isinstance(parameter, Choice):
        return f"choice {_format_literal(parameter.values)}"
    assert isinstance(parameter, Distribution), "fits a line"
    return f"{parameter.kind} {','.join(repr(argument) for argument in parameter.arguments)}"


def _format_literal(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_format_literal(item) for item in value)}]"
    return repr(value)


def _format_entry(parameter: Parameter) -> str:
    if isinstance(parameter, Choice) and parameter.only_if is None:
        return _format_node(parameter.values)
    fields = {parameter.kind: _format_node(_arguments(parameter))}
    if isinstance(parameter, Range) and (parameter.step != 1 or not parameter.is_whole):
        fields["step"] = _format_node(parameter.step)
    if parameter.only_if is not None:
        fields["only_if"] = _quote(parameter.only_if)
    return f"{{{', '.join(f'{key}: {text}' for key, text in fields.items())}}}"


def _arguments(parameter: Parameter) -> tuple[Value, ...]:
    if isinstance(parameter, Choice):
        return parameter.values
    return parameter.arguments if isinstance(parameter, Distribution) else (parameter.low, parameter.high)


def _format_node(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_format_node(item) for item in value)}]"
    if isinstance(value, str):
        return _quote(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _quote(text: str) -> str:
    """The text in double quotes as YAML reads it."""
    return f'"{"".join(map(_escape, text))}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
