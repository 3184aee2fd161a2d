"""hypersweep plan"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import click

from hypersweep.batching import choose_batching
from hypersweep.budget import Budget
from hypersweep.checks import check_end, check_names, check_options
from hypersweep.cli.options import BATCH_TRIALS, BUDGET, SCORE, SEARCH, WHAT, GroupedCommand, with_short_forms
from hypersweep.cli.wording import format_params
from hypersweep.definition import Definition
from hypersweep.errors import EXIT_BAD_INPUT, EXIT_DONE, HypersweepError, naming_places
from hypersweep.events import Event, Noted
from hypersweep.pool import Description, Resources
from hypersweep.pool.devices import find_memory_bytes
from hypersweep.request import Request, Resolved, resolve
from hypersweep.search import Searcher
from hypersweep.session import opened_pool
from hypersweep.space import Choice, Distribution, Parameter, Space, count_excluded
from hypersweep.supervision import Supervision
from hypersweep.trial import Params

MAX_TRIED = 10_000


@click.command("plan", cls=GroupedCommand)
@WHAT
@SCORE
@SEARCH
@BUDGET
@BATCH_TRIALS
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(
    runner: str | None,
    command: str | None,
    model: str | None,
    dataset: str | None,
    assignments: tuple[str, ...],
    max_trials: int | None,
    time_budget_s: float | None,
    stop_after: int | None,
    batch_trials: int | Literal["auto"] | None,
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
        session={
            "max_trials": max_trials,
            "time_budget_s": time_budget_s,
            "stop_after": stop_after,
            "batch_trials": batch_trials,
        },
        **options,
    )
    resolved = resolve(request)
    check_options(request.resources, request.supervision, request.session)
    is_named = any(name is not None for name in (runner, command, model, dataset))
    searcher, problems, notes = _examine(request, resolved, is_named=is_named)
    plan = _as_json(resolved.definition, searcher, request.budget, problems)
    if is_json:
        click.echo(json.dumps(plan))
    else:
        _print_plan(plan, resolved, notes)
    return EXIT_BAD_INPUT if problems else EXIT_DONE


def _examine(request: Request, resolved: Resolved, *, is_named: bool) -> tuple[Searcher | None, list[str], list[str]]:
    """The searcher, for what `run` would refuse the sweep, and what else there is to say. `is_named`: there is a runner
    to check names against."""
    problems: list[str] = []
    notes: list[str] = [] if is_named else ["names were not checked: no runner or model given"]
    description = _check_names(resolved, request.resources, problems, notes) if is_named else None
    searcher = _open_searcher(resolved, request.budget, problems)
    if description is not None and searcher is not None:
        notes += _tell_batching(request.resources, description, searcher, resolved.definition.space, problems)
    return searcher, problems, notes


def _check_names(resolved: Resolved, resources: Resources, problems: list[str], notes: list[str]) -> Description | None:
    """What the runner declares; None, and problems more, if it cannot be used with these names."""
    told: list[Event] = []
    try:
        with naming_places(settings=resolved.loaded.where, space=resolved.places):
            description = _describe(resolved, resources)
        check_names(resolved, description.keys, told.append)
    except HypersweepError as error:
        problems += str(error).splitlines()
        return None
    notes += [note.text for note in told if isinstance(note, Noted)]
    return description


def _describe(resolved: Resolved, resources: Resources) -> Description:
    """Asked in the Python that the runner needs."""
    definition = resolved.definition
    if definition.reference.python is None:
        runner, memory_bytes = definition.reference.load(), find_memory_bytes(resources)
        return Description.of(runner, definition.settings, definition.varied, memory_bytes)
    with opened_pool(resolved.place, definition, resources, Supervision(), None) as (_, description):
        return description


def _tell_batching(
    resources: Resources, description: Description, searcher: Searcher, space: Space, problems: list[str]
) -> list[str]:
    try:
        batching = choose_batching(resources, description, searcher, space)
    except HypersweepError as error:
        problems.append(str(error))
        return []
    free = [name for name in space.names if name in batching.free]
    return [f"together: up to {batching.size} trials that differ in {' and '.join(free) or 'nothing'}"] * (
        batching.size > 1
    )


def _open_searcher(resolved: Resolved, budget: Budget, problems: list[str]) -> Searcher | None:
    """None, and a problem more, if it cannot search the space, or would without end."""
    try:
        with naming_places(settings=resolved.loaded.where, space=resolved.places):
            searcher = resolved.definition.open_searcher()
        check_end(resolved.definition, budget)
    except HypersweepError as error:
        problems += str(error).splitlines()
        return None
    return searcher


def _as_json(definition: Definition, searcher: Searcher | None, budget: Budget, problems: list[str]) -> dict[str, Any]:
    space = definition.space
    size = budget.cap(searcher.size) if searcher else None
    return {
        "parameters": {parameter.name: _parameter_as_json(parameter) for parameter in space.parameters},
        "grid_size": space.grid_size,
        "forbidden": None if space.grid_size is None or not space.rules else _forbidden_as_json(space),
        "algo": definition.algo,
        "max_trials": size,
        "repeats": definition.repeats,
        "first": None if searcher is None else _find_point(searcher, range(size or 1)),
        "last": None if searcher is None or searcher.is_adaptive else _find_point(searcher, range(size or 0)[::-1]),
        "problems": problems,
    }


def _parameter_as_json(parameter: Parameter) -> dict[str, Any]:
    condition = {} if parameter.only_if is None else {"only_if": parameter.only_if}
    if isinstance(parameter, Choice):
        return {"kind": parameter.kind, "values": list(parameter.values), **condition}
    if isinstance(parameter, Distribution):
        return {"kind": parameter.kind, "bounds": list(parameter.arguments), **condition}
    return {"kind": parameter.kind, "bounds": [parameter.low, parameter.high], "step": parameter.step, **condition}


def _forbidden_as_json(space: Space) -> dict[str, Any]:
    together = count_excluded(space, space.rules)
    alone = [(str(rule), count_excluded(space, [rule])) for rule in space.rules]
    return {
        "points": together.num_points,
        "is_exact": together.is_exact,
        "rules": [{"rule": rule, "points": one.num_points, "is_exact": one.is_exact} for rule, one in alone],
    }


def _find_point(searcher: Searcher, numbers: range) -> Params | None:
    """The params of the first of the numbers that has a point; None if it is not among so many."""
    points = map(searcher.suggest, numbers[:MAX_TRIED])
    return next((params for params in points if params is not None), None)


def _tell_parameter(parameter: dict[str, Any]) -> str:
    if "values" in parameter:
        text = f"{parameter['kind']} {', '.join(map(str, parameter['values']))}"
    elif "step" in parameter:
        low, high = parameter["bounds"]
        text = f"{parameter['kind']} {low} to {high}" + (f" by {parameter['step']}" if parameter["step"] != 1 else "")
    else:
        text = f"{parameter['kind']} {', '.join(map(str, parameter['bounds']))}"
    return f"{text}, only if {parameter['only_if']}" if "only_if" in parameter else text


def _tell_search(plan: dict[str, Any], space: Space) -> list[str]:
    lines = _tell_grid(plan, space)
    if plan["algo"] != "grid" or plan["max_trials"] not in (None, plan["grid_size"]):
        count = "as many as the time allows" if plan["max_trials"] is None else plan["max_trials"]
        lines.append(f"trials: {count}, by {plan['algo']}")
    if plan["repeats"] > 1:
        trials = "" if plan["max_trials"] is None else f": {plan['max_trials'] * plan['repeats']} trials"
        lines.append(f"repeats: {plan['repeats']} of each combination{trials}")
    return lines + [f"{end}: {format_params(plan[end])}" for end in ("first", "last") if plan[end] is not None]


def _tell_grid(plan: dict[str, Any], space: Space) -> list[str]:
    if plan["grid_size"] is None:
        return [f"combinations: no grid, because {space.first_distribution!r} is no choice"]
    forbidden, size, is_exact = plan["forbidden"], plan["grid_size"], space.grid.is_exact
    lines = [f"combinations: {'' if is_exact else 'at most '}{size}"]
    if forbidden is not None:
        of = f" of {size + forbidden['points']}" if is_exact else ""
        lines.append(f"forbidden: {_tell_count(forbidden)}{of}")
        lines += [f"  {rule['rule']}: {_tell_count(rule)}" for rule in forbidden["rules"]]
    return lines


def _tell_count(counted: dict[str, Any]) -> str:
    return f"{counted['points']}" if counted["is_exact"] else f"about {counted['points']} (estimated)"


def _print_plan(plan: dict[str, Any], resolved: Resolved, notes: list[str]) -> None:
    for name, parameter in plan["parameters"].items():
        click.echo(f"{name}: {_tell_parameter(parameter)}")
    for line in _tell_search(plan, resolved.definition.space):
        click.echo(line)
    click.echo(resolved.definition.objective.describe())
    click.echo(f"results: {resolved.place.log}{' (is there already)' if Path(resolved.place.log).exists() else ''}")
    for note in notes:
        click.echo(note)
    for problem in plan["problems"]:
        click.echo(f"problem: {problem}")
    if not plan["problems"]:
        click.echo("no problems found")
