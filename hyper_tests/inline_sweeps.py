"""Whole sweeps within this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypersweep.events import Event, Noted
from hypersweep.launch import sweep
from hypersweep.study import Study

SPACE = "a choice [1, 2, 3]\nb choice ['x', 'y']\n"
SIZE = 6


class Counting:
    """A runner in this process that counts its calls, and sends a signal in the one it is told to."""

    def __init__(self, *, stop_at: int | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.stop_at = stop_at

    def __call__(self, params: dict[str, Any]) -> float:
        self.calls.append(params)
        if len(self.calls) == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return float(params["a"]) + float(params["b"] == "x")


def inline(space: Any, runner: Callable[..., Any] | None = None, **options: Any) -> Study:
    return sweep(space, runner=runner or Counting(), pool="inline", **options)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def notes(told: list[Event]) -> list[str]:
    return [("warning: " if event.is_warning else "") + event.text for event in told if isinstance(event, Noted)]
