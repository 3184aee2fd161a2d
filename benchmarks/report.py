"""RESULTS.md: a section for each benchmark; running one renews its section and leaves the others."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from benchmarks.environments import ROOT

PATH = ROOT / "benchmarks" / "RESULTS.md"
HEAD = """# Results

Written by `make bench`. The tools of a table were measured in one run, one after another, on one machine.
"""


def renew(sections: Mapping[str, str], order: Iterable[str]) -> None:
    """Put the sections (title -> Markdown) in the place of those of the same titles; those of the titles that are not
    in `order` are dropped."""
    kept = {**read_sections(), **sections}
    texts = [f"## {title}\n\n{kept[title].strip()}\n" for title in order if title in kept]
    PATH.write_text("\n".join([HEAD, *texts]))


def read_sections() -> dict[str, str]:
    """The sections of the file by title."""
    text = PATH.read_text() if PATH.exists() else ""
    _, *pieces = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def describe_run(name: str) -> str:
    """The command of a section, and what it was run on."""
    commit = _git("rev-parse", "--short", "HEAD") or "no commit"
    if _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/RESULTS.md"):
        commit += ", changed"
    return (
        f"`python -m benchmarks {name}`: hypersweep {version('hypersweep')} ({commit}), "
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores ({platform.machine()}), "
        f"load average {os.getloadavg()[0]:.1f} before the run: what it measures counts where that is near 0."
    )


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def format_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
