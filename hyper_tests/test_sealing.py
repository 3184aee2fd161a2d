"""Test metrics are sealed until a sweep has ended: they are recorded, and nothing tells them or goes by them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.cli.conftest import Answer, call
from hyper_tests.scripted import ScriptedPool, define, run_sweep
from hypersweep.budget import Budget
from hypersweep.errors import SelectionError
from hypersweep.events import Event, TrialEnded, TrialReported
from hypersweep.launch import SweepInterrupted, resume, sweep
from hypersweep.place import ControllerLock, Place
from hypersweep.pool import Ended, PoolEvent, Reported
from hypersweep.resultlog import read_log
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.trial import Finished, Outcome, Pruned, Result, Trial

__all__ = ["call"]

SPACE = "x choice [0, 1, 2, 3]\n"
TEST = 0.98765


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def with_test(trial: Trial) -> Outcome:
    """The validation metrics hold one that is a test metric by its name, too."""
    score = float(trial.number)
    return Finished(Result(valid={"score": score, "test_score": TEST}, test={"hit@10": TEST}, score=score, bigger=True))


def tell_all(place: Place, call: Any) -> str:
    """What every command that reads says."""
    commands = ("best", "best --json", "trials", "trials --json", "trials --csv", "status", "status --json")
    answers: list[Answer] = [call(*command.split(), place.folder) for command in commands]
    assert {answer.code for answer in answers} == {0}
    return "".join(answer.out + answer.err for answer in answers)


def test_nothing_tells_them_before_the_end(place: Place, call: Any) -> None:
    told: list[Event] = []
    run_sweep(place, define(SPACE), ScriptedPool(end=with_test, stop_after=3), told.append)
    assert str(TEST) not in tell_all(place, call)
    assert "test metrics are sealed until the sweep has ended\n" in call("best", place.folder).err
    assert json.loads(call("best", "--json", place.folder).out)["result"]["test_result"] == {}
    with Study(place) as study:
        assert [recorded.result and (dict(recorded.result.valid), recorded.result.test) for recorded in study.trials()][
            :3
        ] == [({"score": float(number)}, {}) for number in range(3)]
    run_sweep(place, define(SPACE), ScriptedPool(end=with_test), told.append)
    assert not any(str(TEST) in repr(event) for event in told)
    assert sum(isinstance(event, TrialEnded) for event in told) == 5, "one of them interrupted"
    assert tell_all(place, call).count(str(TEST)) > 20
    assert call("best", place.folder).err == ""


def test_they_are_recorded_at_once(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=with_test, stop_after=2))
    assert [block.result.test for block in read_log(place.log)] == [{"hit@10": TEST}] * 2
    assert [block.result.valid["test_score"] for block in read_log(place.log)] == [TEST] * 2
    with Study(place) as study:
        assert [result.test for _, result in study.results(only_unscored=False)] == [{"hit@10": TEST}] * 2


@pytest.mark.parametrize("budget", [Budget(max_trials=2), Budget(stop_after=2)])
def test_a_bound_that_was_asked_for_is_an_end(place: Place, budget: Budget) -> None:
    run_sweep(place, define(SPACE, mode="min"), ScriptedPool(end=with_test), budget=budget)
    with Study(place) as study:
        assert not study.is_sealed
        assert all(recorded.result and recorded.result.test for recorded in study.trials())
        with ControllerLock(place.lock):
            assert study.is_sealed, "it goes on"


def test_a_stop_at_a_failure_is_none(place: Place) -> None:
    def end(trial: Trial) -> Outcome:
        return with_test(trial) if trial.number < 2 else Pruned(None) if trial.number == 2 else Finished(Result())

    run_sweep(place, define(SPACE), ScriptedPool(end=end), on_error="stop")
    with Study(place) as study:
        assert not study.is_sealed, "the last one has failed: nothing is left"
    store = Store(place.store)
    with store.transaction():
        store.connection.execute("DELETE FROM trials WHERE number = 2")
        store.set_meta("ending", {"reason": "--on-error stop", "num_points": None})
    store.close()
    with Study(place) as study:
        assert study.is_sealed


def test_a_test_metric_is_refused_as_the_score(place: Place, call: Any) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=with_test, stop_after=2))
    for metric in ("hit@10", "test_score"):
        answer = call("best", place.folder, "--metric", metric)
        assert (answer.code, answer.out) == (2, "")
        assert f"--metric: a test metric cannot choose the best trial, got {metric!r}" in answer.err
        assert str(TEST) not in answer.err


def objective(params: dict[str, Any]) -> dict[str, Any]:
    return {"best_valid_result": {"score": 1.0}, "test_result": {"hit@10": TEST}}


def test_a_running_sweep_refuses_one_at_its_first_result(tmp_path: Path) -> None:
    (tmp_path / "hyper.test").write_text(SPACE)

    with pytest.raises(SelectionError, match="a test metric cannot choose the best trial, got 'hit@10'"):
        sweep(tmp_path / "hyper.test", runner=objective, pool="inline", metric="hit@10")
    with pytest.raises(SelectionError, match="a test metric cannot choose the best trial, got 'hit@10'"):
        resume(tmp_path, metric="hit@10")
    resume(tmp_path, metric="score").close()


class ReportingPool(ScriptedPool):
    """Each trial reports once, its score and a test metric that ranks the other way round."""

    def __init__(self, *, has_test: bool) -> None:
        super().__init__(end=self.finish)
        self.has_test = has_test
        self.told: dict[int, bool] = {}

    def prune(self, number: int) -> None:
        self.told[number] = True

    def finish(self, trial: Trial) -> Outcome:
        return Pruned(1) if trial.number in self.told else Finished(Result(valid={"score": -float(trial.number)}))

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        number = self.running[0].number
        test = {"test_score": float(number)} if self.has_test else {}
        self.on_report(Reported(number, 1, {**test, "score": -float(number)}))
        (ended,) = super().wait(timeout_s)
        assert isinstance(ended, Ended)
        return [ended]

    def listen(self, on_report: Any) -> None:
        self.on_report = on_report


def test_the_pruner_and_the_view_never_see_them(tmp_path: Path, call: Any) -> None:
    told: list[Event] = []
    space = f"x choice {list(range(20))}\n"
    place, plain = Place.of(tmp_path / "test", "hyper"), Place.of(tmp_path / "plain", "hyper")
    tested, untested = ReportingPool(has_test=True), ReportingPool(has_test=False)
    run_sweep(place, define(space), tested, told.append, prune="asha")
    run_sweep(plain, define(space), untested, prune="asha")
    assert tested.told == untested.told != {}
    assert {tuple(event.metrics) for event in told if isinstance(event, TrialReported)} == {("score",)}
    with Study(place) as study:
        assert [metrics["test_score"] for _, _, metrics in study.reports()] == [float(number) for number in range(20)]
        with ControllerLock(place.lock):
            assert {tuple(metrics) for _, _, metrics in study.reports()} == {("score",)}, "it goes on"
            assert study.last_report(1) == (1, {"score": -1.0})
            assert call("trials", "--curve", 1, "--csv", place.folder).out == "step,score\n1,-1.0\n"
    assert call("trials", "--curve", 1, "--csv", place.folder).out == "step,test_score,score\n1,1.0,-1.0\n"


def test_an_interrupted_sweep_from_python_is_sealed_too(tmp_path: Path) -> None:
    (tmp_path / "hyper.test").write_text(SPACE)
    calls: list[int] = []

    def interrupting(params: dict[str, Any]) -> dict[str, Any]:
        calls.append(params["x"])
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return objective(params)

    with pytest.raises(SweepInterrupted, match="interrupted"):
        sweep(tmp_path / "hyper.test", runner=interrupting, pool="inline")
    with Study(tmp_path) as study:
        best = study.best()
        assert best and best.result and best.result.test == {}
