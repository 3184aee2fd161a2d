"""Which trials run together, and when they start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyper_tests.scripted import ScriptedPool, define, opened_sweep, run_sweep, square
from hypersweep.agenda import LOOK_AHEAD, Agenda
from hypersweep.batching import Batching, choose_batching
from hypersweep.budget import Budget
from hypersweep.errors import SettingsError
from hypersweep.events import Event, SweepStarted
from hypersweep.place import Place
from hypersweep.pool import Description, Resources
from hypersweep.search import Observation, Searcher
from hypersweep.spacefile import parse_space
from hypersweep.study import Study
from hypersweep.trial import Failed, Outcome, Params, Trial

SPACE = "lr choice [1, 2, 3, 4]\nsize choice [8, 16, 32]\n"  # 0, 3, 6, 9 have the first size
BY_LR = Batching(4, frozenset({"lr"}))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def batches(place: Place, batching: Batching, num_slots: int = 1, **options: Any) -> list[list[int]]:
    pool = ScriptedPool(num_slots)
    assert not run_sweep(place, define(SPACE), pool, batching=batching, **options)
    return pool.batches


def test_trials_that_differ_in_nothing_else_start_together(place: Place) -> None:
    assert batches(place, BY_LR) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_no_more_than_so_many(place: Place) -> None:
    assert batches(place, Batching(3, frozenset({"lr"}))) == [[0, 3, 6], [1, 4, 7], [2, 5, 8], [9], [10], [11]]


def test_a_size_of_one_is_a_sweep_as_ever(place: Place) -> None:
    assert batches(place, Batching(1, frozenset({"lr", "size"}))) == [[number] for number in range(12)]


def test_values_of_other_types_are_others(place: Place) -> None:
    pool = ScriptedPool(end=lambda trial: square(Trial(0, {"x": 1}, 0)))
    run_sweep(place, define("lr choice [1, 2]\nx choice [1, 1.0, True, '2']\n"), pool, batching=BY_LR)
    assert pool.batches == [[0, 4], [1, 5], [2, 6], [3, 7]]


def test_what_is_left_is_shared_among_free_slots(place: Place) -> None:
    assert batches(place, Batching(12, frozenset({"lr", "size"})), num_slots=3) == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]


def test_a_budget_of_trials_takes_those_that_it_takes_alone(place: Place) -> None:
    assert batches(place, BY_LR, budget=Budget(max_trials=5)) == [[0, 3], [1, 4], [2]]


def test_the_starts_of_a_batch_are_one_transaction(place: Place) -> None:
    seen: list[list[int]] = []

    class LookingPool(ScriptedPool):
        def submit(self, batch: Any) -> None:
            with Study(place) as study:
                seen.append([recorded.trial.number for recorded in study.trials("interrupted")])
            super().submit(batch)

    run_sweep(place, define(SPACE), LookingPool(), batching=BY_LR)
    assert seen == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_interrupted_trials_go_on_together(place: Place) -> None:
    pool = ScriptedPool(2, stop_after=1, choose=lambda running: 1)
    assert run_sweep(place, define(SPACE), pool, batching=BY_LR)
    assert [trial.number for trial in pool.ran] == [3]
    assert batches(place, BY_LR)[:3] == [[0, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_a_batch_of_interrupted_trials_is_filled_up(place: Place) -> None:
    assert run_sweep(place, define(SPACE), ScriptedPool(2, stop_after=0))  # 0 and 1
    assert batches(place, BY_LR) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_the_try_after_a_failure_runs_alone(place: Place) -> None:
    def fail_once(trial: Trial) -> Outcome:
        return Failed("no") if trial.attempt == 1 and trial.number in (0, 3) else square(trial)

    pool = ScriptedPool(end=fail_once)
    run_sweep(place, define(SPACE), pool, batching=BY_LR, retries=1)
    assert pool.batches == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11], [0], [3]]


def test_no_new_trial_joins_after_the_last_improvement_is_long_ago(place: Place) -> None:
    pool = ScriptedPool(end=lambda trial: square(Trial(0, {"x": 1}, 0)))
    run_sweep(place, define(SPACE), pool, batching=Batching(2, frozenset({"lr"})), budget=Budget(stop_after=3))
    assert pool.batches == [[0, 3], [1, 4]]


@pytest.mark.parametrize("stop_after", range(0, 24, 5))
def test_repeats_of_a_combination_run_together(place: Place, stop_after: int) -> None:
    """Whatever may differ, also where the sweep is interrupted."""
    definition = define(SPACE, repeats=2)
    first, rest = ScriptedPool(2, stop_after=stop_after), ScriptedPool(2)
    assert run_sweep(place, definition, first, batching=Batching(4))
    assert not run_sweep(place, definition, rest, batching=Batching(4))
    for numbers in (*first.batches, *rest.batches):
        assert len({number // 2 for number in numbers}) == 1
    assert first.batches[0] == [0, 1]
    assert sorted(trial.number for trial in (*first.ran, *rest.ran)) == list(range(24))


def test_repeats_of_several_combinations_may_run_together(place: Place) -> None:
    pool = ScriptedPool()
    run_sweep(place, define(SPACE, repeats=2), pool, batching=Batching(8, frozenset({"lr"})))
    assert [sorted(numbers) for numbers in pool.batches] == [
        [2 * point + repeat for point in range(size, 12, 3) for repeat in range(2)] for size in range(3)
    ]


class CountingSearcher:
    """A grid whose points differ in everything, without end for all practical purposes."""

    is_adaptive = False
    size = 10**15

    def __init__(self) -> None:
        self.num_suggested = 0

    def suggest(self, number: int) -> Params | None:
        self.num_suggested += 1
        return {"x": number} if number % 2 else None

    def observe(self, observation: Observation) -> None: ...


def test_looking_ahead_has_an_end(place: Place) -> None:
    searcher = CountingSearcher()
    with opened_sweep(place, define(SPACE)) as (_, study):
        agenda = Agenda(study, searcher, seed=0, retries=0, is_retrying_failed=False, batching=BY_LR)
        taken = [agenda.take_batch() for _ in range(2000)]
    assert [[trial.number for trial in batch] for batch in taken] == [[2 * place + 1] for place in range(2000)]
    assert searcher.num_suggested < 4000 + 2 * LOOK_AHEAD


class Learning:
    """Each point is told of before the next is asked for."""

    is_adaptive = True
    size = None

    def __init__(self) -> None:
        self.told: list[int] = []

    def suggest(self, number: int) -> Params | None:
        assert self.told == list(range(number))
        return {"lr": number}

    def observe(self, observation: Observation) -> None:
        self.told.append(observation.number)


def test_a_search_that_learns_is_told_of_each_point_before_the_next(place: Place) -> None:
    with opened_sweep(place, define("lr uniform 0,1\n", algo="tpe")) as (_, study):
        agenda = Agenda(study, Learning(), seed=0, retries=0, is_retrying_failed=False, batching=BY_LR)
        assert [trial.number for trial in agenda.take_batch()] == [0, 1, 2, 3]
        assert [trial.number for trial in agenda.take_batch()] == [4, 5, 6, 7]


def choose(batch_trials: int | str, free: list[str] | None, searcher: Searcher | None = None) -> Batching:
    description = Description(keys=None, has_prepare=False, batch_free=free, batch_size=5)
    return choose_batching(
        Resources(batch_trials=batch_trials), description, searcher or CountingSearcher(), parse_space(SPACE)
    )


def test_how_many_is_said_or_left_to_the_runner() -> None:
    assert choose(3, ["lr"]) == Batching(3, frozenset({"lr"}))
    assert choose("auto", ["lr"]) == Batching(5, frozenset({"lr"}))
    assert choose(1, ["lr"]).size == 1


def test_a_runner_that_trains_one_at_a_time() -> None:
    assert choose("auto", None) == choose(1, None) == Batching()
    with pytest.raises(SettingsError, match=r"^--batch-trials: got 3, and with these settings the runner trains one"):
        choose(3, None)


def test_a_search_that_learns_runs_together_what_is_alike_whatever_it_suggests() -> None:
    assert choose(3, ["lr"], Learning()) == Batching()
    assert choose(3, ["size", "lr"], Learning()).size == 3


def test_the_start_says_how_many(place: Place) -> None:
    told: list[Event] = []
    run_sweep(place, define(SPACE), ScriptedPool(), told.append, batching=BY_LR)
    assert isinstance(told[0], SweepStarted)
    assert told[0].batch_size == 4
