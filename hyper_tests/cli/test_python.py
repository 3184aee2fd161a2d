"""`--python`: trials in another interpreter, and RecBole in it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.runner.stand_in import write_stand_in
from hyper_tests.runner.test_interpreter import write_program
from hypersweep import Study

OF_RECBOLE = ("--runner", "recbole", "--model", "SASRec", "--dataset", "d", "--pool", "local")


@pytest.fixture
def python(folder: Path) -> str:
    """An interpreter that has a stand-in for RecBole, which this one has not."""
    write_stand_in(folder / "packages")
    (folder / "hyper.test").write_text("learning_rate choice [0.1, 0.2]\n")
    return write_program(
        folder / "python", f'MARK=other PYTHONPATH={folder}/packages:$PYTHONPATH exec {sys.executable} "$@"'
    )


def test_recbole_in_another_python(folder: Path, call: Call, python: str) -> None:
    answer = call("run", *OF_RECBOLE, "--python", "./python")
    assert answer.code == 0
    assert "'model': 'SASRec', 'best_valid_score': 0.2," in answer.out
    with Study(folder) as study:
        log = study.place.trial_folder(1) / "log.txt"
        assert log.read_text().splitlines() == ["INFO:root:epoch 0", "INFO:root:epoch 1"]
        assert study.meta["runner"]["python"] == python
    assert call("resume", "--workers", "2").code == 0


def test_a_failure_is_told_with_recboles_own_words(call: Call, python: str) -> None:
    answer = call("run", *OF_RECBOLE, "--dataset", "Nope", "--python", python)
    assert answer.code == 1
    assert "ValueError: Neither [x] exists in the device nor [Nope] a known dataset name." in answer.err


def test_an_interpreter_without_recbole_is_told_before_the_first_trial(folder: Path, call: Call, python: str) -> None:
    for options in ((), ("--python", sys.executable)):
        answer = call("run", *OF_RECBOLE, *options)
        assert answer.code == 2
        assert " has no RecBole; expected a Python that has it." in answer.err
    assert not (folder / "hyper.sweep").exists()


def test_names_are_checked_in_that_python(folder: Path, call: Call, python: str) -> None:
    (folder / "hyper.test").write_text("learning_rat choice [0.1, 0.2]\n")
    for command in ("plan", "run"):
        answer = call(command, *OF_RECBOLE[: 6 if command == "plan" else 8], "--python", python)
        assert answer.code == 2
        assert "got 'learning_rat'" in answer.out + answer.err
        assert "Did you mean 'learning_rate'?" in answer.out + answer.err


def test_a_function_in_another_python(folder: Path, call: Call, python: str) -> None:
    (folder / "mine.py").write_text("import os\ndef f(params): return {'loss': len(os.environ['MARK'])}\n")
    assert call("run", "--runner", "mine.py:f", "--pool", "local", "--python", python).code == 0
    with Study(folder) as study:
        assert [trial.result.valid for trial in study.trials("finished") if trial.result] == [{"loss": 5}] * 2
    answer = call("run", "--runner", "mine.py:f", "--pool", "local", "--resume")
    assert answer.code == 2
    assert f"runner: mine.py:f in {python} in the sweep, mine.py:f now" in answer.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--command", "true", "--python", "python3"), "--python and --command: both are given"),
        (("--runner", "train.py:product", "--python", "nope"), "--python: no such program, got 'nope'"),
        (
            ("--runner", "train.py:product", "--python", sys.executable),
            "--python: pool inline runs trials in the contr",
        ),
    ],
)
def test_what_does_not_go_together(call: Call, folder: Path, options: tuple[str, ...], problem: str) -> None:
    answer = call("run", *options)
    assert answer.code == 2
    assert answer.err.startswith(problem)


def test_a_plan_runs_nothing_there(folder: Path, call: Call, python: str) -> None:
    answer = call("plan", *OF_RECBOLE[:6], "--python", python, "--json")
    assert (answer.code, json.loads(answer.out)["problems"]) == (0, [])
    assert not (folder / "hyper.sweep").exists()
