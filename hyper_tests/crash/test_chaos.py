"""A few rounds of chaos (many: `python -m hyper_tests.crash.chaos`), and that its accounting finds what is wrong."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hyper_tests.crash.accounting import Kill, find_reexecuted, find_unexplained
from hyper_tests.crash.chaos import describe, main, run_rounds
from hyper_tests.crash.plan import KINDS, Plan, draw_plan
from hyper_tests.crash.round import Round
from hyper_tests.crash.traced import Execution, Trace


def test_a_few_rounds(tmp_path: Path) -> None:
    assert main(["--rounds", "2", "--trials", "60", "--folder", str(tmp_path / "chaos")]) == 0
    assert list((tmp_path / "chaos").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_rounds(tmp_path: Path) -> None:
    tally = run_rounds(tmp_path, seed=2020, numbers=range(100))
    assert not tally.problems, describe(tally)
    assert all(tally.counts[kind] >= 20 for kind in KINDS), describe(tally)


def test_a_plan_is_drawn_alike_again() -> None:
    plans = [draw_plan(1, number, num_trials=200) for number in range(50)]
    assert plans == [draw_plan(1, number, num_trials=200) for number in range(50)]
    assert plans != [draw_plan(2, number, num_trials=200) for number in range(50)]
    assert {kill.kind for plan in plans for kill in plan.kills} == set(KINDS)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Round:
    """A sweep of 30 trials that nothing has happened to."""
    finished = Round(tmp_path_factory.mktemp("chaos") / "unbroken", Plan(workers=2, kills=(), seed=""), 30)
    assert finished.run().problems == []
    return finished


def change_store(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "hyper.sweep" / "sweep.db")
    connection.execute(sql)
    connection.commit()
    connection.close()


def change_log(folder: Path) -> None:
    log = folder / "hyper.result"
    log.write_text(log.read_text().replace("score : 0.0", "score : 0.1", 1))


def leave_checkpoint(folder: Path) -> None:
    (folder / "hyper.sweep" / "trials" / "00" / "0007" / "checkpoint").mkdir(parents=True)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda folder: change_store(folder, "DELETE FROM trials WHERE number = 3"), "lost: trial 3 had ended"),
        (lambda folder: change_store(folder, "UPDATE trials SET result = '{}' WHERE number = 3"), "lost: trial 3 had"),
        (change_log, "lost: hyper.result is not that of the unbroken sweep"),
        (lambda folder: change_store(folder, "INSERT INTO failures VALUES (3, 1, 'x', 0, 0)"), "leftovers: trial 3"),
        (leave_checkpoint, "leftovers: a checkpoint of trial 7"),
    ],
    ids=["trial", "result", "log", "failure", "checkpoint"],
)
def test_what_is_wrong_is_found(unbroken: Round, tmp_path: Path, harm: Callable[[Path], None], problem: str) -> None:
    harmed = Round(tmp_path / "harmed", unbroken.plan, unbroken.num_trials)
    shutil.copytree(unbroken.folder, harmed.folder, dirs_exist_ok=True)
    harmed.ended = dict(unbroken.ended)
    harm(harmed.folder)
    harmed.account()
    harmed.compare(unbroken)
    assert any(told.startswith(problem) for told in harmed.tally.problems), harmed.tally.problems


def test_the_failure_of_a_trial_that_was_killed_is_no_leftover(unbroken: Round, tmp_path: Path) -> None:
    """Also of one that was killed along with everything else."""
    killed = Round(tmp_path / "killed", unbroken.plan, unbroken.num_trials)
    shutil.copytree(unbroken.folder, killed.folder, dirs_exist_ok=True)
    killed.trace.read()
    killed.victims.update(one.pid for one in killed.trace.executions if one.number == 3)
    change_store(killed.folder, "INSERT INTO failures VALUES (3, 1, 'x', 0, 0)")
    killed.account()
    assert killed.tally.problems == []


def test_an_orphan_is_found_and_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as left:
        broken = Round(tmp_path / "round", Plan(workers=2, kills=(), seed=""), 1)
        broken.end_orphans([left.pid])
        assert broken.tally.problems == [f"orphans: process {left.pid} still runs"]
        assert left.wait(timeout=30) == -signal.SIGKILL


def read_trace(path: Path, *lines: str) -> Trace:
    path.write_text("".join(f"{line}\n" for line in lines))
    trace = Trace(path)
    trace.read()
    return trace


def test_a_trace_is_read_line_by_line(tmp_path: Path) -> None:
    trace = read_trace(tmp_path / "trace", "loaded 7", "begun 0 8 7", "child 9", "begun 1 10 7", "ended 0 8")
    with open(trace.path, "a") as file:
        file.write("ended 1")
    assert trace.read() == 5, "a line that is not whole yet waits"
    assert [one.pid for one in trace.running()] == [10]
    assert trace.pids == {7, 8, 9, 10}
    assert trace.executions[0] == Execution(0, 8, 7, begun_at=1, ended_at=4)


TWICE = ("loaded 7", "begun 0 8 7", "loaded 17", "begun 0 18 17", "ended 0 18")


@pytest.mark.parametrize(
    ("lines", "kills", "problem"),
    [
        (TWICE, [], "trial 0 ran again though no kill had broken it"),
        (TWICE, [Kill(2, 2, most=1)], None),
        (TWICE, [Kill(2, 2, most=0)], "trial 0 ran again though no kill had broken it"),
        (TWICE, [Kill(4, 4, most=1)], "trial 0 ran again though no kill had broken it"),
        (TWICE, [Kill(1, 1, most=1, victim=8)], None),
        (TWICE, [Kill(1, 1, most=1, victim=9)], "trial 0 ran again though no kill had broken it"),
        ((*TWICE, "ended 0 8"), [Kill(2, 2, most=1)], "trial 0 began again while it still ran"),
    ],
)
def test_executions_are_explained_by_kills(
    tmp_path: Path, lines: tuple[str, ...], kills: list[Kill], problem: str | None
) -> None:
    trace = read_trace(tmp_path / "trace", *lines)
    assert find_unexplained(trace.executions, kills, trace.loads) == ([problem] if problem else [])


def test_an_execution_after_its_trial_had_ended_is_found(tmp_path: Path) -> None:
    trace = read_trace(tmp_path / "trace", *TWICE)
    assert find_reexecuted(trace.executions, {0: 3}) == ["trial 0 had ended and ran again"]
    assert find_reexecuted(trace.executions, {0: 5}) == []
