"""What a space and a log may hold, for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hypersweep.errors import SpaceError
from hypersweep.space import DISTRIBUTIONS, NAME, Choice, Distribution, Parameter, Space, Value, find_value_problems
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
    kind = draw(st.sampled_from(sorted(DISTRIBUTIONS)))
    is_whole = kind in ("randint", "uniformint")
    number: st.SearchStrategy[Any] = st.integers(-99, 99) if is_whole else st.floats(-99, 99) | st.integers(-99, 99)
    low, high = sorted(draw(st.lists(number, min_size=2, max_size=2, unique=True)))
    second = high if "high" in DISTRIBUTIONS[kind] else draw(st.floats(0.001, 9))
    return Distribution(name, kind, (low, second, draw(st.floats(0.001, 9)))[: len(DISTRIBUTIONS[kind])])


@st.composite
def spaces(draw: st.DrawFn, is_grid: bool = False) -> Space:
    parameters: list[Parameter] = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        if is_grid or draw(st.booleans()):
            parameters.append(draw(choices(name)))
        else:
            parameters.append(draw(distributions(name)))
    return Space(parameters)


metric_names = st.from_regex(r"[a-z_/-]{1,8}(@[0-9]{1,3})?", fullmatch=True)
metrics = st.dictionaries(metric_names, st.floats() | st.integers(-(10**20), 10**20), max_size=4)
results = st.builds(Result, valid=metrics, test=metrics).filter(lambda result: bool(result.valid or result.test))
