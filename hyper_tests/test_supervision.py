"""Failing trials: tried again or not, told and kept; and whose checkpoints outlive them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hyper_tests.scripted import ScriptedPool, define, run_sweep, square
from hypersweep.checkpoints import Checkpoints
from hypersweep.errors import SettingsError
from hypersweep.events import Event, Noted, TrialEnded
from hypersweep.place import Place
from hypersweep.resultlog import read_log
from hypersweep.study import Study
from hypersweep.supervision import Supervision
from hypersweep.trial import Failed, Outcome, Pruned, Trial

SPACE = "x choice [0, 1, 2, 3, 4, 5]\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def failing(attempts: dict[int, int]) -> Callable[[Trial], Outcome]:
    """Trials of these numbers fail so many times, then finish."""

    def end(trial: Trial) -> Outcome:
        if trial.attempt <= attempts.get(trial.number, 0):
            return Failed(f"no {trial.number}.{trial.attempt}")
        return square(trial)

    return end


def tries(pool: ScriptedPool) -> list[tuple[int, int]]:
    return [(trial.number, trial.attempt) for trial in pool.ran]


FIRST = [(number, 1) for number in range(6)]


def test_failed_trials_are_tried_again_after_the_others_with_the_same_seed(place: Place) -> None:
    pool = ScriptedPool(end=failing({1: 1, 3: 2, 4: 5}))
    told: list[Event] = []
    run_sweep(place, define(SPACE), pool, told.append, retries=2)
    assert tries(pool) == [*FIRST, (1, 2), (3, 2), (4, 2), (3, 3), (4, 3)]
    assert {trial.seed for trial in pool.ran} == {2020}
    ends = [event for event in told if isinstance(event, TrialEnded) and isinstance(event.outcome, Failed)]
    assert [end.is_to_retry for end in ends] == [True] * 5 + [False]
    assert [block.params["x"] for block in read_log(place.log)] == [0, 1, 2, 3, 5]
    with Study(place) as study:
        assert study.counts() == {"waiting": 0, "running": 0, "finished": 5, "failed": 1, "pruned": 0}
        assert study.failures() == {
            1: [(1, "no 1.1")],
            3: [(1, "no 3.1"), (2, "no 3.2")],
            4: [(1, "no 4.1"), (2, "no 4.2"), (3, "no 4.3")],
        }, "the earlier tries are not forgotten"
        (failed,) = study.trials("failed")
        assert (failed.trial.number, failed.trial.attempt, failed.error) == (4, 3, "no 4.3")


def test_without_retries_a_failure_is_for_good(place: Place) -> None:
    pool = ScriptedPool(end=failing({1: 1}))
    run_sweep(place, define(SPACE), pool)
    assert tries(pool) == FIRST


@pytest.mark.parametrize("stop_after", range(9))
def test_an_interrupt_at_any_point_changes_no_try(place: Place, stop_after: int) -> None:
    end = failing({1: 1, 3: 2})
    first, second = ScriptedPool(end=end, stop_after=stop_after), ScriptedPool(end=end)
    was_interrupted = run_sweep(place, define(SPACE), first, retries=2)
    assert was_interrupted == (stop_after < 9)
    with Study(place) as study:
        done = {trial.number for trial in first.ran if isinstance(end(trial), type(square(trial)))}
        assert study.counts()["waiting"] == 6 - len(done), "what will be tried again is waiting"
    run_sweep(place, define(SPACE), second, retries=2)
    assert tries(first) + tries(second) == [*FIRST, (1, 2), (3, 2), (3, 3)]


def test_failures_for_good_get_new_tries_when_asked(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=failing({2: 9, 5: 4})), retries=1)
    pool = ScriptedPool(end=failing({2: 9, 5: 3}))
    run_sweep(place, define(SPACE), pool, retries=1, is_retrying_failed=True)
    assert tries(pool) == [(2, 3), (5, 3), (2, 4), (5, 4)]
    with Study(place) as study:
        assert [failed.trial.number for failed in study.trials("failed")] == [2]


@pytest.mark.parametrize("retries", [0, 1])
def test_the_first_failure_for_good_may_end_the_sweep(place: Place, retries: int) -> None:
    told: list[Event] = []
    pool = ScriptedPool(end=failing({1: 1 + retries}))
    run_sweep(place, define(SPACE), pool, told.append, on_error="stop", retries=retries)
    assert tries(pool) == ([*FIRST, (1, 2)] if retries else FIRST[:2])
    notes = [event.text for event in told if isinstance(event, Noted) and event.is_warning]
    assert notes == ["stopping: trial 1 has failed for good (--on-error stop)"]
    with Study(place) as study:
        assert study.counts()["failed"] == 1
        assert study.counts()["waiting"] == (0 if retries else 4)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"retries": -1}, "--retries: got -1; expected at least 0"),
        ({"trial_timeout_s": 0.0}, r"--trial-timeout: got 0.0; expected more than 0 s. Give a duration such as 3h"),
        ({"trial_timeout_s": float("nan")}, "--trial-timeout: got nan; expected more"),
        ({"on_error": "halt"}, "--on-error: got 'halt'; expected continue or stop"),
        ({"keep": "some"}, "--keep: got 'some'; expected best or all or none"),
    ],
)
def test_values_that_cannot_be(values: dict[str, object], error: str) -> None:
    with pytest.raises(SettingsError, match=error):
        Supervision(**values)  # type: ignore[arg-type]


class WritingPool(ScriptedPool):
    """Its trials write a checkpoint, and note what they found when they began."""

    def __init__(self, place: Place, end: Callable[[Trial], Outcome]) -> None:
        super().__init__(end=end)
        self.place = place
        self.found: list[tuple[int, int]] = []

    def submit(self, batch: Iterable[Trial]) -> None:
        for trial in batch:
            folder = self.place.trial_folder(trial.number) / "checkpoint"
            if folder.exists():
                self.found.append((trial.number, trial.attempt))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "weights").write_text("w")
            super().submit([trial])


def kept(place: Place) -> list[int]:
    return sorted(int(path.parent.name) for path in (place.folder / "trials").glob("*/*/checkpoint"))


ENDS: dict[int, Outcome] = {2: Failed("no"), 4: Pruned(1)}


@pytest.mark.parametrize(("keep", "expected"), [("best", [2, 5]), ("all", [0, 1, 2, 3, 4, 5]), ("none", [])])
def test_whose_checkpoints_are_kept(place: Place, keep: str, expected: list[int]) -> None:
    pool = WritingPool(place, lambda trial: ENDS.get(trial.number, square(trial)))
    run_sweep(place, define(SPACE), pool, keep=keep)
    assert kept(place) == expected
    assert [path for path in (place.folder / "trials").glob("*/*") if not any(path.iterdir())] == []


def test_the_checkpoint_of_the_best_before_a_resume_goes_when_it_is_beaten(place: Place) -> None:
    pool = WritingPool(place, square)
    pool.stop_after = 3
    run_sweep(place, define(SPACE), pool)
    assert kept(place) == [2, 3], "the best, and the interrupted one, which goes on from its own"
    again = WritingPool(place, square)
    run_sweep(place, define(SPACE), again)
    assert again.found == [(3, 1)]
    assert kept(place) == [5]


def test_a_retry_starts_clean(place: Place) -> None:
    pool = WritingPool(place, failing({1: 1, 3: 1}))
    run_sweep(place, define(SPACE), pool, retries=1)
    assert pool.found == []


def test_a_failure_for_good_that_is_tried_again_starts_clean(place: Place) -> None:
    run_sweep(place, define(SPACE), WritingPool(place, failing({1: 1})))
    assert kept(place) == [1, 5]
    again = WritingPool(place, failing({}))
    run_sweep(place, define(SPACE), again, is_retrying_failed=True)
    assert (tries(again), again.found) == ([(1, 2)], [])


def test_what_a_killed_controller_could_not_remove_is_removed_by_the_next(place: Place) -> None:
    run_sweep(place, define(SPACE), WritingPool(place, lambda trial: ENDS.get(trial.number, square(trial))))
    for number in (0, 4):
        shutil.copytree(place.trial_folder(5), place.trial_folder(number))
    with Study(place) as study:
        Checkpoints(place, "best", best=5).tidy(study)
    assert kept(place) == [2, 5]
