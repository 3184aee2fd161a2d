"""The grid is the product, less what conditions and rules leave out; a space printed and parsed is the same space."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.properties.strategies import ruled_grids, spaces
from hypersweep.errors import SpaceError
from hypersweep.space import Space, Value, count_excluded, counting
from hypersweep.spacefile import format_document, format_space, parse_space


def multiply(space: Space) -> list[dict[str, Value]]:
    """Every distinct point in product order, by brute force."""
    points: dict[str, dict[str, Value]] = {}
    for values in itertools.product(*(map(p.value_at, range(p.num_values)) for p in space.finite)):
        point = space.keep_active(dict(zip(space.names, values, strict=True)))
        if all(rule.allows(point) for rule in space.rules):
            points.setdefault(repr(point), point)
    return list(points.values())


@given(spaces(is_grid=True))
@settings(max_examples=100)
def test_the_grid_is_the_product(space: Space) -> None:
    points = multiply(space)
    assert space.grid_size == len(points)
    for index, point in enumerate(points):
        params = space.at(index)
        assert params is not None
        assert repr(params) == repr(point)
        assert space.index({name: str(value) for name, value in params.items()}) == index


@given(space=ruled_grids(), max_cost=st.sampled_from([0, 5, 20, 60, 10**6]))
@settings(max_examples=150)
def test_the_grid_is_what_conditions_and_rules_leave_of_the_product(space: Space, max_cost: int) -> None:
    points = multiply(space)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MAX_COST", max_cost)
        if not points and max_cost == 10**6:
            with pytest.raises(SpaceError, match="the rules allow no point"):
                space.grid_size  # noqa: B018
            return
        try:
            numbered = list(map(space.at, range(space.grid_size or 0)))
        except SpaceError:
            assert points == []
            return
    assert repr([point for point in numbered if point is not None]) == repr(points)
    assert space.grid.is_exact == (None not in numbered) or max_cost < 10**6
    for index, point in enumerate(numbered):
        if point is not None:
            assert space.index({name: str(value) for name, value in point.items()}) == index


@given(ruled_grids())
@settings(max_examples=100)
def test_what_is_excluded_is_counted(space: Space) -> None:
    every = multiply(Space(space.parameters))
    for rules in ([], list(space.rules), *([rule] for rule in space.rules)):
        excluded = count_excluded(space, rules)
        assert excluded.is_exact
        assert excluded.num_points == sum(not all(rule.allows(point) for rule in rules) for point in every)


@given(spaces() | ruled_grids())
@settings(max_examples=150)
def test_parse_after_format_is_the_identity(space: Space) -> None:
    try:
        space.check_rules()
    except SpaceError:
        return
    assert parse_space(format_space(space)) == space
    assert parse_space(format_document(space)) == space
