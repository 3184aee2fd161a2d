"""Where a sweep is already: run --resume, run --restart and resume; what they refuse and what they warn of."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.cli.sweeps import BEST, LOG, SPACE
from hyper_tests.processes import start_hypersweep, wait_until
from hypersweep import Study

WAITING = ("run", "--runner", "train.py:waits")


@contextlib.contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep that has finished trial 0 and waits in the others, as a process."""
    process = start_hypersweep(*arguments, cwd=folder)
    try:
        wait_until(lambda: num_finished(folder) or process.poll() is not None, "the first trial")
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


def num_finished(folder: Path) -> int:
    if not (folder / "hyper.sweep/sweep.db").exists():
        return 0
    with Study(folder) as study:
        return study.counts()["finished"] or 0


@pytest.fixture
def interrupted(folder: Path) -> Path:
    """The folder, with a sweep in it that was stopped after one of its six trials."""
    with started(folder, *WAITING) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.endswith(
        "\ninterrupted: saved in hyper.sweep: 5 waiting, 1 finished; go on with: hypersweep resume hyper.sweep\n"
    )
    (folder / "go").touch()
    return folder


@pytest.mark.parametrize("options", [("resume",), ("resume", "hyper.sweep", "--workers", "3"), (*WAITING, "--resume")])
def test_an_interrupted_sweep_is_finished_to_the_same_log(
    interrupted: Path, call: Call, options: tuple[str, ...]
) -> None:
    assert (interrupted / "hyper.result").read_text() == LOG[: LOG.index("k:2")]
    answer = call(*options)
    assert answer.code == 0, answer.err
    assert answer.out.endswith(BEST)
    assert answer.err.startswith("sweep: 6 trials, 1 done, ")
    assert "trial 0:" not in answer.err
    assert (interrupted / "hyper.result").read_text() == LOG


def test_sigterm_is_an_interrupt_too(folder: Path) -> None:
    with started(folder, *WAITING, "--workers", "2") as process:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: hypersweep resume hyper.sweep\n" in err


def test_a_killed_controller_leaves_its_trials_interrupted(folder: Path, call: Call) -> None:
    with started(folder, *WAITING) as process:
        wait_until(lambda: '"number": 1' in call("trials", "--json", "--state", "running").out, "the second trial")
        process.kill()
        process.wait()
    assert call("trials", "--json", "--state", "running").out == "[]\n"
    assert '"number": 1, "state": "interrupted"' in call("trials", "--json").out
    assert "stopped, 5 waiting, 1 finished" in call("status").out


@pytest.mark.parametrize("again", [("resume",), ("run", "--runner", "train.py:product", "--resume")])
def test_a_finished_sweep_says_so_and_prints_its_best(folder: Path, call: Call, again: tuple[str, ...]) -> None:
    first = call("run", "--runner", "train.py:product")
    log = (folder / "hyper.result").read_text()
    (folder / "hyper.result").unlink()
    answer = call(*again)
    assert (answer.code, answer.out) == (0, first.out)
    assert answer.err == "the sweep is finished: nothing is left to run\nall 6 points of the space: 6 finished\n"
    assert (folder / "hyper.result").read_text() == log


def test_a_finished_sweep_with_failures_ends_in_1(folder: Path, call: Call) -> None:
    first = call("run", "--runner", "train.py:fails_for_2")
    answer = call("resume")
    assert (answer.code, answer.out) == (1, first.out)
    assert answer.err.startswith(
        "the sweep is finished: nothing is left to run\nall 6 points of the space: 3 finished, 3 failed\n"
        "failed: trial 1: ValueError: no two\n"
    )


def test_resume_where_nothing_is_starts(folder: Path, call: Call) -> None:
    assert call("run", "--runner", "train.py:product", "--resume").out.endswith(BEST)


def test_a_sweep_that_is_there_is_refused_with_its_state(interrupted: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "hyper.sweep: a sweep is here already (5 waiting, 1 finished); expected none. Go on with it: --resume, or "
        "hypersweep resume hyper.sweep; start anew and keep the old one aside: --restart\n"
    )


def test_a_second_controller_is_refused_by_the_name_of_the_first(folder: Path, call: Call) -> None:
    with started(folder, *WAITING) as process:
        for options in (["resume"], [*WAITING], [*WAITING, "--resume"], [*WAITING, "--restart"]):
            answer = call(*options)
            assert (answer.code, answer.out) == (2, "")
            assert f"(process {process.pid} on " in answer.err
            assert answer.err.count("\n") == 1
            assert "hypersweep status hyper.sweep" in answer.err
        assert "hyper.sweep: running, " in call("status").out
        assert "running: trial 1 for " in call("status").out
        (folder / "go").touch()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.endswith(BEST)


