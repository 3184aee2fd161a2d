"""What stopping trials early saves and what it costs: recorded curves replayed through hypersweep, Optuna, Ray Tune."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.curves import METRIC, read_curves
from benchmarks.environments import ROOT, find_python
from benchmarks.replay import NUM_ORDERS, WORKERS, Spent, measure
from benchmarks.report import format_table
from hypersweep.pruning import Curves, make_pruner

TITLE = "What pruning saves"
TEXT = """\
{num_curves} combinations of LightSANs on the generated `sample` data, each trained for {num_epochs} epochs
(`benchmarks/curves.json`, which `python -m benchmarks.curves` records), are replayed through each tool's own rule in
{num_orders} random orders, with workers that take the next trial as soon as one ends; the orders and how long each
trial's epochs take are the same for all. A cell says: the epochs spent, of those without pruning / how much the best
{metric} of the trials that were not stopped is below the best of all, {best:.4f}, in the mean / how often that is
within noise, the standard deviation of the best combination over {num_seeds} seeds, {noise:.4f}. The first rung is
step 1. A decision counts at the report at which it is made. A trial of hypersweep hears of it at its next one, since
none ever waits; the row `with the epoch until then` counts that, too. Ray Tune's scheduler is called by itself, as
Tune's loop does.
"""
RULES: Mapping[str, Callable[[random.Random], Sweep]] = {
    "median": lambda _: Sweep("median", 3),
    "asha, factor 3": lambda _: Sweep("asha", 3),
    "asha, factor 3, with the epoch until then": lambda _: Sweep("asha", 3, is_heard_later=True),
    "asha, factor 4": lambda _: Sweep("asha", 4),
    "hyperband, factor 3": lambda _: Sweep("hyperband", 3),
}


class Sweep:
    """One sweep's decisions by a pruner of hypersweep."""

    def __init__(self, name: str, reduction_factor: int, *, is_heard_later: bool = False) -> None:
        self.pruner = make_pruner(name, min_steps=1, reduction_factor=reduction_factor)
        self.curves = Curves(self.pruner.group_of)
        self.is_heard_later = is_heard_later
        self.stopped: set[int] = set()

    def report(self, number: int, step: int, score: float) -> bool:
        self.curves.add(number, step, score)
        if number in self.stopped:
            return True
        if self.pruner.decide(self.curves, number) is None:
            return False
        self.stopped.add(number)
        return not self.is_heard_later

    def finish(self, number: int) -> None:
        self.curves.finish(number)


def measure_section() -> str:
    """A table of all rules."""
    grid, seeds = read_curves()
    text = TEXT.format(
        num_curves=len(grid),
        num_epochs=len(grid[0].scores),
        num_orders=NUM_ORDERS,
        metric=METRIC,
        best=max(max(curve.scores) for curve in grid),
        num_seeds=len(seeds),
        noise=statistics.stdev(max(curve.scores) for curve in seeds),
    )
    rows = [*measure_own(), *measure_peer("Optuna 5.0.0", "optuna"), *measure_peer("Ray Tune 2.60.0", "ray")]
    names = ["rule", *(f"{num_workers} worker{'s' * (num_workers > 1)}" for num_workers in WORKERS)]
    return f"{text}\n{format_table(names, rows)}"


def measure_own() -> Iterator[Sequence[str]]:
    for rule, make_sweep in RULES.items():
        yield [f"hypersweep, {rule}", *map(str, measure(make_sweep))]


def measure_peer(name: str, peer: str) -> Iterator[Sequence[str]]:
    done = subprocess.run(
        [find_python(peer), ROOT / "benchmarks" / "peers" / f"{peer}_pruning.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    for rule, measured in json.loads(done.stdout.splitlines()[-1]).items():
        yield [f"{name}, {rule}", *(str(Spent(**spent)) for spent in measured)]
