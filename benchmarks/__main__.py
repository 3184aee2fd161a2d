"""`make bench`: runs every benchmark and writes RESULTS.md."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from benchmarks import engine
from benchmarks.environments import ROOT

HEAD = """# Results

Written by `make bench`. Each table was measured in one run, tool after tool, on one machine:
{machine}.

## What a trial costs besides the training

No-op trials. hypersweep commits every finish before it counts it; `inline` runs them in the controller, `local` in a
process each. Optuna stores to SQLite as well, RecBole only at the very end, Ray Tune in processes.

"""


def main() -> None:
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}, "
        f"hypersweep {version('hypersweep')}"
    )
    text = HEAD.format(machine=machine) + engine.tabulate(engine.measure()) + "\n"
    (ROOT / "benchmarks" / "RESULTS.md").write_text(text)
    print(text)


main()
