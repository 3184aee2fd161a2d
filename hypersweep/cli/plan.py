"""hypersweep plan"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hypersweep.checks import check_names
from hypersweep.cli.options import ORDER, SCORE, WHAT, GroupedCommand, with_short_forms
from hypersweep.cli.wording import format_params
from hypersweep.definition import Definition
from hypersweep.errors import EXIT_BAD_INPUT, EXIT_DONE, HypersweepError, naming_places
from hypersweep.events import Event, Noted
from hypersweep.request import Request, Resolved, resolve
from hypersweep.space import Choice


@click.command("plan", cls=GroupedCommand)
@WHAT
@SCORE
@ORDER
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(
    runner: str | None,
    command: str | None,
    model: str | None,
    dataset: str | None,
    assignments: tuple[str, ...],
    is_json: bool,
    **options: Any,
) -> int:
    """Print what would run, and the problems found; run nothing.

    With --runner (or --model, --dataset) the names in the space and the settings are checked against the runner's.
    """
    request = Request(
        runner=runner,
        command=command,
        assignments=with_short_forms(assignments, model=model, dataset=dataset),
        **options,
    )
    resolved = resolve(request)
    is_named = any(name is not None for name in (runner, command, model, dataset))
    problems, notes = _check_names(resolved) if is_named else ([], ["names were not checked: no runner or model given"])
    plan = _as_json(resolved.definition, problems)
    if is_json:
        click.echo(json.dumps(plan))
    else:
        _print_plan(plan, resolved, notes)
    return EXIT_BAD_INPUT if problems else EXIT_DONE


def _check_names(resolved: Resolved) -> tuple[list[str], list[str]]:
    """The problems, and what there is to note."""
    notes: list[Event] = []
    definition = resolved.definition
    try:
        with naming_places(settings=resolved.loaded.where, space=resolved.places):
            keys = definition.reference.load().keys(definition.settings, definition.varied)
        check_names(resolved, keys, notes.append)
    except HypersweepError as error:
        return str(error).splitlines(), []
    return [], [note.text for note in notes if isinstance(note, Noted)]


def _as_json(definition: Definition, problems: list[str]) -> dict[str, Any]:
    space, size = definition.space, definition.space.grid_size
    searcher = None if size is None else definition.searcher
    return {
        "parameters": {
            parameter.name: {"kind": "choice", "values": list(parameter.values)}
            if isinstance(parameter, Choice)
            else {"kind": parameter.kind, "bounds": list(parameter.arguments)}
            for parameter in space.parameters
        },
        "grid_size": size,
        "first": searcher.suggest(0) if searcher else None,
        "last": searcher.suggest(searcher.size - 1) if searcher else None,
        "problems": problems,
    }


def _print_plan(plan: dict[str, Any], resolved: Resolved, notes: list[str]) -> None:
    for name, parameter in plan["parameters"].items():
        values = parameter.get("values") or parameter["bounds"]
        click.echo(f"{name}: {parameter['kind']} {', '.join(str(value) for value in values)}")
    if plan["grid_size"] is None:
        name = resolved.definition.space.first_distribution
        click.echo(f"combinations: no grid, because {name!r} is no choice; `run` needs choices only")
    else:
        click.echo(f"combinations: {plan['grid_size']}")
        click.echo(f"first: {format_params(plan['first'])}")
        click.echo(f"last: {format_params(plan['last'])}")
    click.echo(resolved.definition.objective.describe())
    click.echo(f"results: {resolved.place.log}{' (is there already)' if Path(resolved.place.log).exists() else ''}")
    for note in notes:
        click.echo(note)
    for problem in plan["problems"]:
        click.echo(f"problem: {problem}")
    if not plan["problems"]:
        click.echo("no problems found")
