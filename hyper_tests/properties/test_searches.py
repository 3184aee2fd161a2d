"""Searches that learn, through the loop and the store: wherever they are interrupted, the same points are tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.contracts.searchers import needs_optuna
from hyper_tests.properties.test_sweeps import fresh_place
from hyper_tests.scripted import ScriptedPool, define, run_sweep
from hypersweep.budget import Budget
from hypersweep.definition import Definition
from hypersweep.place import Place
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Params, Pruned, Result, Trial

SPACE = "x uniform -5,5\nk choice [1, 2, 3]\n"
COUNT = 28
LEARNING = [
    "tpe",
    "anneal",
    *(pytest.param(f"optuna:{name}", marks=needs_optuna) for name in ("tpe", "cmaes", "nsga2")),
]


def mixed(trial: Trial) -> Outcome:
    """Some fail at first, some for good, some are pruned."""
    if trial.number % 9 == 4 and trial.attempt == 1:
        return Failed("at first")
    if trial.number % 9 == 6:
        return Failed("ever")
    if trial.number % 9 == 8:
        return Pruned(1)
    return Finished(Result(valid={"loss": abs(float(str(trial.params["x"])) - 2) + float(str(trial.params["k"]))}))


def pool_of(num_slots: int, order: Sequence[int], stop_after: int | None = None) -> ScriptedPool:
    """Of those that run, the one ends whose number stands first in `order`."""

    def choose(running: Sequence[Trial]) -> int:
        return min(range(len(running)), key=lambda position: order.index(running[position].number))

    return ScriptedPool(num_slots, end=mixed, choose=choose, stop_after=stop_after)


def points_of(place: Place) -> list[Params]:
    with Study(place) as study:
        return [recorded.trial.params for recorded in study.trials()]


def search(place: Place, definition: Definition, pool: ScriptedPool) -> bool:
    return run_sweep(place, definition, pool, retries=1, budget=Budget(max_trials=COUNT))


@pytest.mark.parametrize("algo", LEARNING)
@given(
    num_slots=st.integers(1, 4),
    order=st.permutations(range(COUNT)),
    stops=st.lists(st.integers(0, 12), min_size=1, max_size=3),
)
@settings(max_examples=5, deadline=None)
def test_an_interrupted_search_tries_the_points_of_the_unbroken_one(
    tmp_path_factory: pytest.TempPathFactory, algo: str, num_slots: int, order: list[int], stops: list[int]
) -> None:
    directory, definition = tmp_path_factory.mktemp("searches"), define(SPACE, algo=algo, seed=3)
    unbroken, broken = fresh_place(directory), fresh_place(directory)
    assert not search(unbroken, definition, pool_of(num_slots, order))
    for stop_after in stops:
        search(broken, definition, pool_of(num_slots, order, stop_after))
    assert not search(broken, definition, pool_of(num_slots, order))
    assert points_of(broken) == points_of(unbroken)
    assert broken.log.read_bytes() == unbroken.log.read_bytes()
    with Study(broken) as study:
        assert study.counts()["waiting"] == 0
        assert study.num_recorded() == COUNT


@pytest.mark.parametrize("algo", ["random", "grid"])
def test_points_that_nothing_is_learned_for_do_not_depend_on_the_order(tmp_path: Path, algo: str) -> None:
    definition = define("x choice [0, 1, 2, 3, 4, 5]\nk choice [1, 2, 3, 4, 5, 6]\n", algo=algo)
    logs = []
    for name, num_slots in (("one", 1), ("five", 5)):
        place = Place.of(tmp_path / name, "hyper")
        search(place, definition, pool_of(num_slots, range(COUNT, -1, -1)))
        logs.append(place.log.read_bytes())
    assert logs[0] == logs[1]


def test_a_search_over_a_grid_that_is_resumed_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume of very many trials must not pay for what only a search that learns needs."""
    definition = define("x choice [0, 1, 2, 3, 4, 5]\n")
    place = Place.of(tmp_path, "hyper")
    run_sweep(place, definition, ScriptedPool(stop_after=3))
    monkeypatch.setattr("hypersweep.agenda.replay", None)
    assert not run_sweep(place, definition, ScriptedPool())


def test_points_given_first_are_tried_first_by_any_number_of_workers(tmp_path: Path) -> None:
    given_points = ({"x": 4.5, "k": 3}, {"x": -1.0, "k": 1})
    definition = define(SPACE, algo="tpe", given=given_points)
    place = Place.of(tmp_path, "hyper")
    search(place, definition, pool_of(2, range(COUNT)))
    assert points_of(place)[:2] == list(given_points)
