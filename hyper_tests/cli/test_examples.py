"""The example folders: each plans without a problem, and what needs no data runs to its end."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.processes import ROOT, hypersweep
from hypersweep import load_space

EXAMPLES = ROOT / "examples"
MODELS = {
    "quickstart": "LightSANs",
    "lightsans-ml-100k": "LightSANs",
    "lightsans-ml-1m": "LightSANs",
    "bert4rec-amazon-books": "BERT4Rec",
}


def command_lines(readme: str) -> list[list[str]]:
    """The words of the `hypersweep …` lines, those that a backslash continues joined."""
    joined = readme.replace("\\\n", " ")
    lines = re.findall(r"^(?:\w+=\S+ )?(hypersweep .*)$", joined, re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_every_folder_is_one_that_is_promised() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {*MODELS, "function", "command"}
    for path in EXAMPLES.iterdir():
        assert (path / "README.md").is_file() and (path / "hyper.test").is_file()
        assert command_lines((path / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "model"), MODELS.items())
def test_a_sweep_of_the_built_in_runner_has_no_problem(call: Call, name: str, model: str) -> None:
    answer = call("plan", "--space", EXAMPLES / name / "hyper.test", "--model", model, "--json")
    plan = json.loads(answer.out)
    assert plan["problems"] == []
    assert answer.code == 0
    assert plan["grid_size"] == load_space(EXAMPLES / name / "hyper.test").grid_size


@pytest.mark.parametrize(("name", "num_trials"), [("lightsans-ml-1m", 12), ("bert4rec-amazon-books", 5)])
def test_a_published_log_is_that_of_its_space(call: Call, name: str, num_trials: int) -> None:
    space = load_space(EXAMPLES / name / "hyper.test")
    assert space.grid_size == num_trials
    best = call("best", EXAMPLES / name / "published.result")
    assert best.code == 0, best.err
    assert set(re.findall(r"'(\w+)':", best.out.splitlines()[0])) == {*space.names}


@pytest.mark.parametrize(("name", "num_trials"), [("function", 24), ("command", 12)])
def test_what_its_readme_says_runs(tmp_path: Path, name: str, num_trials: int) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("*.sweep", "*.result"))
    lines = command_lines((folder / "README.md").read_text(encoding="utf-8"))
    assert [words[0] for words in lines] in (["run", "trials", "logs"], ["run", "logs"])
    for words in lines:
        done = hypersweep(*words, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert (folder / "hyper.result").read_text().count("Valid result:") == num_trials
