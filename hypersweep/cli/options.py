"""Options that several commands share, shown in groups by `--help`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


class GroupedOption(click.Option):
    """An option that stands under a heading of its own in the help text."""

    def __init__(self, *args: Any, group: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """Lists options under the headings of their groups, in the order of their first option."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def grouped(group: str, *names: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option in a group."""
    return click.option(*names, cls=GroupedOption, group=group, **attributes)


def combine(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one decorator, in this order."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """`90`, `90s`, `45m`, `3h`, `2d`, `1h30m`: a time in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", value.strip())
        if not found or not any(found.groups()):
            self.fail(f"got {value!r}; expected a duration such as 90s, 45m, 3h or 1h30m.", param, ctx)
        days, hours, minutes, seconds = (float(group or 0) for group in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


class CountOrAuto(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A number, or `auto`."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        text = str(value)
        if text != "auto" and not re.fullmatch(r"\d+", text):
            self.fail(f"got {value!r}; expected auto or a number.", param, ctx)
        return text if text == "auto" else int(text)


DURATION = Duration()
BATCH_TRIALS = grouped(
    "Where it runs",
    "--batch-trials",
    type=CountOrAuto(),
    metavar="N",
    help="So many in one process, if the runner can; or auto.",
)

SPACE = grouped("What to run", "--space", default="hyper.test", show_default=True, metavar="FILE", help="The space.")
RUNNER = grouped("What to run", "--runner", metavar="R", help="recommend, recbole, module:attr, file.py:attr.")
MODEL = grouped("What to run", "--model", metavar="M", help="Short for --set model=M.")
WHAT = combine(
    SPACE,
    RUNNER,
    grouped("What to run", "--command", metavar="SHELL", help='Any program: "python train.py --lr {learning_rate}".'),
    grouped("What to run", "--python", metavar="PATH", help="The Python that has what the runner needs."),
    MODEL,
    grouped("What to run", "--dataset", metavar="D", help="Short for --set dataset=D."),
    grouped("What to run", "--config", metavar="FILE", multiple=True, help="More settings (YAML); later wins."),
    grouped("What to run", "--set", "assignments", metavar="K=V", multiple=True, help="One setting; wins over files."),
)
SCORE = combine(
    grouped("What is best", "--metric", metavar="NAME", help="The validation metric that is the score."),
    grouped("What is best", "--mode", type=click.Choice(["max", "min"]), help="Its direction, if the name misleads."),
)
SEARCH = combine(
    grouped(
        "How to search",
        "--algo",
        default="grid",
        metavar="A",
        help="grid, else random, tpe, anneal, optuna:tpe|gp|cmaes|nsga2.",
    ),
    grouped(
        "How to search",
        "--order",
        type=click.Choice(["sequential", "shuffled"]),
        default="sequential",
        metavar="O",
        help="Of a grid's trials: sequential or shuffled.",
    ),
    grouped("How to search", "--seed", type=int, metavar="N", help="Of trials and search; 2020 if nothing says."),
    grouped(
        "How to search",
        "--repeats",
        type=int,
        default=1,
        metavar="R",
        help="Run each R times, with seeds N, N+1, …; their mean counts.",
    ),
    grouped("How to search", "--enqueue", metavar="FILE", help="Try these points first (a JSON list)."),
)
BUDGET = combine(
    grouped("When it ends", "--max-trials", type=int, metavar="N", help="After so many trials."),
    grouped(
        "When it ends",
        "--time-budget",
        "time_budget_s",
        type=DURATION,
        metavar="T",
        help="No trial starts after so long, as 2h; in all sessions.",
    ),
    grouped("When it ends", "--stop-after", type=int, metavar="N", help="After so many without improvement; off."),
)
SESSION = combine(
    BUDGET,
    grouped("When it ends", "--prune", metavar="P", help="Trials early, by median, asha or hyperband; none."),
    grouped("When it ends", "--min-steps", type=int, metavar="N", help="No trial early before it; 1 by default."),
    grouped("When it ends", "--reduction-factor", type=int, metavar="N", help="Of asha and hyperband; 3 by default."),
    grouped("Where it runs", "--workers", type=int, metavar="N", help="Trials at once; 1 if nothing says."),
    grouped("Where it runs", "--pool", metavar="P", help="local (default), inline or ray."),
    grouped("Where it runs", "--gpus", metavar="G", help="all, none or some, as in 0,1: one for each trial."),
    grouped("Where it runs", "--trials-per-gpu", type=int, metavar="K", help="Trials that share one; 1 by default."),
    BATCH_TRIALS,
    grouped("Where it runs", "--ray-address", metavar="A", help="A cluster that runs; else one is started here."),
    grouped("Where it runs", "--gpus-per-trial", type=float, metavar="X", help="Pool ray: as in 0.5; 0: none."),
    grouped("Where it runs", "--shared", metavar="DIR", help="Pool ray: a folder that all nodes see, for checkpoints."),
    grouped(
        "If a trial fails",
        "--trial-timeout",
        "trial_timeout_s",
        type=DURATION,
        metavar="T",
        help="Longer is a failure: 90s, 45m, 3h, 1h30m.",
    ),
    grouped("If a trial fails", "--retries", type=int, metavar="N", help="Times it is tried again, after the others."),
    grouped(
        "If a trial fails",
        "--on-error",
        type=click.Choice(["continue", "stop"]),
        help="After a failure for good; continue by default.",
    ),
    grouped(
        "What is kept",
        "--keep",
        type=click.Choice(["best", "all", "none"]),
        help="Checkpoints of ended trials; best by default.",
    ),
)
PATH = click.argument("path", default=".", metavar="[PATH]")


def with_short_forms(assignments: tuple[str, ...], *, model: str | None, dataset: str | None) -> list[str]:
    """`--model` and `--dataset` as the assignments they are short for."""
    named = (("model", model), ("dataset", dataset))
    return [*assignments, *(f"{name}={json.dumps(value)}" for name, value in named if value is not None)]
