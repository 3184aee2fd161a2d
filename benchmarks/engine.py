"""What a trial costs besides the training: no-op trials, beside bare SQLite, Optuna, RecBole and Ray Tune."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass

from benchmarks.bare_sqlite import measure_bare_sqlite
from benchmarks.environments import ROOT, find_python
from benchmarks.report import format_table

TITLE = "What a trial costs besides the training"
TEXT = """\
No-op trials. hypersweep commits every finish before it counts it; `inline` runs them in the controller, `local` in a
process each. Bare SQLite writes the same rows in the same transactions and nothing else. Optuna stores to SQLite as
well, RecBole only at the very end, Ray Tune in processes. A sweep is timed from the call to its return.
"""

GRID_WIDTH = 8  # divides every number of trials here


@dataclass(frozen=True)
class Measurement:
    """A run: how many trials it was asked for, how long it took, how many distinct points it tried."""

    name: str
    num_trials: int
    seconds: float
    num_distinct: int

    @property
    def rate(self) -> float:
        """Trials per second."""
        return self.num_distinct / self.seconds


def measure_sweep(name: str, num_trials: int, runner: str, **options: int | str) -> Measurement:
    """Set-up, trials and closing of a sweep over a grid of two parameters."""
    from hypersweep import Choice, Space, sweep

    space = Space([Choice("a", tuple(range(num_trials // GRID_WIDTH))), Choice("b", tuple(range(GRID_WIDTH)))])
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        study = sweep(space, runner=f"benchmarks.{runner}", out=folder, **options)
        seconds = time.perf_counter() - started
        distinct = len({tuple(recorded.trial.params.items()) for recorded in study.trials()})
        study.close()
    return Measurement(name, num_trials, seconds, distinct)


def measure_each(runner: str, num_trials: int) -> float:
    """Seconds per trial in a process of its own, from the start of the first one to the end of the last."""
    from hypersweep import Choice, Space, sweep
    from hypersweep.events import Event, TrialEnded, TrialStarted

    times: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, (TrialStarted, TrialEnded)):
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        space = Space([Choice("a", tuple(range(num_trials)))])
        sweep(space, runner=f"benchmarks.{runner}", out=folder, on_event=note).close()
    return (times[-1] - times[0]) / num_trials


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


def measure_section() -> str:
    """A table of the rates, and one of the goals."""
    inline = measure_sweep("hypersweep, pool inline", 10_000, "noop:finish", pool="inline")
    bare = Measurement("bare SQLite, the same rows", 10_000, 10_000 / measure_bare_sqlite(10_000), 10_000)
    each_s = measure_each("noop_torch:finish", 500)
    each = Measurement("hypersweep, a process with torch each", 500, 500 * each_s, 500)
    waiting = measure_sweep("64 trials of 1 s, 2 workers", 64, "noop:wait", workers=2)
    optuna = measure_peer("Optuna 5.0.0, SQLite, grid sampler", "optuna", "optuna_grid.py", 1_000)
    recbole = measure_peer("RecBole 1.2.1, exhaustive", "recbole", "recbole_exhaustive.py", 2_000)
    ray = measure_peer("Ray Tune 2.60.0, grid", "ray", "ray_tune.py", 40)
    others = [
        measure_sweep("hypersweep, pool inline, all fail", 10_000, "noop:fail", pool="inline"),
        measure_sweep("hypersweep, pool inline, all pruned", 10_000, "noop:prune", pool="inline"),
    ]
    goals = [
        ("inline / bare SQLite", "0.25", f"{inline.rate / bare.rate:.2f}"),
        ("inline / Optuna", "100", f"{inline.rate / optuna.rate:,.0f}"),
        ("inline / RecBole", "10", f"{inline.rate / recbole.rate:,.0f}"),
        ("a process with torch per trial", "at most 15 ms", f"{1000 * each_s:.1f} ms"),
        ("a process with torch each / Ray Tune", "50", f"{each.rate / ray.rate:,.0f}"),
        ("trials of 1 s on 2 workers, of the ideal", "97 %", f"{50 * waiting.rate:.1f} %"),
    ]
    rows = [
        [one.name, f"{one.num_trials:,}", f"{one.num_distinct:,}", f"{one.rate:,.1f}"]
        for one in (inline, *others, bare, each, optuna, recbole, ray)
    ]
    rates = format_table(["tool", "trials", "points tried", "trials/s"], rows)
    return f"{TEXT}\n{rates}\n\n{format_table(['measure', 'at least', 'measured'], goals)}"
