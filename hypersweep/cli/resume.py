"""hypersweep resume"""

from __future__ import annotations

from typing import Any

import click

from hypersweep.cli.options import PATH, SCORE, GroupedCommand, grouped


@click.command("resume", cls=GroupedCommand)
@PATH
@SCORE
@grouped("Where it runs", "--workers", type=int, metavar="N", help="Trials at once; as before if not given.")
@grouped("Where it runs", "--pool", metavar="P", help="local or inline; as before if not given.")
def command(path: str, **options: Any) -> int:
    """Go on with an interrupted sweep, by its own settings.

    PATH is the .sweep folder, a folder that holds one, or the .test file; the current folder if not given.
    """
    from hypersweep.cli.session import show_session
    from hypersweep.launch import resume

    return show_session(lambda on_event: resume(path, **options, on_event=on_event))
