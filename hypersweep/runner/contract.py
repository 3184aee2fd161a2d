"""What a runner is, what it declares, and what it is handed besides the params."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hypersweep.errors import RunnerError, TrialPruned
from hypersweep.runner.returned import read_metrics
from hypersweep.settings import Key
from hypersweep.trial import Params, is_storable

__all__ = ["GRACE_S", "BatchRunner", "Key", "LiveTrial", "Runner"]

GRACE_S = 10.0  # how long a trial that is asked to end may take, for its checkpoint


def _never() -> bool:
    """Where nobody asks for it."""
    return False


def _print_line(text: str) -> None:
    """Where the log is what the process prints."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _drop_report(step: int, metrics: Mapping[str, float]) -> None:
    """Where nobody listens."""


def _as_step(step: Any) -> int:
    """The whole number that it is, of whatever type."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        whole = int(step)
        if whole == step and is_storable(whole):
            return whole
    raise RunnerError(f"trial.report: the step is {step!r}; expected a whole number of 64 bits. Count from 0 or 1")


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
    write_line: Callable[[str], None] = _print_line
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

    def log(self, text: str) -> None:
        """Print a line to the trial's log. It gets there also where trials run together: what is simply printed then
        is in the log of one of them."""
        self.write_line(text)

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell an intermediate result; never waits.

        Raises `TrialPruned` once it has been decided that the trial shall stop, `RunnerError` if `step` is no whole
        number or `metrics` no mapping of names to numbers.
        """
        numbers = read_metrics("trial.report", metrics)
        self.last_step = _as_step(step)
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

    The callable may carry attributes:

    `keys`      a sequence of `Key`, or a function `keys(settings)` that gives one, where a parameter of the space
                stands in the settings as the list of its values; absent: any key is accepted
    `prepare`   `prepare(settings) -> path`: called before the first trial in a process of its own, at least once
                per host and with all fixed settings; idempotent. The path is `trial.prepared`. Absent: nothing to do
    `preload`   names of modules that the trials' server process imports besides the runner's own (they must start
                no threads); absent: none
    `run_batch` a `BatchRunner`, for sweeps with `--batch-trials`; absent: trials never run together
    `batch_free`
                the names of parameters in which trials that run together may differ, or a function
                `batch_free(settings)` that gives them as `keys` does its own; None: with these settings trials never
                run together. Absent: none of the names
    `batch_size`
                `batch_size(settings, memory_bytes) -> int`: how many trials `--batch-trials auto` puts together on a
                device with so much memory; asked only where the devices' memory is known. Absent: 1
    """

    def __call__(self, params: Params, trial: LiveTrial) -> Any: ...


class BatchRunner(Protocol):
    """The work of several trials at once, such as those of one model whose weights have one dimension more. Called in
    place of the runner, in one process, with the params and the `LiveTrial` of each.

    It gives each trial's end as it comes: the number with what the runner would have returned, or with the exception
    that it would have raised (what `trial.report` raises is for that trial alone, and has to be caught). If it raises,
    all trials that have not ended yet have failed, and so they have if the process dies or runs too long; at an
    interrupt all of them are asked to end.
    """

    def __call__(self, batch: Sequence[tuple[Params, LiveTrial]]) -> Iterable[tuple[int, Any]]: ...
