"""hypersweep resume"""

from __future__ import annotations

from typing import Any

import click

from hypersweep.cli.options import PATH, SCORE, SESSION, GroupedCommand, grouped


@click.command("resume", cls=GroupedCommand)
@PATH
@SCORE
@SESSION
@grouped("If a trial fails", "--retry-failed", is_flag=True, help="Try those again that have failed for good.")
@grouped("What to run", "--extend", is_flag=True, help="Also what values added to the space's file make new.")
def command(path: str, **options: Any) -> int:
    """Go on with an interrupted sweep, by its own settings; what is not given is as before.

    PATH is the .sweep folder, a folder that holds one, or the .test file; the current folder if not given.
    """
    from hypersweep.cli.session import show_session
    from hypersweep.launch import resume

    return show_session(lambda on_event: resume(path, **options, on_event=on_event))
