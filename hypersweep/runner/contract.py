"""What a runner is, what it declares, and what it is handed besides the params."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hypersweep.errors import RunnerError, TrialPruned
from hypersweep.runner.returned import read_metrics
from hypersweep.settings import Key
from hypersweep.trial import Params, is_storable

__all__ = ["GRACE_S", "Key", "LiveTrial", "Runner"]

GRACE_S = 10.0  # how long a trial that is asked to end may take, for its checkpoint


def _never() -> bool:
    """Where nobody asks for it."""
    return False


def _drop_report(step: int, metrics: Mapping[str, float]) -> None:
    """Where nobody listens."""


@dataclass
class LiveTrial:
    """What a runner that takes `(params, trial)` is handed.

    number      counts from 0
    seed        the seed of everything random in the trial
    settings    the fixed settings of the sweep
    prepared    the folder that the runner's `prepare` returned, None if it has none
    folder      the trial's own folder (`hyper.sweep/trials/00/0007`); made when something is written
    device      the device the trial may use (`cpu`, `cuda:0`); None: the runner's choice
    attempt     1, then one more for each retry
    last_step   the step of the last report, None before the first
    """

    number: int
    seed: int
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    prepared: Path | None = None
    device: str | None = None
    attempt: int = 1
    last_step: int | None = None
    send_report: Callable[[int, Mapping[str, float]], None] = _drop_report
    is_prune_asked: Callable[[], bool] = _never

    @property
    def checkpoint_dir(self) -> Path:
        """The trial's checkpoint folder; asking for it makes it. What it holds outlives an interrupt."""
        path = self.folder / "checkpoint"
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def log_path(self) -> Path:
        """Where the trial's stdout and stderr go."""
        return self.folder / "log.txt"

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell an intermediate result; never waits.

        Raises `TrialPruned` once it has been decided that the trial shall stop, `RunnerError` if `metrics` is no
        mapping of names to numbers.
        """
        numbers = read_metrics("trial.report", metrics)
        if not is_storable(int(step)):
            raise RunnerError(f"trial.report: the step is {step}; expected a number of 64 bits. Count from 0 or 1")
        self.last_step = int(step)
        self.send_report(self.last_step, numbers)
        self.raise_if_pruned()

    def raise_if_pruned(self) -> None:
        """Raises `TrialPruned` once it has been decided that the trial shall stop."""
        if self.is_prune_asked():
            raise TrialPruned


class Runner(Protocol):
    """A trial's work. Called once per attempt of a trial, in the trial's own process (pool `local`) or in the
    controller (pool `inline`). If it raises, the trial has failed; if its process dies, too; no other trial notices.

    A trial is asked to end, by an interrupt or for its time, by SIGTERM to its process group: the runner's `finally`
    blocks have `GRACE_S` for a checkpoint.

    The callable may carry three attributes:

    `keys`      a sequence of `Key`, or a function `keys(settings)` that gives one, where a parameter of the space
                stands in the settings as the list of its values; absent: any key is accepted
    `prepare`   `prepare(settings) -> path`: called before the first trial in a process of its own, at least once
                per host and with all fixed settings; idempotent. The path is `trial.prepared`. Absent: nothing to do
    `preload`   names of modules that the trials' server process imports besides the runner's own (they must start
                no threads); absent: none
    """

    def __call__(self, params: Params, trial: LiveTrial) -> Any: ...
