"""Clusters that were started by hand: with and without a token in the home of who did, and the loss of the head."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.pool.nodes import Sweep, arguments, descendants, unbroken
from hyper_tests.processes import environment, hypersweep, is_alive, start_hypersweep, wait_until

pytestmark = pytest.mark.slow
RAY = Path(sys.executable).with_name("ray")


@pytest.fixture
def home() -> Iterator[Path]:
    """A new user's, and where Ray keeps its sockets, whose paths have to be short."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def environment_of(home: Path) -> dict[str, str]:
    told = environment(HOME=str(home), RAY_TMPDIR=str(home), RAY_worker_niceness="0")
    return {name: value for name, value in told.items() if not name.startswith(("RAY_AUTH", "RAY_ADDRESS"))}


def write_token(home: Path, digit: str) -> None:
    (home / ".ray").mkdir(exist_ok=True)
    (home / ".ray" / "auth_token").write_text(digit * 64)


@contextlib.contextmanager
def head_of(home: Path) -> Iterator[tuple[str, int]]:
    """The address of a cluster that is started as the documentation has it, and the process that all of it is below."""
    block = [str(RAY), "start", "--head", "--port=0", "--num-cpus=2", "--include-dashboard=false", "--block"]
    with open(home / "started", "w") as told:
        started = subprocess.Popen(block, env=environment_of(home), stdout=told, stderr=told)
    try:
        current = home / "ray" / "ray_current_cluster"
        wait_until(lambda: current.exists() or started.poll() is not None, "the cluster")
        yield current.read_text().strip(), started.pid
    finally:
        for pid in [started.pid, *descendants(started.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        started.wait()


def words(sweep: Sweep, address: str, *more: str) -> list[str]:
    told = ["--ray-address", address, "--runner", sweep.runner, "--set", f"traces={sweep.traces}"]
    return ["run", "--pool", "ray", "--threads", "1", *told, *more]


def run(sweep: Sweep, home: Path, address: str) -> subprocess.CompletedProcess[str]:
    return hypersweep(*words(sweep, address, "--restart"), cwd=sweep.folder, env=environment_of(home))


def test_a_cluster_with_a_token(home: Path, tmp_path: Path) -> None:
    write_token(home, "a")
    sweep = Sweep(tmp_path / "sweep", 2)
    with head_of(home) as (address, _):
        for named in ("auto", address):
            done = run(sweep, home, named)
            assert done.returncode == 0, done.stderr
            assert "InvalidAuthToken" not in done.stderr
        write_token(home, "b")
        for named in ("auto", address):
            done = run(sweep, home, named)
            assert done.returncode == 2, done.stderr
            assert f"--ray-address: the cluster at {address} asks for a token, and does not accept" in done.stderr
            assert "Copy ~/.ray/auth_token from the head's machine" in done.stderr
            assert done.stderr.count("\n") == 1


def test_a_cluster_without_one(home: Path, tmp_path: Path) -> None:
    """Where one has been written since, as Ray does by itself when a process starts a cluster of its own."""
    sweep = Sweep(tmp_path / "sweep", 2)
    with head_of(home) as (address, _):
        for digit in ("", "a"):
            if digit:
                write_token(home, digit)
            for named in ("auto", address):
                done = run(sweep, home, named)
                assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("daemon", ["gcs_server", "raylet"])
def test_the_head_is_lost(home: Path, tmp_path: Path, daemon: str) -> None:
    sweep = Sweep(tmp_path / "sweep", 6, held_from=2)
    with head_of(home) as (address, cluster):
        started = start_hypersweep(
            *words(sweep, address, "--set", "held_from=2"), cwd=sweep.folder, **environment_of(home)
        )
        wait_until(lambda: len(sweep.num_executions()) == 4 or started.poll() is not None, "four trials that begin")
        told = {pid: arguments(pid) for pid in descendants(cluster)}
        trials = [pid for pid in told if "hypersweep.pool.server" in told[pid]]
        (victim,) = (pid for pid in told if re.match(rf"\S+/{daemon} ", told[pid]))
        os.kill(victim, signal.SIGKILL)
        _, errors = started.communicate(timeout=60)
        assert started.returncode == 2, errors
        assert errors.endswith("hypersweep resume, with the --ray-address of another one\n")
        assert f"pool ray: the head of the cluster at {address} was lost: Connection refused; expected" in errors
        assert trials
        wait_until(lambda: not any(map(is_alive, trials)), "the end of the trials")
    sweep.go()
    resumed = hypersweep("resume", "--ray-address", "local", cwd=sweep.folder, env=environment_of(home))
    assert resumed.returncode == 0, resumed.stderr
    assert sweep.num_executions() == {0: 1, 1: 1, 2: 2, 3: 2, 4: 1, 5: 1}
    assert sweep.log == unbroken(tmp_path / "unbroken", 6)
