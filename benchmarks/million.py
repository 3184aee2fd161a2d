"""A sweep of a million trials: how fast, how much memory, how soon it goes on, how soon it answers.

`python -m benchmarks.million run FOLDER SIDE` and `… resume FOLDER` are its parts, in processes of their own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.report import format_table

TITLE = "A million trials"
TEXT = """\
No-op trials, pool inline, interrupted when SIDE × SIDE of SIDE × (SIDE + 1) have finished. The same for 10,000 and
1,000,000. Memory is the controller's peak; a resume is timed from the command to the start of the first new trial.
"""


def run(folder: str, side: int) -> None:
    """Run trials until so many have finished, and print how long that took."""
    from hypersweep import Choice, Space, SweepInterrupted, sweep

    space = Space([Choice("a", tuple(range(side + 1))), Choice("b", tuple(range(side)))])
    started = time.perf_counter()
    try:
        sweep(
            space,
            runner="benchmarks.noop:score_and_stop",
            settings={"stop_after": side * side},
            pool="inline",
            out=folder,
        )
    except SweepInterrupted:
        seconds = time.perf_counter() - started
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(json.dumps({"seconds": seconds, "memory_mib": memory_mib}))


def go_on(folder: str) -> None:
    """Resume the sweep until its first trial starts; print when that was."""
    from hypersweep import resume
    from hypersweep.events import Event, TrialStarted

    def note(event: Event) -> None:
        if isinstance(event, TrialStarted):
            print(json.dumps({"at": time.time()}), flush=True)
            os._exit(0)

    resume(folder, on_event=note)


def measure_section() -> str:
    """A table of the goals."""
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        small, large = _part("run", few, "100"), _part("run", many, "1000")
        small_rate, large_rate = 1e4 / small["seconds"], 1e6 / large["seconds"]
        best_s, status_s = (_time_command(name, many) for name in ("best", "status"))
        started_at = time.time()
        resume_s = _part("resume", many)["at"] - started_at
    rows = [
        ("trials/s at 10,000", "", f"{small_rate:,.0f}"),
        ("trials/s at 1,000,000", "80 % of that", f"{large_rate:,.0f} ({100 * large_rate / small_rate:.0f} %)"),
        ("peak memory of the controller", "below 400 MiB", f"{large['memory_mib']:.0f} MiB"),
        ("resume until the first new trial starts", "at most 5 s", f"{resume_s:.1f} s"),
        ("hypersweep best", "at most 1 s", f"{best_s:.2f} s"),
        ("hypersweep status", "at most 1 s", f"{status_s:.2f} s"),
    ]
    return f"{TEXT}\n{format_table(['measure', 'goal', 'measured'], rows)}"


def _part(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.million", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _time_command(name: str, folder: str) -> float:
    """Seconds of the whole command, the best of three."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "hypersweep", name, Path(folder)], stdout=subprocess.PIPE, check=True)
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2], int(sys.argv[3]))
    else:
        go_on(sys.argv[2])
