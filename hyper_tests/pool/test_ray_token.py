"""Clusters that were started by hand, with and without a token in the home of who started them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.pool.nodes import Sweep, descendants
from hyper_tests.processes import environment, hypersweep, wait_until

pytestmark = pytest.mark.slow
RAY = Path(sys.executable).with_name("ray")


@pytest.fixture
def home() -> Iterator[Path]:
    """A new user's, and where Ray keeps its sockets, whose paths have to be short."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def environment_of(home: Path) -> dict[str, str]:
    told = environment(HOME=str(home), RAY_TMPDIR=str(home))
    return {name: value for name, value in told.items() if not name.startswith(("RAY_AUTH", "RAY_ADDRESS"))}


def write_token(home: Path, digit: str) -> None:
    (home / ".ray").mkdir(exist_ok=True)
    (home / ".ray" / "auth_token").write_text(digit * 64)


@contextlib.contextmanager
def head_of(home: Path) -> Iterator[str]:
    """The address of a cluster that is started as the documentation has it."""
    block = [str(RAY), "start", "--head", "--port=0", "--num-cpus=2", "--include-dashboard=false", "--block"]
    with open(home / "started", "w") as told:
        started = subprocess.Popen(block, env=environment_of(home), stdout=told, stderr=told)
    try:
        current = home / "ray" / "ray_current_cluster"
        wait_until(lambda: current.exists() or started.poll() is not None, "the cluster")
        yield current.read_text().strip()
    finally:
        for pid in [started.pid, *descendants(started.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        started.wait()


def run(sweep: Sweep, home: Path, address: str) -> subprocess.CompletedProcess[str]:
    return hypersweep(
        *("run", "--pool", "ray", "--ray-address", address, "--threads", "1", "--restart"),
        *("--runner", sweep.runner, "--set", f"traces={sweep.traces}"),
        cwd=sweep.folder,
        env=environment_of(home),
    )


def test_a_cluster_with_a_token(home: Path, tmp_path: Path) -> None:
    write_token(home, "a")
    sweep = Sweep(tmp_path / "sweep", 2)
    with head_of(home) as address:
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
    with head_of(home) as address:
        for digit in ("", "a"):
            if digit:
                write_token(home, digit)
            for named in ("auto", address):
                done = run(sweep, home, named)
                assert done.returncode == 0, done.stderr
