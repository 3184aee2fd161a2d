"""hypersweep settings"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import click

from hypersweep.cli.options import MODEL, RUNNER, GroupedCommand
from hypersweep.runner import Key, RunnerReference


@click.command("settings", cls=GroupedCommand)
@RUNNER
@MODEL
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(runner: str | None, model: str | None, is_json: bool) -> None:
    """Print the settings that a runner knows, with their defaults.

    Those of the built-in recommenders depend on --model. What a space varies stands there as well.
    """
    reference = RunnerReference.parse(runner or "recommend", Path.cwd())
    keys = reference.load().keys({} if model is None else {"model": model}, {})
    if is_json:
        click.echo(json.dumps(None if keys is None else [dataclasses.asdict(key) for key in keys], default=str))
    elif keys is None:
        click.echo(f"{reference.name}: any settings are accepted")
    else:
        _print_keys(keys)


def _print_keys(keys: Sequence[Key]) -> None:
    formatter = click.HelpFormatter()
    groups = {
        "For settings and spaces": [key for key in keys if key.has_effect and not key.is_data],
        "For settings only, since the data depends on them": [key for key in keys if key.has_effect and key.is_data],
    }
    for heading, group in groups.items():
        if group:
            with formatter.section(heading):
                formatter.write_dl(
                    [(f"{key.name}: {json.dumps(key.default, default=str)}", _describe(key)) for key in group]
                )
    ignored = [key.name for key in keys if not key.has_effect]
    if ignored:
        with formatter.section("Accepted without effect"):
            formatter.write_text(", ".join(ignored))
    click.echo(formatter.getvalue().strip())


def _describe(key: Key) -> str:
    return "; ".join(text for text in (key.help, key.expected) if text)
