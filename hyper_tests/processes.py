"""Processes as the tests use them: the command line as a user runs it, and waiting for something to happen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 60.0

Found = TypeVar("Found")


def environment(**variables: str) -> dict[str, str]:
    """The environment of a user who has installed this hypersweep and set nothing that changes its output."""
    unset = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "PYTHONIOENCODING", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **variables}


def hypersweep(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`hypersweep …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hypersweep", *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def start_hypersweep(*arguments: str | Path, cwd: Path, **variables: str) -> subprocess.Popen[str]:
    """`hypersweep …` as a process that goes on; its output can be read from `stdout` and `stderr`."""
    return subprocess.Popen(
        [sys.executable, "-m", "hypersweep", *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(find: Callable[[], Found | None], what: str, timeout_s: float = TIMEOUT_S) -> Found:
    """What `find` gives once that is true; fails, saying `what` was waited for, if it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not (found := find()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.01)
    return found


def is_alive(pid: int) -> bool:
    """Whether the process runs: a zombie, which nobody has waited for yet, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(told) and not told.startswith("Z")
