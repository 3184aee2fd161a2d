"""`make bench` runs every benchmark, `python -m benchmarks engine …` those named, and renews their sections of
RESULTS.md.

A benchmark is a module of this folder with a `TITLE` and a function `measure_section()`, which runs it and gives the
Markdown below that title.
"""

from __future__ import annotations

import importlib
import sys

from benchmarks import report

NAMES = ("engine", "million", "cluster", "search", "pruning", "quality", "rows", "recommend", "gpu")


def main() -> None:
    chosen = sys.argv[1:] or NAMES
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; expected some of {', '.join(NAMES)}")
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in NAMES}
    for name in chosen:
        text = f"{report.describe_run(name)}\n\n{modules[name].measure_section()}"
        report.renew({modules[name].TITLE: text}, order=[module.TITLE for module in modules.values()])
        print(f"## {modules[name].TITLE}\n\n{text}\n")


main()
