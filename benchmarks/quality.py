"""How good the built-in models get: trained to early stopping, beside RecBole's own results on the same protocol.

The protocol and RecBole's results stand in `hyper_tests/golden/quality_ml-100k.json`. The trials are a sweep of
hypersweep in `build/quality/COMMIT`, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence

from benchmarks.environments import ROOT
from benchmarks.report import format_table
from hypersweep import Choice, Space, Study, sweep
from hypersweep.events import Event, TrialEnded, TrialReported

TITLE = "How good the models get"
GOLDEN = json.loads((ROOT / "hyper_tests" / "golden" / "quality_ml-100k.json").read_text())
METRIC = "ndcg@10"
MIN_ALLOWED = 0.004

TEXT = """\
MovieLens-100K, histories of 10 items, three seeds a model, trained to early stopping, everything else by default; the
numbers of RecBole are its own on the same protocol (`hyper_tests/golden/quality_ml-100k.json`). Means and standard
deviations over the seeds. A difference below zero is noise as long as it is smaller than what is allowed: twice its
standard error, or 0.004, whichever is more.
"""


def measure_section() -> str:
    study = run_sweep()
    with study:
        ours = [(recorded.trial.params["model"], recorded.result) for recorded in study.trials("finished")]
    runs: dict[tuple[str, str], list[float]] = {}
    for model, result in ours:
        for split, metrics in (("valid", result.valid), ("test", result.test)):
            runs.setdefault((str(model), split), []).append(metrics[METRIC])
    names = ["model", METRIC, "RecBole 1.2.1", "hypersweep", "difference", "allowed", "not worse"]
    return f"{TEXT}\n{format_table(names, compare(runs))}"


def run_sweep() -> Study:
    """One trial a model and seed, to the end."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    folder = ROOT / "build" / "quality" / commit
    folder.mkdir(parents=True, exist_ok=True)
    return sweep(
        Space([Choice("model", tuple(models())), Choice("seed", tuple(seeds()))]),
        runner="recommend",
        settings={"dataset": "ml-100k", **GOLDEN["protocol"]["settings"]},
        threads=1,
        workers=os.cpu_count(),
        out=folder,
        if_exists="resume",
        on_event=tell,
    )


def models() -> list[str]:
    return list(dict.fromkeys(run["model"] for run in GOLDEN["runs"]))


def seeds() -> list[int]:
    return list(dict.fromkeys(run["seed"] for run in GOLDEN["runs"]))


def tell(event: Event) -> None:
    if isinstance(event, TrialReported):
        told = f"epoch {event.step}, {METRIC} {event.metrics[METRIC]}"
    elif isinstance(event, TrialEnded):
        told = f"{type(event.outcome).__name__.lower()} after {event.duration_s:.0f} s"
    else:
        return
    print(f"{event.trial.params['model']}, seed {event.trial.seed}: {told}", file=sys.stderr)


def compare(ours: dict[tuple[str, str], list[float]]) -> Iterator[Sequence[str]]:
    """A row for each model and split."""
    for model in models():
        for split, name in (("valid", "best_valid_result"), ("test", "test_result")):
            theirs = [run[name][METRIC] for run in GOLDEN["runs"] if run["model"] == model]
            yield [model, split, *judge(theirs, ours[model, split])]


def judge(theirs: Sequence[float], ours: Sequence[float]) -> Sequence[str]:
    """The two means, their difference, what is allowed, and whether ours is not worse by more than that."""
    difference = statistics.fmean(ours) - statistics.fmean(theirs)
    variances = [statistics.variance(values) / len(values) for values in (theirs, ours)]
    allowed = max(2 * sum(variances) ** 0.5, MIN_ALLOWED)
    verdict = "yes" if difference >= -allowed else "**no**"
    return [describe(theirs), describe(ours), f"{difference:+.4f}", f"{allowed:.4f}", verdict]


def describe(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"
