"""What a trial costs besides the training: no-op trials per second, beside Optuna, RecBole and Ray Tune."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import ROOT, find_python


@dataclass(frozen=True)
class Measurement:
    """One tool's run: how many trials it was asked for, how long it took, how many distinct points it tried."""

    name: str
    num_trials: int
    seconds: float
    num_distinct: int

    @property
    def rate(self) -> float:
        """Trials per second."""
        return self.num_distinct / self.seconds


def noop(params: dict[str, int]) -> float:
    """The runner of all measurements."""
    return 0.5


def measure_hypersweep(num_trials: int, pool: str) -> Measurement:
    """Set-up, trials and closing of a sweep, every finish committed before it counts."""
    from hypersweep import Choice, Space, sweep

    space = Space([Choice("a", tuple(range(num_trials // 10))), Choice("b", tuple(range(10)))])
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        study = sweep(space, runner="benchmarks.engine:noop", pool=pool, out=folder)
        seconds = time.perf_counter() - started
        distinct = len({tuple(recorded.trial.params.items()) for recorded in study.trials("finished")})
        study.close()
    return Measurement(f"hypersweep, pool {pool}", num_trials, seconds, distinct)


def measure_peer(name: str, peer: str, script: str, num_trials: int) -> Measurement:
    done = subprocess.run(
        [find_python(peer), ROOT / "benchmarks" / "peers" / script, str(num_trials)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return Measurement(name, told["trials"], told["seconds"], told["distinct"])


def measure() -> list[Measurement]:
    """hypersweep and its peers in turn."""
    return [
        measure_hypersweep(10_000, "inline"),
        measure_hypersweep(500, "local"),
        measure_peer("Optuna 5.0.0, SQLite, grid sampler", "optuna", "optuna_grid.py", 1_000),
        measure_peer("RecBole 1.2.1, exhaustive", "recbole", "recbole_exhaustive.py", 2_000),
        measure_peer("Ray Tune 2.60.0, grid", "ray", "ray_tune.py", 40),
    ]


def tabulate(measurements: list[Measurement]) -> str:
    """A Markdown table; the ratios are to the first row."""
    lines = ["| tool | trials | points tried | trials/s | hypersweep inline is |", "|---|---|---|---|---|"]
    for measurement in measurements:
        ratio = measurements[0].rate / measurement.rate
        lines.append(
            f"| {measurement.name} | {measurement.num_trials:,} | {measurement.num_distinct:,} "
            f"| {measurement.rate:,.1f} | {ratio:,.1f} × |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    print(tabulate(measure()))
