"""What the README shows works: every command line, every option, every name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import hypersweep
from hyper_tests.cli.conftest import Call
from hyper_tests.processes import ROOT
from hypersweep.cli import COMMANDS, cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_LINE = re.compile(r"^(?:\$ )?(hypersweep [a-z].*?)(?: +#.*)?$", re.MULTILINE)
LINES = sorted({*COMMAND_LINE.findall(README), *re.findall(r"`(hypersweep [^`\n]+)`", README)})

READ_ONLY = ("best", "trials", "status", "logs", "plan")


def words_of(line: str) -> list[str]:
    return [word for word in shlex.split(line)[1:] if word != "…"]


def test_the_lines_are_found() -> None:
    shown = {words_of(line)[0] for line in LINES}
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_parses(line: str) -> None:
    name, *words = words_of(line)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    whole = cli.make_context("hypersweep", [name])  # a command keeps the names of --help that it first meets
    command.make_context(name, words, parent=whole)


@pytest.mark.parametrize("line", [line for line in LINES if words_of(line)[0] in READ_ONLY and "…" not in line])
def test_a_command_line_that_only_reads_runs(folder: Path, call: Call, line: str) -> None:
    (folder / "hyper.test").write_text("k_interests choice [1, 2, 3, 4]\n")
    assert call("run", "--runner", "train.py:keyed").code == 0
    assert call(*words_of(line)).code == 0


def test_nothing_is_left_to_fill_in() -> None:
    assert "@@" not in README


def test_every_option_that_is_named_exists() -> None:
    text = re.sub(r'--command "[^"]*"', "--command", README)
    known = {
        option
        for name in COMMANDS
        for parameter in _params_of(name)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))
    assert named >= {"--runner", "--resume", "--restart", "--from-result", "--metric", "--workers"}
    assert named - known == set()


def _params_of(name: str) -> list[click.Parameter]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command.params


def test_the_exported_names_are_the_documented_ones() -> None:
    match = re.search(r"^The public names: (.*?)\.$", README, re.MULTILINE | re.DOTALL)
    assert match
    documented = re.findall(r"`(\w+)`", match[1])
    assert documented == [name for name in hypersweep.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", hypersweep.__all__)
def test_an_exported_name_is_there_and_described(name: str) -> None:
    assert name in dir(hypersweep)
    found = getattr(hypersweep, name)
    assert isinstance(found, str) or found.__doc__


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'hypersweep' has no attribute 'sweeep'"):
        hypersweep.sweeep  # noqa: B018


def test_the_exit_codes_are_those_of_the_code() -> None:
    from hypersweep import errors

    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert codes == [
        errors.EXIT_DONE,
        errors.EXIT_TRIALS_FAILED,
        errors.EXIT_BAD_INPUT,
        errors.EXIT_INTERRUPTED,
    ]


def test_the_numbers_are_those_that_were_measured() -> None:
    """Each number of trials per second, and each epoch, stands in the results that the README refers to."""
    part = README.partition("## How it compares")[2].partition("## Examples")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")
    ]
    starts = [place for place, row in enumerate(rows) if not row[0]]
    engine, epochs = rows[starts[0] + 1 : starts[1]], rows[starts[1] + 1 :]
    measured = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert len(engine) == 5
    assert [row for row in engine if f" {row[1]} |" not in measured] == []
    assert len(epochs) == 4
    assert [row for row in epochs if f"| {row[0]} | epoch | {' | '.join(row[1:])} |" not in measured] == []
