"""`--batch-trials`: whole sweeps whose trials run together."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.cli.sweeps import BEST, LOG
from hyper_tests.processes import start_hypersweep, wait_until
from hypersweep import Study

TOGETHER = """
import os, pathlib, time

def run(params, trial):
    (score,) = [score for _, score in run_batch([(params, trial)])]
    return score

def run_batch(batch):
    '''A trial a step, each as soon as there is a file `go`; trial 0 at once.'''
    print(len(batch), "together")
    for params, trial in batch:
        begun = trial.checkpoint_dir / "begun"
        begun.write_text(begun.read_text() + "x" if begun.exists() else "x")
    for params, trial in batch:
        while trial.number and not os.path.exists("go"):
            trial.report(1, {"score": 0.5})
            time.sleep(0.01)
        trial.log(f"trial {trial.number} began {len((trial.checkpoint_dir / 'begun').read_text())} times")
        yield trial.number, params["learning_rate"] * params["k"]

run.run_batch = run_batch
run.batch_free = ["learning_rate"]
run.batch_size = lambda settings, memory_bytes: memory_bytes >> 30
"""
RUN = ("run", "--runner", "together.py:run")


@pytest.fixture(autouse=True)
def runner(folder: Path) -> None:
    (folder / "together.py").write_text(TOGETHER)


def num_finished(folder: Path) -> int:
    if not (folder / "hyper.sweep/sweep.db").exists():
        return 0
    with Study(folder) as study:
        return study.counts()["finished"] or 0


@pytest.mark.parametrize("pool", ["inline", "local"])
def test_the_log_is_that_of_trials_that_run_alone(folder: Path, call: Call, pool: str) -> None:
    (folder / "go").touch()
    answer = call(*RUN, "--pool", pool, "--batch-trials", "3")
    assert answer.code == 0, answer.err
    assert answer.out.endswith(BEST)
    assert answer.err.startswith("sweep: 6 trials, 0 done, 1 batch of up to 3 at once, ")
    assert (folder / "hyper.result").read_text() == LOG
    assert call("logs", "0").out.splitlines() == [
        "hypersweep: runs together with trials 2, 4, and what is printed for all of them is here",
        "3 together",
        "trial 0 began 1 times",
    ]
    assert call("logs", "4").out.splitlines()[-1] == "trial 4 began 1 times"


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_those_of_a_batch_that_had_not_ended_go_on(folder: Path, call: Call, how: str) -> None:
    process = start_hypersweep(*RUN, "--batch-trials", "3", cwd=folder)
    try:
        wait_until(lambda: num_finished(folder) or process.poll() is not None, "the first trial")
        process.send_signal(signal.SIGKILL if how == "killed" else signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
    with Study(folder) as study:
        assert [recorded.trial.number for recorded in study.trials("interrupted")] == [2, 4]
    (folder / "go").touch()
    answer = call("resume")
    assert answer.code == 0, answer.err
    assert (folder / "hyper.result").read_text() == LOG
    for number, times in ((0, 1), (2, 2), (4, 2), (1, 1)):
        assert f"trial {number} began {times} times" in call("logs", str(number)).out
    assert "runs together with trial 4" in call("logs", "2").out, "the two, as was asked for at first"


def test_a_resume_may_change_it(folder: Path, call: Call) -> None:
    (folder / "go").touch()
    assert call(*RUN, "--batch-trials", "3", "--max-trials", "2").code == 0
    answer = call("resume", "--max-trials", "6", "--batch-trials", "1")
    assert answer.code == 0, answer.err
    assert "sweep: 6 trials, 2 done, 1 at once, " in answer.err
    assert (folder / "hyper.result").read_text() == LOG


def test_auto_is_one_without_a_gpu(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (folder / "go").touch()
    answer = call(*RUN, "--batch-trials", "auto")
    assert "0 done, 1 at once, " in answer.err


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_what_is_no_number(folder: Path, call: Call, text: str) -> None:
    answer = call(*RUN, "--batch-trials", text)
    assert answer.code == 2
    assert "--batch-trials" in answer.err
    assert "expected auto or" in answer.err
    assert not (folder / "hyper.sweep").exists()


def test_a_runner_that_cannot(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product", "--batch-trials", "2")
    assert answer.code == 2
    assert "--batch-trials: got 2, and with these settings the runner trains one trial at a time" in answer.err
    assert not (folder / "hyper.sweep").exists()


def test_plan_says_which(folder: Path, call: Call) -> None:
    answer = call("plan", "--runner", "together.py:run", "--batch-trials", "3")
    assert "together: up to 3 trials that differ in learning_rate\n" in answer.out
    assert "together" not in call("plan", "--runner", "together.py:run").out
    answer = call("plan", "--runner", "train.py:product", "--batch-trials", "3")
    assert answer.code == 2
    assert "problem: --batch-trials: got 3" in answer.out