def test_a_restart_moves_the_old_sweep_aside_each_time(folder: Path, call: Call) -> None:
    for number in range(3):
        answer = call("run", "--runner", "train.py:product", "--seed", str(number), "--restart")
        assert answer.code == 0
        moved = f"the old sweep was moved to hyper.result.old-{number}, hyper.sweep.old-{number}\n"
        assert (moved in answer.err) == (number > 0)
    for number, name in enumerate(("hyper.sweep.old-1", "hyper.sweep.old-2", "hyper.sweep")):
        (folder / name).rename(folder / "looked_at.sweep")
        with Study(folder / "looked_at.sweep") as study:
            assert (study.meta["seed"], study.counts()["finished"]) == (number, 6)
        (folder / "looked_at.sweep").rename(folder / name)
    assert (folder / "hyper.result.old-1").read_text() == (folder / "hyper.result.old-2").read_text() == LOG


CHANGED = "learning_rate choice [0.1, 0.2, 0.4]\nk choice [1, 2]\nz choice [1]\n"


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (("resume",), "hyper.test: the space has changed since the sweep began:"),
        ((*WAITING, "--resume"), "hyper.sweep: another sweep is here than the one asked for:"),
    ],
)
def test_a_changed_space_is_refused_line_by_line(
    interrupted: Path, call: Call, options: tuple[str, ...], first: str
) -> None:
    (interrupted / "hyper.test").write_text(CHANGED)
    answer = call(*options)
    assert (answer.code, answer.out) == (2, "")
    lines = answer.err.splitlines()
    assert lines[0].endswith(first)
    assert lines[1:3] == ["  parameter z is new in the space", "  parameter learning_rate: added 0.4; removed 0.3"]
    assert "--restart" in lines[3] and "--out" in lines[3]
    (interrupted / "hyper.test").write_text(f"# the same\n{SPACE}\n")
    assert call(*options).code == 0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--set", "a=3"), "setting a: not set in the sweep, 3 now"),
        (("--seed", "3"), "seed: 2020 in the sweep, 3 now"),
        (("--order", "shuffled"), "order: sequential in the sweep, shuffled now"),
        (("--threads", "77"), "threads: "),
        (("--runner", "train.py:product"), "runner: train.py:waits in the sweep, train.py:product now"),
    ],
)
def test_resume_refuses_another_sweep(interrupted: Path, call: Call, options: tuple[str, ...], line: str) -> None:
    answer = call(*WAITING, *options, "--resume")
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 3
    assert answer.err.splitlines()[1].startswith(f"  {line}")


def test_changed_settings_and_runners_are_warned_of(interrupted: Path, call: Call) -> None:
    (interrupted / "hyper.yaml").write_text("a: 3\n")
    with open(interrupted / "train.py", "a") as file:
        file.write("# changed\n")
    answer = call("resume")
    assert answer.code == 0
    assert "warning: setting a: not set in the sweep, 3 now; the sweep keeps its own\n" in answer.err
    assert f"warning: {interrupted / 'train.py'} has changed since the sweep began\n" in answer.err


def test_what_it_was_run_with_is_recorded(interrupted: Path) -> None:
    with Study(interrupted) as study:
        session = study.first_session()
    assert session is not None
    assert session["command_line"].endswith("run --runner train.py:waits")
    assert {"python", "hypersweep"} - session["versions"].keys() <= {"hypersweep"}  # not installed: run from its folder
    assert session["hashes"].keys() == {"space", "settings", "runner"}
    assert list(session["hashes"]["runner"]) == [str(interrupted / "train.py")]


def test_several_metrics_are_kept_until_one_is_named(folder: Path, call: Call) -> None:
    unchosen = "the result has several metrics, got ndcg@10, loss; expected to be told which one is the score. "
    answer = call("run", "--runner", "train.py:metrics")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.endswith(f"{unchosen}Name it: --metric ndcg@10\n")
    for command in ("resume", "best"):
        answer = call(command)
        assert (answer.code, answer.err) == (2, f"{unchosen}Name it: --metric ndcg@10\n")
    assert call("best", "--metric", "ndcg@10").out.startswith("best params:  {'k': 1, 'learning_rate': 0.1}\n")
    absent = call("resume", "--metric", "ndcg")
    assert absent.code == 2
    assert "got 'ndcg'; expected a validation metric: ndcg@10, loss. Did you mean 'ndcg@10'?" in absent.err
    test = call("resume", "--metric", "test_ndcg@10")
    assert (test.code, "a test metric cannot choose the best trial" in test.err) == (2, True)
    answer = call("resume", "--metric", "ndcg@10")
    assert answer.code == 0
    assert "best params:  {'k': 2, 'learning_rate': 0.3}\n" in answer.out
    assert "trial 0:" not in answer.err
    assert "best params:  {'k': 1, 'learning_rate': 0.1}\n" in call("resume", "--metric", "loss").out
    assert "best params:  {'k': 1, 'learning_rate': 0.1}\n" in call("best").out
