"""What a space and a log may hold, for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hypersweep.errors import SpaceError
from hypersweep.space import (
    ARGUMENTS,
    NAME,
    Choice,
    Distribution,
    Finite,
    Parameter,
    Range,
    Space,
    Value,
    find_value_problems,
)
from hypersweep.trial import Result

names = st.from_regex(NAME, fullmatch=True).filter(lambda name: len(name) < 12)

_tricky = st.sampled_from(
    ["[64,64]", "[64, 64]", "(1, 2)", "'a'", '"', "\\", "#", "a, b", "a,b:c", "，", " x ", "\u2028"]
)
strings = st.one_of(_tricky, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), strings)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)


@st.composite
def choices(draw: st.DrawFn, name: str) -> Choice:
    drawn: list[Value] = draw(st.lists(values, min_size=1, max_size=5, unique_by=str))
    try:
        return Choice(name, tuple(drawn))
    except SpaceError:
        return Choice(name, tuple(value for value in drawn if not find_value_problems([value]))[:1] or (0,))


@st.composite
def distributions(draw: st.DrawFn, name: str) -> Distribution:
    kind = draw(st.sampled_from(sorted(ARGUMENTS)))
    is_whole = kind in ("randint", "uniformint")
    least = 0.001 if kind == "log" else -99
    number: st.SearchStrategy[Any] = st.integers(-99, 99) if is_whole else st.floats(least, 99) | st.integers(1, 99)
    low, high = sorted(draw(st.lists(number, min_size=2, max_size=2, unique=True)))
    second = high if "high" in ARGUMENTS[kind] else draw(st.floats(0.001, 9))
    return Distribution(name, kind, (low, second, draw(st.floats(0.001, 9)))[: len(ARGUMENTS[kind])])


@st.composite
def ranges(draw: st.DrawFn, name: str) -> Range:
    low, length = draw(st.integers(-99, 99)), draw(st.integers(1, 4))
    step = draw(st.sampled_from([1, 2, 7, 0.1, 0.25]))
    if isinstance(step, int):
        is_log = step == 1 and low > 0 and draw(st.booleans())
        return Range(name, low, low + length * step, step, is_log)
    return Range(name, float(low), round(low + length * step, 6), step)


@st.composite
def spaces(draw: st.DrawFn, is_grid: bool = False) -> Space:
    parameters: list[Parameter] = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        finite = choices(name) | ranges(name)
        parameters.append(draw(finite if is_grid else finite | distributions(name)))
    return Space(parameters)


@st.composite
def ruled_grids(draw: st.DrawFn) -> Space:
    """Up to 4 parameters of few numbers, with conditions on those above and rules between any; perhaps no point."""
    parameters: list[Finite] = []
    for name in "abcd"[: draw(st.integers(1, 4))]:
        above = [parameter.name for parameter in parameters]
        only_if = draw(st.none() | expressions(above)) if above else None
        if draw(st.booleans()):
            low = draw(st.integers(-3, 3))
            parameters.append(Range(name, low, low + draw(st.integers(1, 3)), only_if=only_if))
        else:
            numbers = st.lists(st.integers(-3, 3) | st.sampled_from([0.5, 1.5]), min_size=1, max_size=4, unique_by=str)
            parameters.append(Choice(name, tuple(draw(numbers)), only_if))
    rules = st.lists(expressions([parameter.name for parameter in parameters]), max_size=2)
    return Space(parameters, constraints=draw(rules), forbidden=draw(rules))


@st.composite
def expressions(draw: st.DrawFn, above: list[str]) -> str:
    """A rule over some of the names, the first of which it always asks for."""
    sides = st.sampled_from(above) | st.integers(-3, 3).map(str)
    terms: st.SearchStrategy[str] = st.tuples(sides, st.sampled_from([" + ", " - ", " * "]), sides).map("".join) | sides
    comparisons = st.tuples(terms, st.sampled_from([" < ", " == ", " != ", " >= "]), terms).map("".join)
    ends = st.tuples(st.sampled_from([" < ", " == "]), terms).map("".join) | st.just(" in [0, 1, 1.5]")
    first = draw(st.sampled_from(above)) + draw(ends)
    words = st.sampled_from([" and ", " or ", " and not "])
    return first + "".join(draw(st.lists(st.tuples(words, comparisons).map("".join), max_size=2)))


metric_names = st.from_regex(r"[a-z_/-]{1,8}(@[0-9]{1,3})?", fullmatch=True)
metrics = st.dictionaries(metric_names, st.floats() | st.integers(-(10**20), 10**20), max_size=4)
results = st.builds(Result, valid=metrics, test=metrics).filter(lambda result: bool(result.valid or result.test))
