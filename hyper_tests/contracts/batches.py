"""Runners whose trials run together, for the contract tests of the pools."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hypersweep.errors import TrialPruned
from hypersweep.runner import LiveTrial
from hypersweep.trial import Params

Batch = Sequence[tuple[Params, LiveTrial]]


def together(run_batch: Callable[[Batch], Any]) -> Callable[..., Any]:
    """The runner that has it, of the same name."""

    def run(params: Params, trial: LiveTrial) -> float:
        return -1.0  # by which a test sees that it did not run together with others

    run.__name__ = run_batch.__name__
    run.__code__ = run.__code__.replace(co_filename=__file__)
    run.run_batch = run_batch  # type: ignore[attr-defined]
    run.batch_free = ("x",)  # type: ignore[attr-defined]
    return run


def near(trial: LiveTrial, name: str) -> Path:
    return Path(str(trial.settings["told"])).with_name(name)


@together
def square(batch: Batch) -> Iterator[tuple[int, Any]]:
    """The last one first."""
    for params, trial in reversed(batch):
        yield trial.number, {"square": float(str(params["x"])) ** 2, "seed": trial.seed, "process": os.getpid()}


@together
def square_at_once(batch: Batch) -> list[tuple[int, Any]]:
    """No generator."""
    return [(trial.number, float(str(params["x"])) ** 2) for params, trial in batch]


@together
def end_differently(batch: Batch) -> Iterator[tuple[int, Any]]:
    """One after the other: a result, an exception, none, and too early."""
    ends: list[Any] = [1.0, ValueError("of one"), None, TrialPruned(), MemoryError("too large")]
    for (_, trial), end in zip(batch, ends, strict=True):
        trial.report(3, {"loss": 1.0})
        yield trial.number, end


@together
def raise_after_one(batch: Batch) -> Iterator[tuple[int, Any]]:
    print("before the end")
    yield batch[0][1].number, 1.0
    raise ValueError("of all")


@together
def stop_after_one(batch: Batch) -> Iterator[tuple[int, Any]]:
    yield batch[0][1].number, 1.0


@together
def tell_twice(batch: Batch) -> Iterator[tuple[int, Any]]:
    yield batch[0][1].number, 1.0
    yield batch[0][1].number, 2.0


@together
def crash_after_one(batch: Batch) -> Iterator[tuple[int, Any]]:
    yield batch[0][1].number, 1.0
    os._exit(7)


@together
def print_a_lot(batch: Batch) -> Iterator[tuple[int, Any]]:
    """In common and by itself."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s", force=True)
    for _, trial in batch:
        trial.log(f"of trial {trial.number}")
    for _, trial in batch:
        print("before", trial.number, "has ended")
        logging.warning("logged")
        yield trial.number, 1.0


@together
def print_below_python(batch: Batch) -> Iterator[tuple[int, Any]]:
    for _, trial in batch:
        subprocess.run(["echo", f"before {trial.number} has ended"], check=True)
        yield trial.number, 1.0


@together
def sleep(batch: Batch) -> Iterator[tuple[int, Any]]:
    """Ends one trial, then never by itself; its `finally` block tells of the others."""
    yield batch[0][1].number, 1.0
    near(batch[0][1], "begun").touch()
    try:
        time.sleep(1000)
    finally:
        for _, trial in batch[1:]:
            near(trial, f"ended-{trial.number}").touch()


@together
def end_one_by_one(batch: Batch) -> Iterator[tuple[int, Any]]:
    """Each as soon as there is a file `go-NUMBER`, in the order of the numbers."""
    for _, trial in batch:
        near(trial, f"begun-{trial.number}").touch()
        while not near(trial, f"go-{trial.number}").exists():
            time.sleep(0.01)
        yield trial.number, 1.0


@together
def report_on_and_on(batch: Batch) -> Iterator[tuple[int, Any]]:
    """Until pruned, or to the step that the params say."""
    running = list(batch)
    for step in range(1, 100_000):
        for params, trial in list(running):
            try:
                trial.report(step, {"loss": 1 / step})
                end: Any = 1.0 if step == params.get("last") else None
            except TrialPruned as pruned:
                end = pruned
            if end is not None:
                running.remove((params, trial))
                yield trial.number, end
        if not running:
            return
        time.sleep(0.005)


@together
def let_pruning_through(batch: Batch) -> Iterator[tuple[int, Any]]:
    while True:
        for _, trial in batch:
            trial.report(1, {"loss": 1.0})
        time.sleep(0.005)
    yield 0, None


@together
def remember_checkpoint(batch: Batch) -> Iterator[tuple[int, Any]]:
    """Counts in its checkpoint how often it began."""
    for _, trial in batch:
        count = trial.checkpoint_dir / "count"
        count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1))
    near(batch[0][1], "begun").touch()
    while not near(batch[0][1], "go").exists():
        time.sleep(0.01)
    for _, trial in batch:
        yield trial.number, float((trial.checkpoint_dir / "count").read_text())
