"""Trials that start processes which try to get away, and then neither end nor let anyone else run."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from pathlib import Path

from hypersweep.runner import LiveTrial
from hypersweep.trial import Params

SLEEP = ["sleep", "1000"]


def start_children() -> list[int]:
    """In the trial's process group, in a session of its own, and without a parent: the daemon of a daemon's making."""
    in_group = subprocess.Popen(SLEEP)
    in_session = subprocess.Popen(SLEEP, start_new_session=True)
    daemon = subprocess.run(
        ["setsid", "sh", "-c", "setsid sleep 1000 > /dev/null & echo $!"], stdout=subprocess.PIPE, check=True
    )
    return [in_group.pid, in_session.pid, int(daemon.stdout)]


def tell(trial: LiveTrial, pids: list[int]) -> None:
    """All at once: guard, server, trial, and what the trial has started."""
    told = Path(str(trial.settings["traces"]), f"{trial.number}-{os.getpid()}")
    guard = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
    told.with_suffix(".new").write_text(" ".join(map(str, [guard, os.getppid(), os.getpid(), *pids])))
    told.with_suffix(".new").rename(told.with_suffix(".pids"))


def sleep(params: Params, trial: LiveTrial) -> float:
    tell(trial, start_children())
    time.sleep(1000)
    return 1.0


def sleep_in_c(params: Params, trial: LiveTrial) -> float:
    """Holds the interpreter: no other thread of the process runs, no Python signal handler either."""
    tell(trial, start_children())
    ctypes.PyDLL(None).sleep(1000)
    return 1.0


def end(params: Params, trial: LiveTrial) -> float:
    tell(trial, start_children())
    return 1.0
