"""hypersweep trials"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from hypersweep.cli.options import PATH
from hypersweep.cli.wording import count_repeats
from hypersweep.recorded import RecordedTrial, as_row
from hypersweep.resultlog import spread_as_json
from hypersweep.study import Study

STATES = ("running", "finished", "failed", "pruned", "interrupted")


@click.command("trials")
@PATH
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Only the N best, best first.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--curve", type=int, metavar="N", help="Instead, what trial N has reported, step by step.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "is_csv", is_flag=True, help="Print comma-separated values.")
def command(path: str, top: int | None, state: str | None, curve: int | None, is_json: bool, is_csv: bool) -> None:
    """Print the trials that have been started.

    PATH is the .sweep folder, a folder that holds one, or the .test file; the current folder if not given.
    """
    if top and state not in (None, "finished"):
        raise click.UsageError(f"--top ranks finished trials, got --state {state}; drop one of the two")
    if curve is not None and (top or state):
        option = "--top" if top else "--state"
        raise click.UsageError(f"--curve is of one trial, got {option} with it; drop one of the two")
    if is_json and is_csv:
        raise click.UsageError("--json and --csv: both are given; drop one of the two")
    with Study(path) as study:
        if curve is not None:
            return _show_curve(study, curve, is_json=is_json, is_csv=is_csv)
        recorded = study.top(top) if top else list(study.trials(state))
        listing = Listing(study, recorded, is_ranking=top is not None)
        if is_json:
            click.echo(json.dumps(listing.as_json()))
        elif is_csv:
            _write_csv(*_tabulate(listing))
        else:
            _print_table(listing)


class Listing:
    """Trials as rows; where combinations have repeats, each with what came of its combination."""

    def __init__(self, study: Study, recorded: list[RecordedTrial], *, is_ranking: bool) -> None:
        """`is_ranking`: they are combinations."""
        self.study = study
        self.recorded = recorded
        self.is_ranking = is_ranking
        self.wholes: dict[int, RecordedTrial] = {}
        if study.repeats > 1:
            wholes = recorded if is_ranking else filter(None, map(study.combine, study.grouped()))
            self.wholes = {self._point_of(whole): whole for whole in wholes}

    def _point_of(self, recorded: RecordedTrial) -> int:
        return recorded.trial.number // self.study.repeats

    def as_json(self) -> list[dict[str, Any]]:
        failures = self.study.failures()
        return [
            {**_trial_as_json(trial, failures.get(trial.trial.number, [])), **self._tell_repeat_as_json(trial)}
            for trial in self.recorded
        ]

    def as_rows(self) -> list[dict[str, Any]]:
        return [{**as_row(trial, self.study.space.names), **self._tell_repeat(trial)} for trial in self.recorded]

    def _tell_repeat_as_json(self, recorded: RecordedTrial) -> dict[str, Any]:
        if self.study.repeats == 1:
            return {}
        whole = self.wholes.get(self._point_of(recorded))
        mean = _finite(whole.result.score) if whole and whole.result else None
        spread = spread_as_json(whole.spread) if whole and whole.spread else None
        repeat = None if self.is_ranking else recorded.trial.repeat
        return {"combination": self._point_of(recorded), "repeat": repeat, "mean": mean, "spread": spread}

    def _tell_repeat(self, recorded: RecordedTrial) -> dict[str, Any]:
        """As columns: the combination's mean score, its standard deviation, and how many of its repeats finished."""
        if self.study.repeats == 1:
            return {}
        whole = self.wholes.get(self._point_of(recorded))
        return {
            "combination": self._point_of(recorded),
            "repeat": None if self.is_ranking else recorded.trial.repeat,
            "mean": whole.result.score if whole and whole.result else None,
            "std": whole.spread.score if whole and whole.spread else None,
            "repeats": count_repeats(whole.spread) if whole and whole.spread else None,
        }


def _trial_as_json(recorded: RecordedTrial, failures: list[tuple[int, str]]) -> dict[str, Any]:
    trial, result = recorded.trial, recorded.result
    return {
        "number": trial.number,
        "state": recorded.state,
        "params": dict(trial.params),
        "score": _finite(result.score) if result else None,
        "valid": {name: _finite(value) for name, value in result.valid.items()} if result else {},
        "test": {name: _finite(value) for name, value in result.test.items()} if result else {},
        "attempt": trial.attempt,
        "seed": trial.seed,
        "step": recorded.step,
        "started_at": recorded.started_at,
        "ended_at": recorded.ended_at,
        "duration_s": recorded.duration_s,
        "error": recorded.error,
        "failures": [{"attempt": attempt, "error": error} for attempt, error in failures],
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None


def _tabulate(listing: Listing) -> tuple[list[str], list[list[Any]]]:
    """The names of all columns, and the rows; None where a row lacks a column."""
    rows = listing.as_rows()
    leading = dict.fromkeys([*_LEADING, *(name for row in rows for name in row if name not in _TRAILING)])
    names = [*leading, *_TRAILING]
    return names, [[row.get(name) for name in names] for row in rows]


_LEADING = ("number", "state")
_TRAILING = ("attempt", "seed", "duration_s", "error")


def _show_curve(study: Study, number: int, *, is_json: bool, is_csv: bool) -> None:
    """The steps that a trial has reported, each with its metrics; in words before, why it has failed or was pruned."""
    recorded = study.started(number)
    curve = [(step, metrics) for _, step, metrics in study.reports(number)]
    if is_json:
        finite = [(step, {name: _finite(value) for name, value in metrics.items()}) for step, metrics in curve]
        click.echo(json.dumps([{"step": step, "metrics": metrics} for step, metrics in finite]))
        return
    names = list(dict.fromkeys(name for _, metrics in curve for name in metrics))
    rows = [[step, *(metrics.get(name) for name in names)] for step, metrics in curve]
    if is_csv:
        _write_csv(["step", *names], rows)
        return
    reason = f": {recorded.error}" if recorded.error else ""
    click.echo(f"trial {number}: {recorded.state}{reason}", err=True)
    if rows:
        _print_columns(["step", *names], rows, may_drop=lambda name: name != "step")
    else:
        click.echo(f"trial {number} has reported nothing", err=True)


def _write_csv(names: list[str], rows: list[list[Any]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows([names, *rows])


def _print_table(listing: Listing) -> None:
    if not listing.recorded:
        click.echo(f"{listing.study.place.folder}: no such trials", err=True)
        return
    names, rows = _tabulate(listing)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    hidden = {"seed", *(["attempt"] if set(columns["attempt"]) == {1} else [])}
    shown = {name: cells for name, cells in columns.items() if name not in hidden and set(cells) != {None}}
    cells = list(zip(*shown.values(), strict=True))
    _print_columns(list(shown), cells, may_drop=lambda name: name.startswith(("valid ", "test ", "duration_s")))


def _print_columns(names: Sequence[str], rows: Sequence[Sequence[Any]], *, may_drop: Callable[[str], bool]) -> None:
    from hypersweep.cli.console import print_table

    left_out = print_table(names, [[_shown(value) for value in row] for row in rows], may_drop=may_drop)
    if left_out:
        click.echo(f"too wide for this terminal are {', '.join(left_out)}; all columns: --csv", err=True)


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
