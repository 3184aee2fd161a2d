"""What every searcher keeps: plain values of the space, a function of the seed and of what it was told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.contracts.searchers import (
    BOUNDED,
    ENDLESS,
    EVERY,
    RULED,
    UNBOUNDED,
    Search,
    count_for,
    end_mixed,
    needs_optuna,
    open_for,
    space_for,
)
from hypersweep.errors import SearchError
from hypersweep.search import Observation, open_searcher
from hypersweep.search.given import read_given
from hypersweep.space import Space
from hypersweep.spacefile import parse_space
from hypersweep.trial import Params, params_from_json


def check_values(space: Space, params: Params) -> None:
    """A point can be given just as it was suggested, its values' types included."""
    assert params_from_json(json.loads(json.dumps(params))) == params
    (read,) = read_given(json.loads(json.dumps(params)), space)
    assert list(map(repr, read.items())) == list(map(repr, params.items()))


@pytest.mark.parametrize("algo", EVERY)
def test_points_are_plain_values_of_the_space(algo: str) -> None:
    for params in Search(open_for(algo), slots=3, end=end_mixed).run(count_for(algo)):
        check_values(space_for(algo), params)


@pytest.mark.parametrize("algo", ENDLESS)
def test_points_keep_the_rules_of_the_space(algo: str) -> None:
    search = Search(open_searcher(RULED, algo, order="sequential", seed=5), slots=2, end=end_mixed)
    points = search.run(count_for(algo))
    for params in points:
        check_values(RULED, params)
        assert RULED.find_broken_rule(params) is None
    assert {"momentum" in params for params in points} == {True, False}
    resumed = Search(open_searcher(RULED, algo, order="sequential", seed=5), slots=2, end=end_mixed)
    assert resumed.resume(search.told[: len(points)]).run(len(points)) == points


@pytest.mark.parametrize("algo", ["random", *[pytest.param("optuna:tpe", marks=needs_optuna)]])
def test_rules_that_allow_next_to_nothing_are_told(algo: str) -> None:
    space = parse_space("parameters:\n  x: {uniform: [0.0, 1.0]}\nconstraints: [x == 0.5]\n", "space.yaml")
    searcher = open_searcher(space, algo, order="sequential", seed=1)
    with pytest.raises(SearchError, match="none of 10000 points drawn is allowed by its rules; expected that some are"):
        searcher.suggest(0)


@pytest.mark.parametrize("algo", ["random", "tpe", "anneal"])
def test_hyperopt_has_distributions_without_bounds(algo: str) -> None:
    searcher = open_searcher(UNBOUNDED, algo, order="sequential", seed=1)
    for params in Search(searcher).run(count_for(algo)):
        check_values(UNBOUNDED, params)


@pytest.mark.parametrize("algo", ENDLESS)
def test_the_seed_decides(algo: str) -> None:
    first, again, other, negative = (Search(open_for(algo, seed=seed)).run(count_for(algo)) for seed in (1, 1, 2, -1))
    assert first == again
    assert first != other != negative


@pytest.mark.parametrize("algo", EVERY)
@given(
    slots=st.integers(1, 4),
    order=st.permutations(range(count_for("tpe"))),
    data=st.data(),
    ends=st.sampled_from(["all", "mixed"]),
)
@settings(max_examples=5, deadline=None)
def test_told_again_it_goes_on_as_if_unbroken(
    algo: str, slots: int, order: list[int], data: st.DataObject, ends: str
) -> None:
    options: dict[str, Any] = {"slots": slots, "choose": order.__getitem__}
    options |= {"end": end_mixed} if ends == "mixed" else {}
    unbroken = Search(open_for(algo), **options)
    params = unbroken.run(count_for(algo))
    cut = data.draw(st.integers(0, len(unbroken.told)), label="cut")
    resumed = Search(open_for(algo), **options).resume(unbroken.told[:cut])
    assert resumed.run(len(params)) == params


@pytest.mark.parametrize("algo", EVERY)
def test_a_point_stays_what_it_is(algo: str) -> None:
    search = Search(open_for(algo), slots=2)
    params = search.run(count_for(algo))
    assert [search.searcher.suggest(number) for number in range(len(params))] == params
    asked = search.searcher.suggest(len(params))
    assert search.searcher.suggest(len(params)) == asked, "asked again before it is told"


@pytest.mark.parametrize("algo", EVERY)
def test_given_points_come_first(algo: str) -> None:
    given_points = [Search(open_for(algo)).run(10)[number] for number in (9, 4)]
    params = Search(open_for(algo, given=given_points)).run(count_for(algo))
    assert params[:2] == given_points
    if algo == "grid":
        assert len(set(map(str, params))) == len(params), "not again"


@pytest.mark.parametrize("algo", EVERY)
def test_a_start_may_be_told_twice(algo: str) -> None:
    """A trial whose place was lost starts again."""
    once, twice = open_for(algo), open_for(algo)
    for searcher, times in ((once, 1), (twice, 2)):
        for number in range(count_for(algo)):
            params = searcher.suggest(number)
            assert params is not None
            for _ in range(times):
                searcher.observe(Observation(number, params))
            searcher.observe(Observation(number, params, "finished", float(number % 5)))
    assert once.suggest(count_for(algo)) == twice.suggest(count_for(algo))


@pytest.mark.parametrize("algo", EVERY)
def test_only_those_that_learn_heed_what_they_are_told(algo: str) -> None:
    count = open_for(algo).size or 2 * count_for(algo)  # more than a generation
    plain = Search(open_for(algo)).run(count)
    mixed = Search(open_for(algo), end=end_mixed).run(count)
    assert (plain != mixed) == open_for(algo).is_adaptive


def test_the_grid_alone_has_an_end() -> None:
    grid = open_for("grid")
    assert grid.size == 45
    assert grid.suggest(45) is None
    assert BOUNDED.grid_size is None
