"""hypersweep data"""

from __future__ import annotations

from pathlib import Path

import click

from hypersweep.datasets import MOVIELENS, find_download_folder, get
from hypersweep.datasets.movielens import BASE_URL


@click.group("data", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Data sets for the recommenders."""


@command.command("get")
@click.argument("name", metavar="|".join(MOVIELENS))
@click.option("--data-path", metavar="DIR", help="Where to; $HYPERSWEEP_DATA if not given, else in the cache.")
@click.option("--base-url", default=BASE_URL, show_default=True, metavar="URL", help="The folder that has NAME.zip.")
def get_command(name: str, data_path: str | None, base_url: str) -> None:
    """Download a data set from its source and print where it is.

    It is checked, and put as NAME/NAME.inter where --dataset NAME finds it. A broken download goes on where it broke.
    """
    from hypersweep.cli.console import open_download_view

    folder = Path(data_path).expanduser() if data_path else find_download_folder()
    try:
        with open_download_view(name) as on_progress:
            path = get(name, folder, on_progress, base_url=base_url)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; the same command goes on with what has come") from error
    found_by = f"--dataset {name}" if folder == find_download_folder() else f"--dataset {name} --set data_path={folder}"
    click.echo(f"use it with: {found_by}; its terms of use: {path.with_name('README')}", err=True)
    click.echo(path.resolve())
