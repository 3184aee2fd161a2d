"""Budgets: a search ends where it is told to, counts over all sessions, and can be given more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.inline_sweeps import Counting, inline, notes
from hyper_tests.scripted import ScriptedPool, define, run_sweep
from hypersweep import limits, sweeprecord
from hypersweep.budget import Budget
from hypersweep.errors import SearchError, SettingsError
from hypersweep.events import Event
from hypersweep.launch import resume
from hypersweep.place import Place
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Pruned, Result, Trial

SPACE = "x choice [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def scoring(*scores: float | None) -> Callable[[Trial], Outcome]:
    """Trials with these scores, None: it fails."""

    def end(trial: Trial) -> Outcome:
        score = scores[trial.number]
        return Failed("no") if score is None else Finished(Result(valid={"score": score}))

    return end


def numbers(pool: ScriptedPool) -> list[int]:
    return [trial.number for trial in pool.ran]


@pytest.mark.parametrize("num_slots", [1, 3])
def test_so_many_trials_and_no_more(place: Place, num_slots: int) -> None:
    pool = ScriptedPool(num_slots)
    assert not run_sweep(place, define(SPACE), pool, budget=Budget(max_trials=4))
    assert sorted(numbers(pool)) == [0, 1, 2, 3]
    with Study(place) as found:
        assert found.size == 4
        assert found.counts()["waiting"] == 0


def test_more_trials_than_there_are(place: Place) -> None:
    pool = ScriptedPool()
    run_sweep(place, define(SPACE), pool, budget=Budget(max_trials=100))
    assert len(pool.ran) == 10


def test_trials_without_improvement_end_it(place: Place) -> None:
    told: list[Event] = []
    pool = ScriptedPool(end=scoring(1, 2, 2, 1, 3, 3, None, 2, 9, 9))
    run_sweep(place, define(SPACE), pool, told.append, budget=Budget(stop_after=3))
    assert numbers(pool) == list(range(8)), "equal is no improvement, nor is a failure"
    assert notes(told)[-1] == (
        "no new trial starts: 3 trials one after the other brought no better score (--stop-after)"
    )


def test_those_that_run_finish_and_change_nothing(place: Place) -> None:
    pool = ScriptedPool(3, end=scoring(5, 1, 1, 9, 1, 1, 1, 1, 1, 1), choose=lambda running: 0)
    run_sweep(place, define(SPACE), pool, budget=Budget(stop_after=2))
    assert sorted(numbers(pool)) == [0, 1, 2, 3, 4], "3 was better, and came too late"


def test_a_failure_that_is_tried_again_does_not_count(place: Place) -> None:
    def end(trial: Trial) -> Outcome:
        return Failed("at first") if trial.attempt == 1 else Finished(Result(valid={"score": float(trial.number)}))

    pool = ScriptedPool(end=end)
    run_sweep(place, define(SPACE), pool, retries=1, budget=Budget(stop_after=2))
    assert len(pool.ran) == 20


@pytest.mark.parametrize("stop_after", range(1, 9))
def test_ends_are_counted_over_all_sessions(place: Place, stop_after: int) -> None:
    """Interrupted anywhere, it ends where the unbroken one does."""
    scores = scoring(1, 2, 2, 1, 3, 3, None, 2, 9, 9)
    budget = Budget(stop_after=3)
    first = ScriptedPool(end=scores, stop_after=stop_after)
    second = ScriptedPool(end=scores)
    was_interrupted = run_sweep(place, define(SPACE), first, budget=budget)
    run_sweep(place, define(SPACE), second, budget=budget)
    assert was_interrupted == (stop_after < 8)
    assert numbers(first) + numbers(second) == list(range(8))


class Clock:
    """A minute passes with every trial."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(limits, "time", self)
        monkeypatch.setattr(sweeprecord, "time", self)

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def end(self, trial: Trial) -> Outcome:
        self.now += 60
        return Pruned(None)


