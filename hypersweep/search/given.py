"""Points that are tried first (`--enqueue`)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypersweep.errors import SearchError, did_you_mean
from hypersweep.search.bounds import WHOLE, bounds_of
from hypersweep.space import Choice, Distribution, Finite, Parameter, Range, Space, Value, as_value
from hypersweep.spacefile import describe_parameter
from hypersweep.textfile import read_lines
from hypersweep.trial import Params

NEXT_STEP = 'Write the points as JSON: [{"learning_rate": 0.001}, …]'

Points = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def read_given(points: Points, space: Space) -> tuple[Params, ...]:
    """The points of a JSON file, or of one mapping or several, as the space has them.

    Raises one `SearchError` with everything that is wrong: names, values, a point that stands there twice.
    """
    where, listed = _load(points) if isinstance(points, (str, Path)) else ("enqueue", points)
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise SearchError(f"{where}: got {type(listed).__name__}; expected one mapping or a list of them. {NEXT_STEP}")
    problems: list[str] = []
    given: list[Params] = []
    for position, point in enumerate(listed):
        place = f"{where}: point {position}"
        params, found = _read_point(point, space)
        problems += [f"{place}: {problem}" for problem in found]
        if not found and params in given:
            problems.append(f"{place}: stands there already, got point {given.index(params)} again; expected each once")
        given.append(params)
    if problems:
        raise SearchError.gather(problems)
    return tuple(given)


def _load(path: str | Path) -> tuple[str, Any]:
    text = "\n".join(read_lines(path, SearchError, "Check the path"))
    try:
        return str(path), json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SearchError(f"{path}: is no JSON ({error}); expected a list of points. {NEXT_STEP}") from error


def _read_point(point: Any, space: Space) -> tuple[Params, list[str]]:
    """The params, and what is wrong with them."""
    if not isinstance(point, Mapping):
        return {}, [f"got {point!r}; expected a mapping of names to values. {NEXT_STEP}"]
    problems = [
        f"{name!r} is no parameter of the space; expected {', '.join(space.names)}.{did_you_mean(name, space.names)} "
        "Rename or remove it"
        for name in map(str, point)
        if name not in space.names
    ]
    params: dict[str, Value] = {}
    for parameter, condition in zip(space.parameters, space.conditions, strict=True):
        name = parameter.name
        is_there = condition is None or condition.holds(params)
        if name in point and not is_there:
            problems.append(
                f"{name!r} is there only if {parameter.only_if}, got {point[name]!r}; expected none. Drop it"
            )
        elif name not in point and is_there:
            problems.append(f"{name!r} is missing; expected {', '.join(space.names)}. Add it")
        elif is_there:
            try:
                params[name] = _read_value(parameter, point[name])
            except ValueError as error:
                problems.append(f"{name!r} cannot be {point[name]!r}; expected {error}. Change it")
    rule = None if problems else space.find_broken_rule(params)
    if rule is not None:
        problems.append(f"{rule} does not allow it; expected a point that the space has. Change it")
    return params, problems


def _read_value(parameter: Parameter, value: Any) -> Value:
    """The value as the space has it; raises `ValueError` with what is expected."""
    if not isinstance(parameter, Distribution):
        position = _find_position(parameter, value)
        if position is None:
            if isinstance(parameter, Choice):
                raise ValueError(f"one of {', '.join(map(str, parameter.values))}")
            raise ValueError(describe_parameter(parameter))
        return parameter.value_at(position)
    bounds = bounds_of(parameter)
    fitting = bounds.fit(value) if type(value) in (int, float) else None
    if fitting is None:
        raise ValueError(str(bounds))
    return int(fitting) if parameter.kind in WHOLE else float(fitting)


def _find_position(parameter: Finite, value: Any) -> int | None:
    with contextlib.suppress(TypeError, OverflowError, ValueError):
        if isinstance(parameter, Range) and type(value) in (int, float):
            value = int(value) if parameter.is_whole and int(value) == value else float(value)  # JSON's 1 and 1.0
        return parameter.position_of(str(as_value(value)))
    return None
