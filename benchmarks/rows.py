"""Preparing a file of 50 million interactions. `python -m benchmarks.rows FILE` prepares one and tells what it took."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.environments import ROOT
from benchmarks.report import format_table

TITLE = "Preparing 50 million rows"
TEXT = """\
A tab-separated `.inter` file of {rows:,} rows ({gib:.1f} GiB): {users:,} users and {items:,} items drawn with a long
tail, ratings 1 … 5. Kept are ratings of 3 and more, then users and items with ten and more, as often as it takes; the
rest is ordered by user and time. `memory` is the peak of the process.
"""
ROWS, USERS, ITEMS = 50_000_000, 1_000_000, 200_000
CHUNK = 5_000_000
SETTINGS = {
    "val_interval": {"rating": "[3,inf)"},
    "user_inter_num_interval": "[10,inf)",
    "item_inter_num_interval": "[10,inf)",
}


def measure_section() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.inter"
        write_rows(path)
        gib = path.stat().st_size / 2**30
        command = [sys.executable, "-m", "benchmarks.rows", path]
        env = {**os.environ, "HYPERSWEEP_CACHE": folder}
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
    rows = [["time", "", f"{told['seconds']:.0f} s"], ["memory", "24 GiB", f"{told['peak_gib']:.1f} GiB"]]
    text = TEXT.format(rows=ROWS, gib=gib, users=USERS, items=ITEMS)
    return f"{text}\n{format_table(['measure', 'at most', 'measured'], rows)}"


def write_rows(path: Path) -> None:
    """Numbers are drawn by a power of a uniform one: small ones often, large ones seldom."""
    random = np.random.default_rng(2020)
    with open(path, "wb") as file:
        for start in range(0, ROWS, CHUNK):
            columns = {
                "user_id:token": (random.random(CHUNK) ** 2 * USERS).astype(np.int64),
                "item_id:token": (random.random(CHUNK) ** 3 * ITEMS).astype(np.int64),
                "rating:float": random.integers(1, 6, CHUNK),
                "timestamp:float": random.integers(1_400_000_000, 1_600_000_000, CHUNK),
            }
            pl.DataFrame(columns).write_csv(file, separator="\t", include_header=start == 0)


def measure(path: Path) -> dict[str, float]:
    from hypersweep.recommend import prepare

    begun = time.perf_counter()
    prepare({**SETTINGS, "dataset": str(path)})
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": time.perf_counter() - begun, "peak_gib": peak_gib}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
