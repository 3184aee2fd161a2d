"""Trials that leave a trace of every execution in the folder that the setting `traces` names."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
import time
from pathlib import Path

from hypersweep.runner import LiveTrial
from hypersweep.trial import Params

# Who imports this is the process that trials are forked from, or the controller itself.
if "HYPERSWEEP_TEST_PIDS" in os.environ:
    with open(os.environ["HYPERSWEEP_TEST_PIDS"], "a") as pids:
        pids.write(f"{os.getpid()}\n")


def trace(trial: LiveTrial, word: str) -> None:
    with open(Path(str(trial.settings["traces"]), str(trial.number)), "a") as file:
        file.write(f"{word}\n")


def run(params: Params, trial: LiveTrial) -> dict[str, float]:
    """Takes some ten milliseconds; the score depends on the params only. From the setting `held_from` on, trials wait
    until there is a file `go` among the traces."""
    x = params["x"]
    assert isinstance(x, int)
    go = Path(str(trial.settings["traces"]), "go")
    if "HYPERSWEEP_TEST_PIDS" in os.environ:
        with open(os.environ["HYPERSWEEP_TEST_PIDS"], "a") as pids:
            pids.write(f"{os.getpid()}\n")
    trace(trial, "begun")
    time.sleep(float(trial.settings.get("duration_s", 0.01)))
    while trial.number >= trial.settings.get("held_from", math.inf) and not go.exists():
        time.sleep(0.01)
    print("trial", trial.number)
    trace(trial, "ended")
    return {"score": (x * 7919 % 60) / 60}


def run_seeded(params: Params, trial: LiveTrial) -> dict[str, float]:
    """As `run`, with a score of each seed."""
    return {"score": run(params, trial)["score"] + trial.seed / 7}


def kill_server_once(params: Params, trial: LiveTrial) -> dict[str, float]:
    """Trial 5 kills the process that all are forked from, at its first attempt to run."""
    trace(trial, "begun")
    marker = Path(str(trial.settings["traces"]), "killed")
    if trial.number == 5 and not marker.exists():
        marker.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return {"score": trial.number}


def kill_server_always(params: Params, trial: LiveTrial) -> dict[str, float]:
    """From trial 3 on nothing ends."""
    if trial.number >= 3:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return {"score": trial.number}


def sleep(params: Params, trial: LiveTrial) -> float:
    """Trials 0 and 1 end, the others only when asked to."""
    if trial.number < 2:
        return 1.0
    trace(trial, str(os.getpid()))
    try:
        time.sleep(1000)
    finally:
        trace(trial, "ended")
    return 1.0


def sleep_in_c(params: Params, trial: LiveTrial) -> float:
    """Lets no other thread of its process run meanwhile."""
    trace(trial, str(os.getpid()))
    ctypes.PyDLL(None).sleep(1000)
    return 1.0


def sleep_on(params: Params, trial: LiveTrial) -> float:
    """Does not end when asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    trace(trial, str(os.getpid()))
    while True:
        time.sleep(1000)


def end_with_server(params: Params, trial: LiveTrial) -> float:
    """Starts a process, leaves it behind and ends as soon as nobody is above it any more."""
    server = os.getppid()
    trace(trial, str(subprocess.Popen(["sleep", "1000"]).pid))
    while os.getppid() == server:
        time.sleep(0.001)
    return 1.0
