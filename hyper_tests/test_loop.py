"""The loop: what it hands out, in which order, what it tells, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hyper_tests.scripted import ScriptedPool, define, opened_sweep, run_sweep, square
from hypersweep.errors import ResultLogError, SelectionError
from hypersweep.events import Event, Noted, SweepStarted, TrialEnded, TrialReported, TrialStarted
from hypersweep.place import Place
from hypersweep.pool import Ended, PoolEvent, Reported
from hypersweep.resultlog import read_log
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Pruned, Result, Trial

SPACE = "x choice [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def give(**metrics: float) -> Callable[[Trial], Outcome]:
    return lambda trial: Finished(Result(valid=metrics))


def logged(place: Place) -> list[object]:
    return [block.params["x"] for block in read_log(place.log)]


def test_trials_are_handed_out_in_the_order_of_their_numbers(place: Place) -> None:
    started: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, TrialStarted):
            started.append(event.trial.number)

    run_sweep(place, define(SPACE), ScriptedPool(4, choose=lambda running: -1), note)
    assert started == list(range(10))


def test_every_slot_is_kept_busy(place: Place) -> None:
    busy: list[int] = []

    def choose(running: Sequence[Trial]) -> int:
        busy.append(len(running))
        return 1

    run_sweep(place, define(SPACE), ScriptedPool(4, choose=choose))
    assert busy == [4] * 7 + [3, 2, 1]


def test_more_slots_than_trials(place: Place) -> None:
    pool = ScriptedPool(64)
    run_sweep(place, define(SPACE), pool)
    assert len(pool.ran) == 10


def test_a_resume_runs_what_was_interrupted_first_and_then_what_never_began(place: Place) -> None:
    first = ScriptedPool(3, choose=lambda running: 1, stop_after=2)
    assert run_sweep(place, define(SPACE), first)
    assert [trial.number for trial in first.ran] == [1, 2]
    second = ScriptedPool(1)
    assert not run_sweep(place, define(SPACE), second)
    assert [trial.number for trial in second.ran] == [0, 3, 4, 5, 6, 7, 8, 9]


def test_a_trial_whose_place_was_lost_runs_again_in_the_same_session(place: Place) -> None:
    lost: list[int] = []

    class LosingPool(ScriptedPool):
        """Loses all that runs once, as when a server process dies."""

        def wait(self, timeout_s: float) -> list[PoolEvent]:
            if not lost and len(self.ran) == 4:
                lost.extend(trial.number for trial in self.running)
                return self.stop(0.0)
            return super().wait(timeout_s)

    pool = LosingPool(3)
    assert not run_sweep(place, define(SPACE), pool)
    assert lost == [4, 5, 6]
    assert sorted(trial.number for trial in pool.ran) == list(range(10))


def test_the_log_is_exact_after_an_interrupt_between_gaps(place: Place) -> None:
    """The numbers to run lie between adopted ones: reading those must not hold back what is read later."""
    definition = define(SPACE)
    with opened_sweep(place, definition) as (store, _):
        adopted = [(Trial(number, {"x": number}, 2020), Result({"score": 1.0}), 1.0) for number in range(0, 10, 2)]
        with store.transaction():
            store.adopt(adopted, 0.0)
    assert run_sweep(place, definition, ScriptedPool(1, stop_after=1))
    assert logged(place) == [0, 1, 2, 4, 6, 8]
    assert run_sweep(place, definition, ScriptedPool(1, stop_after=1))
    assert logged(place) == [0, 1, 2, 3, 4, 6, 8]


def test_failed_and_pruned_trials_are_kept_and_not_logged(place: Place) -> None:
    ends: dict[int, Outcome] = {3: Failed("ValueError: 3"), 5: Pruned(2)}
    run_sweep(place, define(SPACE), ScriptedPool(2, end=lambda trial: ends.get(trial.number, square(trial))))
    assert logged(place) == [0, 1, 2, 4, 6, 7, 8, 9]
    with Study(place) as study:
        assert [found.trial.number for found in study.trials("failed")] == [3]
        assert study.counts() == {"waiting": 0, "running": 0, "finished": 8, "failed": 1, "pruned": 1}


def test_a_sweep_whose_trials_all_fail_has_an_empty_log(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(2, end=lambda trial: Failed("no")))
    assert place.log.read_bytes() == b""


@pytest.mark.parametrize("num_slots", [1, 3])
def test_several_metrics_end_the_sweep_and_are_kept(place: Place, num_slots: int) -> None:
    pool = ScriptedPool(num_slots, end=give(recall=0.5, ndcg=0.25))
    with pytest.raises(
        SelectionError, match=r"several metrics, got recall, ndcg; expected to be told which.*--metric recall"
    ):
        run_sweep(place, define(SPACE), pool)
    assert len(pool.ran) == 1, "at the first result"
    assert logged(place) == [0]
    with Study(place) as study:
        assert study.counts() == {"waiting": 9, "running": 0, "finished": 1, "failed": 0, "pruned": 0}
        assert study.best() is None


def test_the_only_metric_beside_test_metrics_is_the_score(place: Place) -> None:
    told: list[Event] = []
    run_sweep(place, define(SPACE), ScriptedPool(end=give(test_loss=0.25, loss=0.5)), told.append)
    assert Noted("score: loss, smaller is better") in told
    ends = [event for event in told if isinstance(event, TrialEnded)]
    assert [end.result.score for end in ends if end.result] == [0.5] * 10


def test_a_named_metric_is_the_score(place: Place) -> None:
    told: list[Event] = []
    run_sweep(place, define(SPACE, metric="NDCG"), ScriptedPool(end=give(recall=0.5, ndcg=0.25)), told.append)
    assert isinstance(told[0], SweepStarted)
    assert told[0].score == "score: NDCG, bigger is better"
    ends = [event for event in told if isinstance(event, TrialEnded)]
    assert [end.result.score for end in ends if end.result] == [0.25] * 10
    assert [end.is_best for end in ends] == [True] + [False] * 9, "the first of equals stays"


def test_a_later_result_without_the_metric_is_a_failure(place: Place) -> None:
    ends = {4: give(recall=0.5)}
    pool = ScriptedPool(end=lambda trial: ends.get(trial.number, give(ndcg=0.5, recall=1.0))(trial))
    run_sweep(place, define(SPACE, metric="ndcg"), pool)
    with Study(place) as study:
        (failed,) = study.trials("failed")
    assert failed.trial.number == 4
    assert failed.error is not None and failed.error.startswith(
        "the score is missing: --metric: the result has no such"
    )


def test_the_direction_of_an_unnamed_score_is_told_at_the_first_result(place: Place) -> None:
    told: list[Event] = []
    run_sweep(place, define(SPACE), ScriptedPool(end=give(rmse=0.5)), told.append)
    assert [event.text for event in told if isinstance(event, Noted)] == ["score: rmse, smaller is better"]


def test_reports_are_told_and_kept(place: Place) -> None:
    class ReportingPool(ScriptedPool):
        def wait(self, timeout_s: float) -> list[PoolEvent]:
            number = self.running[0].number
            reports: list[PoolEvent] = [Reported(number, step, {"loss": 1 / step}) for step in (1, 2)]
            return [*reports, *super().wait(timeout_s)]

    told: list[Event] = []
    run_sweep(place, define(SPACE), ReportingPool(), told.append)
    reported = [(event.trial.number, event.step) for event in told if isinstance(event, TrialReported)]
    assert reported == [(number, step) for number in range(10) for step in (1, 2)]
    with Study(place) as study:
        assert [study.last_report(number) for number in (0, 9)] == [(2, {"loss": 0.5})] * 2
        assert study.last_report(10) is None


def test_a_signal_stops_handing_out_and_keeps_what_ends_meanwhile(place: Place) -> None:
    class FinishingPool(ScriptedPool):
        """Its trials finish while they are being stopped."""

        def stop(self, grace_s: float) -> list[PoolEvent]:
            stopped, self.running = self.running, []
            return [Ended(trial.number, square(trial)) for trial in stopped]

    assert run_sweep(place, define(SPACE), FinishingPool(3, stop_after=2))
    with Study(place) as study:
        assert study.counts() == {"waiting": 5, "running": 0, "finished": 5, "failed": 0, "pruned": 0}
    assert logged(place) == [0, 1, 2, 3, 4]


def test_a_second_signal_ends_at_once(place: Place) -> None:
    class StubbornPool(ScriptedPool):
        def stop(self, grace_s: float) -> list[PoolEvent]:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("it goes on")

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run_sweep(place, define(SPACE), StubbornPool(2, stop_after=3))
    assert logged(place) == [0, 1, 2]
    assert not run_sweep(place, define(SPACE), ScriptedPool(2))
    assert logged(place) == list(range(10))


def test_the_handlers_of_before_are_put_back(place: Place) -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    run_sweep(place, define(SPACE), ScriptedPool(stop_after=1))
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_log_that_cannot_be_written_loses_nothing(place: Place) -> None:
    place.log.mkdir()
    with pytest.raises(
        ResultLogError, match=r"hyper.result: Is a directory; expected to write the log. Every result is"
    ):
        run_sweep(place, define(SPACE), ScriptedPool())
    assert [path.name for path in place.log.parent.iterdir() if path.name.endswith(".new")] == []
    place.log.rmdir()
    with Study(place) as study:
        assert study.counts()["finished"] == 10


def test_a_resume_knows_the_best_of_before(place: Place) -> None:
    definition = define(SPACE, mode="min")
    run_sweep(place, definition, ScriptedPool(stop_after=4))
    told: list[Event] = []
    run_sweep(place, definition, ScriptedPool(), told.append)
    assert isinstance(told[0], SweepStarted)
    assert told[0].best is not None
    assert told[0].best[0].number == 0
    assert told[0].counts["finished"] == 4
    assert not any(event.is_best for event in told if isinstance(event, TrialEnded))
