"""Trials that print and report in every way that a pool has to carry."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from hypersweep.runner import LiveTrial
from hypersweep.trial import Params

FLOOD_BYTES = 100 << 20


def print_a_lot(params: Params, trial: LiveTrial) -> float:
    """Everything that reaches a trial's log from Python."""
    print("printed")
    print("to stderr", file=sys.stderr)
    logger = logging.getLogger(__name__)
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
    logger.warning("logged by trial %d", trial.number)
    print("no newline", end="")
    return 1.0


def write_below_python(params: Params, trial: LiveTrial) -> float:
    os.write(1, b"by os.write\n")
    subprocess.run("echo by a subprocess; echo its stderr >&2", shell=True, check=True)
    ctypes.CDLL(None).printf(b"by printf\n")
    return 1.0


def flood(params: Params, trial: LiveTrial) -> float:
    line = b"%06d " + b"x" * 1016 + b"\n"
    for number in range(FLOOD_BYTES // 1024):
        os.write(1, line % number)
    print("the last line")
    return 1.0


def close_streams(params: Params, trial: LiveTrial) -> float:
    sys.stdout.close()
    sys.stderr.close()
    return 1.0


def remove_folder(params: Params, trial: LiveTrial) -> float:
    print("written")
    subprocess.run(["rm", "-rf", str(trial.folder)], check=True)
    return 1.0


def report_steps(params: Params, trial: LiveTrial) -> float:
    for step in (1, 2, 5):
        trial.report(step, {"loss": 1 / step})
    return 1.0


def report_from_threads(params: Params, trial: LiveTrial) -> float:
    """More than fits a pipe, from several threads at once."""

    def report(first: int) -> None:
        for step in range(first, first + 2000):
            trial.report(step, {"loss": step / 7})

    threads = [threading.Thread(target=report, args=(2000 * index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1.0


def report_nonsense(params: Params, trial: LiveTrial) -> float:
    trial.report(1, {"loss": "low"})  # type: ignore[dict-item]
    return 1.0


def report_without_end(params: Params, trial: LiveTrial) -> float:
    """Trial 0 reports as fast as it can until trial 1 has ended."""
    done = Path(str(trial.settings["done"]))
    if trial.number == 1:
        return 1.0
    step = 0
    while not done.exists():
        step += 1
        trial.report(step, {"loss": 0.5})
    return 1.0
