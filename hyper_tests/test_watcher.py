"""Sweeps whose trials are stopped early: which, why, what stays of them, and that a resume decides alike."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.inline_sweeps import notes
from hypersweep.errors import SearchError, SelectionError
from hypersweep.events import Event
from hypersweep.launch import SweepInterrupted, resume, sweep
from hypersweep.resultlog import read_log
from hypersweep.runner import LiveTrial
from hypersweep.study import Study
from hypersweep.trial import Params

SPACE = "a choice [0.1, 0.5, 0.3, 0.9, 0.2, 0.8, 0.7, 0.4, 0.6]\n"
NUM_STEPS = 9


def learn(params: Params, trial: LiveTrial) -> dict[str, float]:
    """A curve that rises to a."""
    score = 0.0
    for step in range(1, NUM_STEPS + 1):
        score = float(str(params["a"])) * step / NUM_STEPS
        trial.report(step, {"score": score})
    return {"score": score}


def learn_loss(params: Params, trial: LiveTrial) -> dict[str, Any]:
    """The same upside down, under a name that says nothing of its direction."""
    score = 0.0
    for step in range(1, NUM_STEPS + 1):
        score = -float(str(params["a"])) * step
        trial.report(step, {"perplexity": score})
    return {"best_valid_score": score, "valid_score_bigger": False, "best_valid_result": {"perplexity": score}}


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "hyper.test"
    path.write_text(SPACE)
    return path


def run(space: Path, runner: Any = learn, **options: Any) -> Study:
    return sweep(space, runner=runner, pool="inline", **{"prune": "asha", **options})


def states(study: Study) -> dict[int, str]:
    return {recorded.trial.number: recorded.state for recorded in study.trials()}


def test_trials_are_stopped_and_say_why(space: Path) -> None:
    with run(space) as study:
        assert states(study) == {
            **dict.fromkeys((0, 1, 2, 3, 5, 6), "finished"),
            **dict.fromkeys((4, 7, 8), "pruned"),
        }
        stopped = study.trial(4)
        assert stopped is not None
        assert stopped.error == "asha: score 0.0222222 at step 1; 3 of 5 trials were better at step 1, where 2 go on"
        assert stopped.step == 1
        best = study.best()
        assert best is not None and best.trial.number == 3
        curve = [(step, metrics) for number, step, metrics in study.reports() if number == 8]
        assert [step for step, _ in curve] == [1, 2, 3]
    assert [block.params["a"] for block in read_log(space.with_suffix(".result"))] == [0.1, 0.5, 0.3, 0.9, 0.8, 0.7]


@pytest.mark.parametrize("prune", ["median", "asha", "hyperband"])
@pytest.mark.parametrize("stop_at", [1, 8, 13, 20, 27])
def test_a_resume_decides_as_an_unbroken_sweep(space: Path, prune: str, stop_at: int) -> None:
    num_reports = 0

    def interrupted(params: Params, trial: LiveTrial) -> dict[str, float]:
        nonlocal num_reports
        score = 0.0
        for step in range(1, NUM_STEPS + 1):
            score = float(str(params["a"])) * step / NUM_STEPS
            trial.report(step, {"score": score})
            num_reports += 1
            if num_reports == stop_at:
                os.kill(os.getpid(), signal.SIGINT)
        return {"score": score}

    with run(space, prune=prune, out=space.parent / "unbroken") as study:
        expected = [(recorded.trial.number, recorded.state, recorded.error) for recorded in study.trials()]
    with pytest.raises(SweepInterrupted, match="interrupted"):
        run(space, interrupted, prune=prune)
    with run(space, interrupted, if_exists="resume", prune=None) as study:
        assert study.meta["supervision"]["prune"] == prune
        assert [(recorded.trial.number, recorded.state, recorded.error) for recorded in study.trials()] == expected
    assert space.with_suffix(".result").read_bytes() == (space.parent / "unbroken" / "hyper.result").read_bytes()


def interrupt_at(num_reports: int) -> Any:
    """A runner that writes checkpoints, and whose trials are interrupted once, after so many reports of all of them.
    A curve falls from its second step on, so that the best so far is an early one."""
    reports = iter(range(1, 1000))

    def checkpointed(params: Params, trial: LiveTrial) -> dict[str, float]:
        saved = trial.checkpoint_dir / "step"
        best = float(str(params["a"]))
        for step in range(int(saved.read_text()) + 1 if saved.exists() else 1, NUM_STEPS + 1):
            trial.report(step, {"score": best / (1 + abs(step - 2))})
            saved.write_text(str(step))
            if next(reports) == num_reports:
                os.kill(os.getpid(), signal.SIGINT)
        return {"score": best}

    return checkpointed


@pytest.mark.parametrize("prune", ["median", "asha", "hyperband"])
@pytest.mark.parametrize("stop_at", [3, 20, 30])
def test_a_trial_that_goes_on_from_a_checkpoint_has_its_whole_curve(space: Path, prune: str, stop_at: int) -> None:
    def tell(study: Study) -> list[Any]:
        return [[(one.trial.number, one.state, one.error) for one in study.trials()], list(study.reports())]

    runner = interrupt_at(stop_at)
    with pytest.raises(SweepInterrupted, match="interrupted"):
        run(space, runner, prune=prune)
    with run(space, runner, if_exists="resume", prune=None) as study:
        found = tell(study)
    with run(space, runner, prune=prune, out=space.parent / "unbroken") as study:
        assert found == tell(study)


def test_a_trial_that_is_interrupted_before_it_hears_that_it_is_to_stop_hears_it_then(space: Path) -> None:
    runner = interrupt_at(37)
    with pytest.raises(SweepInterrupted, match="interrupted"):
        run(space, runner, prune="none")
    with run(space, runner, if_exists="resume") as study:
        recorded = study.trial(4)
        assert recorded is not None and (recorded.state, recorded.step) == ("pruned", 2)
        assert recorded.error == "asha: score 0.1 at step 1; 3 of 5 trials were better at step 1, where 2 go on"


def test_a_direction_that_the_name_does_not_tell_is_learnt_from_the_first_result(space: Path) -> None:
    with run(space, learn_loss) as study:
        best = study.best()
        assert best is not None and best.trial.number == 3
        assert states(study)[4] == "pruned"


def test_mode_says_the_direction_from_the_start(space: Path) -> None:
    with run(space, learn_loss, mode="min", workers=1) as study:
        best = study.best()
        assert best is not None and best.trial.number == 3


def test_a_resume_may_prune_differently(space: Path) -> None:
    def ends_at_fifth(params: Params, trial: LiveTrial) -> dict[str, float]:
        if params["a"] == 0.2 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGINT)
        return learn(params, trial)

    marker = space.parent / "marker"
    with pytest.raises(SweepInterrupted, match="interrupted"):
        run(space, ends_at_fifth, prune=None)
    with run(space, ends_at_fifth, if_exists="resume", prune="asha", reduction_factor=2) as study:
        assert states(study)[4] == "pruned"
        assert study.meta["supervision"]["reduction_factor"] == 2


def test_no_trial_is_stopped_before_its_least_step(space: Path) -> None:
    with run(space, min_steps=4) as study:
        assert {recorded.step for recorded in study.trials("pruned")} == {4}


def test_the_metric_of_the_reports_is_that_of_the_sweep(space: Path) -> None:
    def both(params: Params, trial: LiveTrial) -> dict[str, float]:
        for step in range(1, 4):
            trial.report(step, {"up": float(str(params["a"])), "down": -float(str(params["a"]))})
        return {"up": float(str(params["a"])), "down": -float(str(params["a"]))}

    with run(space, both, metric="down") as study:
        best = study.best()
        assert best is not None and best.trial.number == 0
        assert states(study)[1] == "pruned"
    with run(space, both, metric="up", out=space.parent / "up") as study:
        assert states(study)[1] == "finished"
    settings = {"valid_metric": "UP"}
    with pytest.raises(SelectionError, match="several metrics"):  # of the first result
        run(space, both, settings=settings, out=space.parent / "valid")
    with pytest.raises(SelectionError, match=r"several metrics, got up, down; .*--metric up"):
        run(space, both, out=space.parent / "open")


def test_a_test_metric_stops_nothing(space: Path) -> None:
    def tested(params: Params, trial: LiveTrial) -> float:
        trial.report(1, {"test_score": float(str(params["a"]))})
        return 1.0

    with pytest.raises(SelectionError, match=r"a test metric cannot choose"):
        run(space, tested)


@pytest.mark.parametrize(
    ("reported", "metric", "note"),
    [
        ({}, None, "got no report; expected trial.report(step, metrics)"),
        ({"loss": 1.0}, "score", "got reports of loss; expected reports of score"),
    ],
)
def test_a_sweep_without_reports_to_decide_by_is_warned_once(
    space: Path, reported: dict[str, float], metric: str | None, note: str
) -> None:
    def silent(params: Params, trial: LiveTrial) -> dict[str, float]:
        if reported:
            trial.report(1, reported)
        return {"score": 1.0}

    told: list[Event] = []
    with run(space, silent, metric=metric, on_event=told.append) as study:
        assert study.counts()["finished"] == 9
    warnings = [text for text in notes(told) if "--prune" in text]
    assert warnings == [f"warning: --prune asha: {note}. Until then nothing is stopped early"]


def test_what_cannot_be_is_refused_before_anything_runs(space: Path) -> None:
    with pytest.raises(SearchError, match=r"--prune: unknown, got 'best'"):
        run(space, prune="best")
    assert not (space.parent / "hyper.sweep").exists()


def test_processes_are_stopped_as_well(space: Path) -> None:
    with sweep(space, runner=slow_learn, workers=2, prune="asha") as study:
        assert study.counts()["pruned"]
        best = study.best()
        assert best is not None and best.trial.params["a"] == 0.9
    with resume(space) as study:
        assert study.counts()["waiting"] == 0


def slow_learn(params: Params, trial: LiveTrial) -> dict[str, float]:
    score = 0.0
    for step in range(1, NUM_STEPS + 1):
        score = float(str(params["a"])) * step / NUM_STEPS
        trial.report(step, {"score": score})
        time.sleep(0.05)
    return {"score": score}
