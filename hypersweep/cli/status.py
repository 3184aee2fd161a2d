"""hypersweep status"""

from __future__ import annotations

import json
import time
from typing import Any

import click

from hypersweep.budget import is_bound
from hypersweep.certificate import certify
from hypersweep.cli.options import PATH
from hypersweep.cli.wording import format_params, format_score, format_seconds, list_failures, name_trials
from hypersweep.place import as_word
from hypersweep.study import Study
from hypersweep.sweeprecord import UNCHOSEN

MAX_LINES = 10


@click.command("status")
@PATH
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(path: str, is_json: bool) -> None:
    """Print counts by state, running trials, failures and the time left.

    PATH is the .sweep folder, a folder that holds one, or the .test file; the current folder if not given.
    """
    with Study(path) as study:
        click.echo(json.dumps(_as_json(study)) if is_json else "\n".join(_as_lines(study)))


def _as_json(study: Study) -> dict[str, Any]:
    from hypersweep.resultlog import best_as_json

    best = study.best()
    return {
        "counts": study.counts(),
        "certificate": certify(study).as_json(),
        "grid_size": study.space.grid_size,
        "repeats": study.repeats,
        "best": best_as_json(best.trial.params, best.result, best.spread) if best and best.result else None,
        "failures": [
            {"number": failed.trial.number, "params": dict(failed.trial.params), "error": failed.error}
            for failed in study.trials("failed")
        ],
        "pruned": [
            {"number": one.trial.number, "params": dict(one.trial.params), "step": one.step, "reason": one.error}
            for one in study.trials("pruned")
        ],
    }


def _as_lines(study: Study) -> list[str]:
    counts = study.counts()
    state = "running" if study.is_running else "finished" if counts["waiting"] == 0 else "stopped"
    lines = [f"{study.place.folder}: {state}, {study.tell_counts()}, after {format_seconds(study.elapsed_s())}"]
    lines.append(certify(study).tell())
    if study.is_running:
        lines += _list_running(study, counts)
    best = study.best()
    if best and best.result:
        where, score = name_trials(best.trial.number, study.repeats), format_score(best.result, best.spread)
        lines.append(f"best: {where}, {score}, {format_params(best.trial.params)}")
    failures = [(failed.trial.number, failed.error or "") for failed in study.trials("failed")]
    lines += list_failures(failures, study.place, MAX_LINES)
    if counts["pruned"]:
        lines.append(f"why trials were pruned: hypersweep trials {as_word(study.place.folder)} --state pruned")
    if state == "stopped":
        lines.append(_tell_way_on(study))
    return lines


def _tell_way_on(study: Study) -> str:
    reason, folder = study.end_reason, as_word(study.place.folder)
    if reason is not None and is_bound(reason):
        return f"go on with a larger bound: hypersweep resume {folder} {reason.split()[0]} …"
    score = " --metric NAME" if reason == UNCHOSEN else ""
    return f"go on with: hypersweep resume {folder}{score}"


def _list_running(study: Study, counts: dict[str, int | None]) -> list[str]:
    lines = []
    for recorded in study.trials("running"):
        report = study.last_report(recorded.trial.number)
        told = f", step {report[0]}, {format_params(report[1])}" if report else ""
        since = format_seconds(time.time() - (recorded.started_at or 0))
        lines.append(
            f"running: trial {recorded.trial.number} for {since}{told}, {format_params(recorded.trial.params)}"
        )
    mean_s, waiting = study.mean_duration_s(), counts["waiting"]
    if mean_s is not None and waiting is not None:
        lines.append(f"about {format_seconds(mean_s * (waiting + len(lines) / 2) / max(1, len(lines)))} left")
    return lines
