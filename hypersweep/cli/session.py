"""What `run` and `resume` have in common: show the sweep while it runs, then its end."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from hypersweep.certificate import certify
from hypersweep.cli.wording import format_params, list_failures
from hypersweep.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_TRIALS_FAILED
from hypersweep.events import OnEvent
from hypersweep.interrupt import InterruptGuard, raise_interrupt
from hypersweep.place import as_word
from hypersweep.resultlog import format_best, format_meter
from hypersweep.session import SweepInterrupted
from hypersweep.study import Study

MAX_LINES = 20


def show_session(start: Callable[[OnEvent], Study]) -> int:
    """Run a sweep with its progress on stderr and its closing block on stdout; gives the exit code."""
    from hypersweep.cli.console import open_console

    try:
        with InterruptGuard(raise_interrupt), open_console() as on_event:  # for the set-up; the loop has its own
            study = start(on_event)
    except SweepInterrupted as interruption:
        with Study(interruption.place) as study:
            counts, folder = study.tell_counts(), study.place.folder
        click.echo(
            f"interrupted: saved in {folder}: {counts}; go on with: hypersweep resume {as_word(folder)}",
            err=True,
        )
        return EXIT_INTERRUPTED
    with study:
        return _conclude(study)


def _conclude(study: Study) -> int:
    """Print the certificate, every failure, and the closing block."""
    counts, best, certificate = study.counts(), study.best(), certify(study)
    click.echo(certificate.tell(), err=True)
    failures = [(failed.trial.number, failed.error or "") for failed in study.trials("failed")]
    for line in list_failures(failures, study.place, MAX_LINES):
        click.echo(line, err=True)
    for trial in study.unscored(MAX_LINES):
        click.echo(f"nan: trial {trial.number} has no score that is a number: {format_params(trial.params)}", err=True)
    if best is None or best.result is None:
        click.echo(f"no trial of {study.place.folder} has finished with a score that is a number", err=True)
        return EXIT_TRIALS_FAILED
    is_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
    click.echo(
        format_meter(
            (counts["finished"] or 0) + (counts["pruned"] or 0),
            study.size,
            study.elapsed_s(),
            best.result,
            is_ascii=is_ascii,
        )
        + "\n"
        + format_best(best.trial.params, best.result, best.spread)
    )
    return EXIT_DONE if certificate.is_as_asked else EXIT_TRIALS_FAILED
