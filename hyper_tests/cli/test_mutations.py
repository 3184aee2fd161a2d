"""Damaged spaces, settings and logs through plan, run and best: read, or refused by their name with exit code 2."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.cli.sweeps import LOG, SPACE

YAML = "epochs: 3\neval_args: {split: {LS: valid_and_test}, mode: full}\nval_interval: '[3,inf)'\nlist: [1, 1e-3]\n"
DISTRIBUTIONS = "a uniform 0,1\nb quniform 1,5,1\nc loguniform -8,0\nd randint 5\ne choice [[1], '[2, 3]']\n"
PIECES = [*"\0\t\r #,:[]{}()'\"\\*&!%@|>-~9\n，é\ufeff", "\n\n", "1e999", "<<", "---", "[[[[", "nan"]
SEEDS = range(40)


def mutate(text: str, seed: int) -> bytes:
    """The text with one to four pieces replaced, removed or doubled."""
    random_ = random.Random(seed)
    content = text.encode()
    for _ in range(random_.randint(1, 4)):
        start = random_.randrange(len(content) + 1)
        end = start + random_.choice([0, 0, 1, 1, 2, 8])
        piece = random_.choice([random_.choice(PIECES).encode(), content[start:end] * 2, b"", b"\xff"])
        content = content[:start] + piece + content[end:]
    return content


def check_refused(err: str, name: str) -> None:
    assert err
    for line in err.splitlines():
        assert line.startswith((f"{name}:", "--metric: ", "the result has ", "seed: ")), line


@pytest.mark.parametrize("seed", SEEDS)
def test_spaces(folder: Path, call: Call, seed: int) -> None:
    (folder / "hyper.test").write_bytes(mutate(SPACE, seed))
    planned = call("plan")
    ran = call("run", "--command", "echo '{\"score\": 1}'")
    if planned.code:
        assert (planned.code, planned.out) == (ran.code, ran.out) == (2, "")
        assert planned.err == ran.err
        check_refused(planned.err, "hyper.test")
    else:
        assert ran.code == 0, ran.err
        assert ran.out.count("\nbest params:  {") == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_distributions(folder: Path, call: Call, seed: int) -> None:
    (folder / "hyper.test").write_bytes(mutate(DISTRIBUTIONS, seed))
    search = ("--algo", "random", "--max-trials", "2")
    planned = call("plan", *search, "--json")
    assert planned.code in (0, 2)
    if planned.code:
        check_refused(planned.err, "hyper.test")
    else:
        assert json.loads(planned.out)["problems"] == []
        ran = call("run", "--command", "echo '{\"score\": 1}'", *search)
        assert ran.code == 0, ran.err


@pytest.mark.parametrize("seed", SEEDS)
def test_settings(folder: Path, call: Call, seed: int) -> None:
    (folder / "hyper.yaml").write_bytes(mutate(YAML, seed))
    planned = call("plan")
    ran = call("run", "--runner", "train.py:product")
    assert (planned.code, ran.code) in ((0, 0), (2, 2)), (planned.err, ran.err)
    if planned.code:
        assert (planned.out, ran.out, planned.err) == ("", "", ran.err)
        check_refused(planned.err, "hyper.yaml")
    checked = call("plan", "--runner", "train.py:keyed", "--json")
    assert checked.code == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_logs(folder: Path, call: Call, seed: int) -> None:
    (folder / "old.result").write_bytes(mutate(LOG, seed))
    best = call("best", "old.result")
    if best.code:
        assert (best.code, best.out) == (2, "")
        check_refused(best.err, "old.result")
    else:
        assert best.out.startswith("best params:  {")
    adopted = call("run", "--runner", "train.py:product", "--from-result", "old.result")
    assert adopted.code in (0, 2)
    if adopted.code:
        check_refused(adopted.err, "old.result")
        assert not (folder / "hyper.sweep").exists()
    else:
        assert len((folder / "hyper.result").read_text().split("\n\n")) == 7


def test_most_mutations_are_refused_and_some_are_not(folder: Path, call: Call) -> None:
    """Else the tests above would show nothing."""
    codes = []
    for seed in SEEDS:
        (folder / "hyper.test").write_bytes(mutate(SPACE, seed))
        codes.append(call("plan").code)
    assert 5 < codes.count(0) < 35