def test_no_trial_starts_after_the_time_budget(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    told: list[Event] = []
    pool = ScriptedPool(2, end=clock.end)
    run_sweep(place, define(SPACE), pool, told.append, budget=Budget(time_budget_s=150))
    assert numbers(pool) == [0, 1, 2, 3], "the third end is after 180 s, one runs then"
    assert notes(told)[-1] == "no new trial starts: the time budget is spent (--time-budget)"


def test_interrupted_trials_wait_as_well_when_the_time_is_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert run_sweep(place, define(SPACE), ScriptedPool(end=clock.end, stop_after=2), budget=Budget(time_budget_s=1e9))
    monkeypatch.setattr(Study, "elapsed_s", lambda self: 2e9)
    pool = ScriptedPool(end=clock.end)
    assert not run_sweep(place, define(SPACE), pool)
    assert pool.ran == []


def test_a_resume_may_give_more(tmp_path: Path) -> None:
    space = tmp_path / "hyper.test"
    space.write_text("a choice [1, 2, 3]\nb choice ['x', 'y']\n")
    with inline(space, runner=give_a, max_trials=2) as found:
        assert found.counts()["finished"] == 2
    told: list[Event] = []
    with resume(tmp_path, on_event=told.append) as found:
        assert found.counts()["finished"] == 2
    assert notes(told)[-1] == "the sweep is finished: nothing is left to run"
    with resume(tmp_path, max_trials=5) as found:
        assert found.counts() == {"waiting": 0, "running": 0, "finished": 5, "failed": 0, "pruned": 0}
    with resume(tmp_path, max_trials=100) as found:
        assert found.counts()["finished"] == 6
        assert found.budget == Budget(max_trials=100)


def give_a(params: dict[str, Any]) -> float:
    return float(params["a"])


def test_a_search_that_stalled_goes_on_with_a_larger_bound(tmp_path: Path) -> None:
    space = tmp_path / "hyper.test"
    space.write_text("a choice [3, 2, 1]\nb choice ['x', 'y']\n")
    with inline(space, runner=give_a, stop_after=2) as found:
        assert found.counts()["finished"] == 3
    told: list[Event] = []
    resume(tmp_path, on_event=told.append).close()
    assert notes(told)[-1] == (
        "nothing is left to run: 2 trials one after the other brought no better score (--stop-after)"
    )
    with resume(tmp_path, stop_after=3) as found:
        assert found.counts()["finished"] == 4


def test_a_spent_time_budget_is_told_at_a_resume(tmp_path: Path) -> None:
    space = tmp_path / "hyper.test"
    space.write_text("a choice [3, 2, 1]\n")
    inline(space, runner=give_a, time_budget_s=1e-6).close()
    told: list[Event] = []
    with resume(tmp_path, on_event=told.append) as found:
        assert found.counts()["finished"] == 0
    assert notes(told)[-1] == "nothing runs: the time budget is spent (--time-budget)"
    with resume(tmp_path, time_budget_s=1e6) as found:
        assert found.counts()["finished"] == 3


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ({"max_trials": 0}, "--max-trials: got 0; expected at least 1 trial. Leave it out for no bound"),
        ({"stop_after": -1}, "--stop-after: got -1; expected at least 1 trial"),
        ({"time_budget_s": 0.0}, "--time-budget: got 0.0; expected at least some time, such as 2h"),
        ({"time_budget_s": float("nan")}, "--time-budget: got nan"),
    ],
)
def test_bounds_that_cannot_be(option: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Budget(**option)


@pytest.mark.parametrize("algo", ["random", "tpe", "anneal"])
def test_a_search_without_an_end_is_refused(tmp_path: Path, algo: str) -> None:
    space = tmp_path / "hyper.test"
    space.write_text("a uniform 1,2\n")
    with pytest.raises(SearchError, match=f"--algo {algo}: it has no end by itself; expected --max-trials, --time"):
        inline(space, Counting(), algo=algo)
    assert [path.name for path in tmp_path.iterdir()] == ["hyper.test"]
