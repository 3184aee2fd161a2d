"""The grid: every combination once, in the file's order or in a seeded one."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hyper_tests.properties.strategies import ruled_grids, spaces
from hyper_tests.properties.test_space import multiply
from hypersweep.errors import SearchError, SpaceError
from hypersweep.search import GridSearcher
from hypersweep.search.grid import MAX_SIZE, Order
from hypersweep.search.permutation import Permutation
from hypersweep.space import Choice, Parameter, Range, Space, counting
from hypersweep.spacefile import parse_space

SPACE = parse_space("a choice [1, 2, 3]\nb choice ['x', 'y']\n")


def all_params(searcher: GridSearcher) -> list[object]:
    return [searcher.suggest(number) for number in range(searcher.size)]


def test_sequential_is_the_product_order_of_the_file() -> None:
    searcher = GridSearcher(SPACE)
    assert all_params(searcher) == [{"a": a, "b": b} for a, b in itertools.product([1, 2, 3], ["x", "y"])]
    assert searcher.suggest(6) is None


def test_shuffled_is_another_order_of_the_same() -> None:
    ordered = all_params(GridSearcher(SPACE))
    shuffled = all_params(GridSearcher(SPACE, order="shuffled"))
    assert shuffled != ordered
    assert sorted(map(str, shuffled)) == sorted(map(str, ordered))


def test_the_seed_decides_the_shuffled_order() -> None:
    space = Space([Choice("x", tuple(range(100)))])
    first, again, other = (all_params(GridSearcher(space, order="shuffled", seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_shuffled_order_never_changes() -> None:
    """A sweep that began with another version goes on in the same order."""
    assert [Permutation(10, 2020).at(position) for position in range(10)] == [6, 8, 4, 2, 1, 9, 7, 5, 3, 0]


def test_shuffling_spreads_what_runs_first() -> None:
    positions = [Permutation(1000, 2020).at(position) for position in range(100)]
    assert 350 < sum(positions) / 100 < 650
    assert len({position // 100 for position in positions}) == 10


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 15, 16, 17, 255, 256, 257, 1000])
@pytest.mark.parametrize("seed", [0, 2020, -1])
def test_a_permutation_visits_each_exactly_once(size: int, seed: int) -> None:
    permutation = Permutation(size, seed)
    visited = [permutation.at(position) for position in range(size)]
    assert sorted(visited) == list(range(size))
    assert [permutation.index(number) for number in visited] == list(range(size))


@given(st.integers(1, MAX_SIZE), st.integers(), st.data())
def test_a_permutation_has_an_inverse_whatever_its_size(size: int, seed: int, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, size - 1))
    permutation = Permutation(size, seed)
    number = permutation.at(position)
    assert 0 <= number < size
    assert permutation.index(number) == position


@given(spaces(is_grid=True), st.sampled_from(["sequential", "shuffled"]), st.data())
def test_a_trial_is_found_by_the_texts_of_its_params(space: Space, order: str, data: st.DataObject) -> None:
    searcher = GridSearcher(space, order=order)  # type: ignore[arg-type]
    number = data.draw(st.integers(0, searcher.size - 1))
    params = searcher.suggest(number)
    assert params is not None
    assert searcher.number_of({name: str(value) for name, value in params.items()}) == number


def test_a_large_grid_costs_nothing() -> None:
    space = Space([Choice(f"p{index}", tuple(range(1000))) for index in range(6)])
    searcher = GridSearcher(space, order="shuffled")
    assert searcher.size == 10**18
    params = searcher.suggest(10**18 - 1)
    assert params is not None
    assert searcher.number_of({name: str(value) for name, value in params.items()}) == 10**18 - 1


def test_a_grid_that_cannot_be_numbered_is_refused() -> None:
    space = Space([Choice(f"p{index}", tuple(range(1000))) for index in range(7)])
    with pytest.raises(
        SearchError, match=rf"the grid has {math.prod([1000] * 7)} combinations; expected at most {MAX_SIZE}"
    ):
        GridSearcher(space)


def test_a_distribution_has_no_grid() -> None:
    with pytest.raises(SearchError, match="space: 'u' is no choice, got a distribution; expected u choice"):
        GridSearcher(parse_space("a choice [1]\nu uniform 0,1\n"))


@given(ruled_grids(), st.data(), st.sampled_from(["sequential", "shuffled"]), st.sampled_from([0, 10, 10**6]))
@settings(max_examples=150)
def test_a_grid_that_has_grown_keeps_its_numbers(
    space: Space, data: st.DataObject, order: Order, max_cost: int
) -> None:
    middle = data.draw(shrunken(space))
    chain = [data.draw(shrunken(middle)), middle, space]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MAX_COST", max_cost)
        try:
            searchers = [GridSearcher(chain[n], order=order, older=chain[:n]) for n in range(3)]
        except SpaceError as error:
            assume("the rules allow no point" not in str(error))
            raise
        points = [[searcher.suggest(number) for number in range(searcher.size)] for searcher in searchers]
    for grown, before, now in zip(chain[1:], points, points[1:], strict=False):
        assert now[: len(before)] == before
        assert sorted(repr(p) for p in now if p) == sorted(repr(p) for p in multiply(grown))
        if order == "sequential":
            new = [repr(point) for point in now[len(before) :] if point]
            assert new == [repr(point) for point in multiply(grown) if repr(point) in new]
    for number, point in enumerate(points[2]):
        if point is not None:
            assert searchers[2].number_of({name: str(value) for name, value in point.items()}) == number


@st.composite
def shrunken(draw: st.DrawFn, space: Space) -> Space:
    """The space with fewer values, or as many."""
    parameters: list[Parameter] = []
    for parameter in space.parameters:
        if isinstance(parameter, Range):
            ends = st.tuples(st.integers(int(parameter.low), int(parameter.high)), st.integers(1, 3))
            low, length = draw(ends)
            high = min(low + length, int(parameter.high))
            low = min(low, high - 1)
            parameters.append(dataclasses.replace(parameter, low=max(low, int(parameter.low)), high=high))
        elif isinstance(parameter, Choice):
            kept = draw(st.sets(st.sampled_from(range(len(parameter.values))), min_size=1))
            parameters.append(dataclasses.replace(parameter, values=tuple(parameter.values[n] for n in sorted(kept))))
    rules = {what: space.texts_of(kind) for what, kind in (("constraints", "constraint"), ("forbidden", "forbidden"))}
    return Space(parameters, **rules)
