"""The runners of the measurements: trials that do nothing, or only wait."""

from __future__ import annotations

import itertools
import os
import signal
import time

from hypersweep import TrialPruned

num_calls = itertools.count()


def finish(params: dict[str, int]) -> float:
    return 0.5


def fail(params: dict[str, int]) -> float:
    raise ValueError("no result")


def prune(params: dict[str, int]) -> float:
    raise TrialPruned


def wait(params: dict[str, int]) -> float:
    time.sleep(1.0)
    return 0.5


def score_and_stop(params: dict[str, int]) -> float:
    """Scores that vary; interrupts the sweep after `stop_after` trials."""
    if next(num_calls) == params["stop_after"]:
        os.kill(os.getpid(), signal.SIGTERM)
    return params["a"] * 7919 % 1009 / 1009 + params["b"] / 1e7
