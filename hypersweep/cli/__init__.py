"""The command line: one file per command, each loaded when it is called."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from typing import TextIO

import click

from hypersweep import __version__
from hypersweep.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, HypersweepError

COMMANDS = {
    "run": "run every combination of a space, one trial each",
    "resume": "go on with an interrupted sweep",
    "best": "print the best params and result",
    "trials": "print the table of trials",
    "status": "print how far a sweep is",
    "plan": "print what would run; run nothing",
    "logs": "print a trial's log",
    "settings": "print the settings that a runner knows",
    "data": "download a data set",
}


class _LazyGroup(click.Group):
    """Imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hypersweep.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from hypersweep.errors import did_you_mean

            hint = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"no command {args[0]!r}; expected one of {', '.join(COMMANDS)}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hypersweep")
def cli() -> None:
    """hyper.test in, one trial per combination through any runner, hyper.result and the best out.

    \b
    hypersweep run --space hyper.test        the built-in recommenders
    hypersweep run --runner train.py:train   a Python function
    hypersweep run --command "python train.py --lr {learning_rate}"
    """


def main() -> None:
    """The console script. Only here are hypersweep's errors caught: one red message, no traceback."""
    if sys.platform == "win32":
        fail("hypersweep runs on Linux and macOS; expected one of them. On Windows use it within WSL", EXIT_BAD_INPUT)
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what its encoding lacks is escaped, as on stderr
    try:
        exit_code = cli.main(prog_name="hypersweep", standalone_mode=False)
        sys.stdout.flush()  # now, while a reader that has gone can still be told
        sys.exit(exit_code)
    except HypersweepError as error:
        fail(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        fail(str(error) or "interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`hypersweep trials | head`).
        _give_up(sys.stdout)
        sys.exit(0)
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        _give_up(sys.stdout)
        message = f"stdout: cannot be written ({error.strerror}); expected room for the output. Make some, or print "
        fail(f"{message}elsewhere: what was recorded of a sweep is safe", EXIT_BAD_INPUT)


def _give_up(stream: TextIO) -> None:
    """What is still to be written there goes nowhere, so that Python does not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Of what was started with `>&-`: else the next file to be opened, the store perhaps, would get the number of a
    stream, and with it what trials print."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def fail(message: str, exit_code: int) -> None:
    """Print an error and end, with the exit code also where nothing can be printed."""
    is_colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    try:
        click.echo(click.style(message, fg="red") if is_colored else message, err=True, color=is_colored)
    except OSError:
        _give_up(sys.stderr)
    sys.exit(exit_code)
