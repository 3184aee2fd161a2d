"""Help: every option that is promised, in groups, short enough to read; and completion."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hypersweep
from hyper_tests.cli.conftest import Call
from hyper_tests.processes import environment
from hyper_tests.processes import hypersweep as run_hypersweep
from hypersweep.cli import COMMANDS

RESOURCES = "--workers --pool --gpus --trials-per-gpu --batch-trials --ray-address --gpus-per-trial --shared"
SEARCH = "--algo --order --seed --repeats --enqueue"
BUDGET = "--max-trials --time-budget --stop-after"
PRUNING = "--prune --min-steps --reduction-factor"
OPTIONS = {
    "run": {
        "What to run": "--space --runner --command --python --model --dataset --config --set",
        "What is best": "--metric --mode",
        "How to search": SEARCH,
        "When it ends": f"{BUDGET} {PRUNING}",
        "Where it runs": f"{RESOURCES} --threads",
        "If a trial fails": "--trial-timeout --retries --on-error",
        "What is kept": "--keep --out --resume --restart --from-result",
        "Options": "--help",
    },
    "resume": {
        "What to run": "--extend",
        "What is best": "--metric --mode",
        "When it ends": f"{BUDGET} {PRUNING}",
        "Where it runs": RESOURCES,
        "If a trial fails": "--trial-timeout --retries --on-error --retry-failed",
        "What is kept": "--keep",
        "Options": "--help",
    },
    "best": {"What is best": "--metric --mode", "Options": "--json --help"},
    "trials": {"Options": "--top --state --curve --json --csv --help"},
    "status": {"Options": "--json --help"},
    "plan": {
        "What to run": "--space --runner --command --python --model --dataset --config --set",
        "What is best": "--metric --mode",
        "How to search": SEARCH,
        "When it ends": BUDGET,
        "Where it runs": "--batch-trials",
        "Options": "--json --help",
    },
    "logs": {"Options": "--help"},
    "settings": {"What to run": "--runner --model", "Options": "--json --help"},
    "data": {"Options": "--help"},
}


def options_by_group(help_text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    group = ""
    for line in help_text.splitlines():
        heading = re.fullmatch(r"(\w[\w ]*):", line)
        option = re.match(r"  (?:-h, )?(--[\w-]+)", line)
        if heading:
            group = heading[1]
        elif option and group:
            found[group] = f"{found.get(group, '')} {option[1]}".strip()
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_its_options_in_groups_on_one_screen(call: Call, command: str) -> None:
    answer = call(command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: hypersweep {command} ")
    assert options_by_group(answer.out) == OPTIONS[command]
    lines = answer.out.splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 80
    assert "[PATH]" not in answer.out.partition("\n")[2]
    assert answer.out == call(command, "-h").out


def test_the_whole_shows_its_commands(call: Call) -> None:
    answer = call("--help")
    assert (answer.code, answer.err) == (0, "")
    shown = re.findall(r"^  (\w+)  +\w.*", answer.out.partition("Commands:\n")[2], re.MULTILINE)
    assert shown == list(OPTIONS) == list(COMMANDS)
    assert "hypersweep run --space hyper.test" in answer.out
    assert len(answer.out.splitlines()) < 30


def test_without_a_command_it_shows_the_help(call: Call) -> None:
    answer = call()
    assert "Commands:" in answer.out + answer.err


def test_the_version(call: Call) -> None:
    assert call("--version").out == f"hypersweep, version {hypersweep.__version__}\n"


def test_every_command_loads_little() -> None:
    names = ", ".join(f"hypersweep.cli.{command}" for command in COMMANDS)
    code = f"import sys, {names}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "hypersweep.cli.plan" in loaded
    assert loaded & {"torch", "numpy", "hyperopt", "optuna", "polars", "rich", "tqdm"} == set()


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("hypersweep r", {"run", "resume"}),
        ("hypersweep run --wo", {"--workers"}),
        ("hypersweep run --order s", {"sequential", "shuffled"}),
    ],
)
def test_the_shell_completes_commands_options_and_choices(tmp_path: Path, words: str, completed: set[str]) -> None:
    env = environment(_HYPERSWEEP_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    done = run_hypersweep(cwd=tmp_path, env=env)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_is_given_its_completion_script(tmp_path: Path, shell: str) -> None:
    done = run_hypersweep(cwd=tmp_path, env=environment(_HYPERSWEEP_COMPLETE=f"{shell}_source"))
    assert f"_HYPERSWEEP_COMPLETE={shell}_complete" in done.stdout
