"""hypersweep run"""

from __future__ import annotations

from typing import Any

import click

from hypersweep.cli.options import SCORE, SEARCH, SESSION, WHAT, GroupedCommand, grouped, with_short_forms


@click.command("run", cls=GroupedCommand)
@WHAT
@SCORE
@SEARCH
@SESSION
@grouped("Where it runs", "--threads", type=int, metavar="T", help="Threads per trial; cores / workers if not given.")
@grouped("What is kept", "--out", metavar="DIR", help="Put hyper.sweep and hyper.result there.")
@grouped(
    "What is kept", "--resume", "if_exists", flag_value="resume", help="Go on with the sweep that is there, if any."
)
@grouped(
    "What is kept", "--restart", "if_exists", flag_value="restart", help="Start anew; the old sweep is moved aside."
)
@grouped("What is kept", "--from-result", metavar="LOG", help="Take the trials of a hyper.result as finished.")
def command(
    model: str | None, dataset: str | None, assignments: tuple[str, ...], if_exists: str | None, **options: Any
) -> int:
    """Run one trial per combination of a space and print the best.
    hyper.yaml beside hyper.test: the settings. Ctrl-C stops; `resume` goes on.
    """
    from hypersweep.cli.session import show_session
    from hypersweep.launch import sweep

    return show_session(
        lambda on_event: sweep(
            **options,
            assignments=with_short_forms(assignments, model=model, dataset=dataset),
            if_exists=if_exists or "refuse",  # type: ignore[arg-type]
            on_event=on_event,
        )
    )
