"""What a trial costs besides the training: no-op trials per second, beside Optuna, RecBole and Ray Tune."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass

from benchmarks.environments import ROOT, find_python
from benchmarks.report import format_table

TITLE = "What a trial costs besides the training"
TEXT = """\
No-op trials. hypersweep commits every finish before it counts it; `inline` runs them in the controller, `local` in a
process each. Optuna stores to SQLite as well, RecBole only at the very end, Ray Tune in processes.
"""


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


def measure_section() -> str:
    """The ratios are to the first row."""
    measurements = measure()
    rows = [
        [
            one.name,
            f"{one.num_trials:,}",
            f"{one.num_distinct:,}",
            f"{one.rate:,.1f}",
            f"{measurements[0].rate / one.rate:,.1f} ×",
        ]
        for one in measurements
    ]
    names = ["tool", "trials", "points tried", "trials/s", "hypersweep inline is"]
    return f"{TEXT}\n{format_table(names, rows)}"
