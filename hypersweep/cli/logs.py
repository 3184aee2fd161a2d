"""hypersweep logs"""

from __future__ import annotations

import shutil
import sys

import click

from hypersweep.cli.options import PATH


@click.command("logs")
@click.argument("number", type=int, metavar="N")
@PATH
def command(number: int, path: str) -> None:
    """Print what trial N has written to stdout and stderr.

    PATH is the .sweep folder, a folder that holds one, or the .test file; the current folder if not given.
    """
    from hypersweep.study import Study

    with Study(path) as study:
        recorded = study.started(number)
        log = study.place.trial_folder(number) / "log.txt"
    if not log.exists() or not log.stat().st_size:
        click.echo(f"trial {number} ({recorded.state}) has written nothing", err=True)
        return
    with open(log, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
