"""What a sweep lives in goes away: its terminal, its reader, its disk, while it is set up or runs."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hyper_tests.crash import runner
from hyper_tests.processes import environment, hypersweep, is_alive, start_hypersweep, wait_until
from hypersweep.resultlog import read_log
from hypersweep.study import Study

RUNNER = f"{runner.__file__}:run"
NUM_TRIALS = 80


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hyper.test").write_text(f"x choice {list(range(NUM_TRIALS))}\n")
    (tmp_path / "traces").mkdir()
    return tmp_path


def command(*options: str) -> list[str]:
    traces = ["--set", "traces=traces"]
    return [sys.executable, "-m", "hypersweep", "run", "--resume", "--runner", RUNNER, *traces, *options]


def finished(folder: Path) -> int:
    with Study(folder) as study:
        return study.counts()["finished"] or 0


def executions(folder: Path) -> list[int]:
    return [(folder / "traces" / str(number)).read_text().count("ended") for number in range(NUM_TRIALS)]


def test_a_reader_of_the_progress_that_goes_away_stops_nothing(folder: Path) -> None:
    """`hypersweep run 2>&1 | head -1`"""
    process = subprocess.Popen(
        command(), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    wait_until(lambda: process.poll() is not None, "the end of the sweep")
    assert finished(folder) == NUM_TRIALS


def test_a_terminal_that_goes_away_interrupts_and_loses_nothing(folder: Path) -> None:
    words = command("--workers", "2", "--set", "held_from=10")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, words, environment(TERM="xterm"))
    store = folder / "hyper.sweep" / "sweep.db"
    wait_until(lambda: os.read(terminal, 1 << 16) and store.exists() and finished(folder) == 10, "ten trials")
    os.close(terminal)
    wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0], "the end of the controller")
    assert finished(folder) == 10
    assert len(read_log(folder / "hyper.result")) == 10, "it was interrupted, not killed"
    (folder / "traces" / "go").touch()
    resumed = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert finished(folder) == NUM_TRIALS


def test_a_file_that_may_not_grow_ends_the_sweep_in_one_line(folder: Path) -> None:
    """As on a disk that is full: what was committed is kept, and a resume goes on."""
    done = subprocess.run(
        command(),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "hyper.sweep/sweep.db: " in done.stderr.splitlines()[-1]
    kept = finished(folder)
    assert 0 < kept < NUM_TRIALS
    resumed = subprocess.run(command(), cwd=folder, env=environment(), capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert finished(folder) == NUM_TRIALS
    assert sum(executions(folder)) <= NUM_TRIALS + 1, "none that was kept ran again"


PREPARING = """
import os, time
def f(params): return 1.0
def prepare(settings):
    open("pid", "w").write(str(os.getpid()))
    os.rename("pid", "preparing")
    time.sleep(1000)
f.prepare = prepare
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_data_is_prepared(folder: Path, signum: signal.Signals) -> None:
    (folder / "slow.py").write_text(PREPARING)
    with start_hypersweep("run", "--runner", "slow.py:f", cwd=folder) as process:
        wait_until((folder / "preparing").exists, "the preparation")
        process.send_signal(signum)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.split() == ["interrupted"]
    preparing = int((folder / "preparing").read_text())
    wait_until(lambda: not is_alive(preparing), "the end of the preparation", timeout_s=2.0)
    assert not (folder / "hyper.sweep").exists()


def test_the_preparation_that_is_killed_is_told(folder: Path) -> None:
    (folder / "slow.py").write_text(PREPARING.replace("time.sleep(1000)", "os.kill(os.getpid(), 9)"))
    done = hypersweep("run", "--runner", "slow.py:f", cwd=folder)
    assert done.returncode == 2
    assert done.stderr == "slow.py:f: prepare failed: the process was killed by SIGKILL (out of memory?)\n"
