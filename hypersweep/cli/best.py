"""hypersweep best"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hypersweep.cli.options import PATH, SCORE, GroupedCommand
from hypersweep.errors import SelectionError, StoreError
from hypersweep.place import as_word
from hypersweep.spacefile import SUFFIXES
from hypersweep.trial import Params, Result

if TYPE_CHECKING:
    from hypersweep.recorded import RecordedTrial
    from hypersweep.repeats import Spread
    from hypersweep.selection import Objective
    from hypersweep.study import Study


@click.command("best", cls=GroupedCommand)
@PATH
@SCORE
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(path: str, metric: str | None, mode: Any, is_json: bool) -> None:
    """Print the best params and result of a sweep, or of any hyper.result.

    PATH is the .sweep folder, a folder that holds one, the .test file or a hyper.result; the current folder if not
    given.
    """
    from hypersweep.resultlog import best_as_json, format_best

    is_log = Path(path).is_file() and Path(path).suffix not in SUFFIXES
    best = (*_best_of_log(path, metric, mode), None) if is_log else _best_of_sweep(path, metric, mode)
    click.echo(json.dumps(best_as_json(*best)) if is_json else format_best(*best))


def _best_of_log(path: str, metric: str | None, mode: Any) -> tuple[Params, Result]:
    from hypersweep.resultlog import read_log
    from hypersweep.selection import Objective, best_of, choose_log_metric

    logged = read_log(path)
    if not logged:
        raise SelectionError(f"{path}: holds no trial; expected at least one. Check that it is the right file")
    objective = Objective(choose_log_metric((block.result for block in logged), metric), mode)
    best = best_of((block, objective.judge(block.result)) for block in logged)
    if best is None:
        raise SelectionError(
            f"{path}: {objective.metric} is nan in every trial; expected a number. Name another --metric"
        )
    return best[0].params, best[1]


def _best_of_sweep(path: str, metric: str | None, mode: Any) -> tuple[Params, Result, Spread | None]:
    from hypersweep.selection import Objective

    with _open_study(path) as study:
        for _, result in islice(study.results(only_unscored=False), 1):
            Objective(metric).refuse_test(result)
            if result.test and study.is_sealed:
                click.echo("test metrics are sealed until the sweep has ended", err=True)
        if metric is None and mode is None:
            best = study.best()
        else:
            best = _find_best(study, Objective(metric or study.objective.metric, mode or study.objective.mode))
        if best is None or best.result is None:
            for _, result in study.results(only_unscored=True):
                study.objective.judge(result)  # raises where nobody has said which of its metrics is the score
            raise SelectionError(
                f"{study.place.folder}: no trial has finished with a score, got {study.tell_counts()}; expected one. "
                f"See what happened: hypersweep status {as_word(study.place.folder)}"
            )
    return best.trial.params, best.result, best.spread


def _find_best(study: Study, objective: Objective) -> RecordedTrial | None:
    """The best by another score than that of the sweep."""
    from hypersweep.selection import best_of

    def judge(recorded: RecordedTrial) -> RecordedTrial:
        return recorded if recorded.result is None else replace(recorded, result=objective.judge(recorded.result))

    wholes = (study.combine([judge(recorded) for recorded in trials]) for trials in study.grouped())
    found = best_of((whole, whole.result) for whole in wholes if whole is not None and whole.result is not None)
    return found and found[0]


def _open_study(path: str) -> Study:
    from hypersweep.study import Study

    try:
        return Study(path)
    except StoreError as error:
        logs = sorted(Path(path).glob("*.result")) if Path(path).is_dir() else []
        if len(logs) == 1:
            raise StoreError(f"{error}; a bare log is there: hypersweep best {as_word(logs[0])}") from error
        raise
