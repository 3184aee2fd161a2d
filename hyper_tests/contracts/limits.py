"""Trials that run too long or need too much memory."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
from pathlib import Path

from hypersweep.runner import LiveTrial
from hypersweep.runner.execute import TrialInterrupted
from hypersweep.trial import Params


def sleep_and_return(params: Params, trial: LiveTrial) -> float:
    """Takes being asked to end for a reason to give what there is."""
    with contextlib.suppress(TrialInterrupted):
        time.sleep(1000)
    return 1.0


def sleep_on(params: Params, trial: LiveTrial) -> float:
    """Takes being asked to end, once, for no reason to end."""
    with contextlib.suppress(TrialInterrupted):
        time.sleep(1000)
    Path(str(trial.settings["told"])).with_name(f"asked-{trial.number}").touch()
    time.sleep(1000)
    return 1.0


def sleep_until_told(params: Params, trial: LiveTrial) -> float:
    """Trial 0 never ends; the others do when there is a file `go`."""
    told = Path(str(trial.settings["told"]))
    told.with_name(f"begun-{trial.number}").touch()
    while trial.number == 0 or not told.with_name("go").exists():
        time.sleep(0.01)
    return 1.0


def wait_for_child(params: Params, trial: LiveTrial) -> float:
    """Waits for a process that ends when asked to, and tells of it."""
    told = trial.settings["told"]
    child = subprocess.Popen(f"trap 'echo asked >> {told}; exit' TERM; while :; do sleep 0.05; done", shell=True)
    try:
        time.sleep(1000)
    finally:
        child.wait()
    return 1.0


def allocate_too_much(params: Params, trial: LiveTrial) -> float:
    """More than any machine has addresses for."""
    return float(len(bytearray(1 << 60)))


def fill_memory(params: Params, trial: LiveTrial) -> float:
    """Against the limit of its own process, so that little is left to tell of it."""
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + (64 << 20),) * 2)
    held: list[bytearray] = []
    for size in (1 << 20, 1 << 12, 1 << 5):
        with contextlib.suppress(MemoryError):
            while True:
                held.append(bytearray(size))
    return float(len(bytearray(1 << 20)))


class OutOfMemoryError(RuntimeError):
    """As torch has one."""


def raise_out_of_memory(params: Params, trial: LiveTrial) -> float:
    raise OutOfMemoryError("Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 10.75 GiB")


def raise_as_older_torch(params: Params, trial: LiveTrial) -> float:
    raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
