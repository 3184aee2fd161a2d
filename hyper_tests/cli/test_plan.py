"""`hypersweep plan`: what would run and what is wrong, without running anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call


def test_what_would_run(folder: Path, call: Call) -> None:
    before = sorted(folder.iterdir())
    answer = call("plan", "--metric", "loss")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "learning_rate: choice 0.1, 0.2, 0.3",
        "k: choice 1, 2",
        "combinations: 6",
        "first: learning_rate:0.1, k:1",
        "last: learning_rate:0.3, k:2",
        "score: loss, smaller is better",
        "results: hyper.result",
        "names were not checked: no runner or model given",
        "no problems found",
    ]
    assert sorted(folder.iterdir()) == before


def test_what_would_run_as_json(folder: Path, call: Call) -> None:
    (folder / "wide.test").write_text("size choice [[64, 64], None, 'a']\nlr loguniform -8,0\n")
    answer = call("plan", "--space", "wide.test", "--json")
    assert answer.code == 2
    assert json.loads(answer.out) == {
        "parameters": {
            "size": {"kind": "choice", "values": [[64, 64], None, "a"]},
            "lr": {"kind": "loguniform", "bounds": [-8, 0]},
        },
        "grid_size": None,
        "forbidden": None,
        "algo": "grid",
        "max_trials": None,
        "repeats": 1,
        "first": None,
        "last": None,
        "problems": [
            "wide.test:2: 'lr' is no choice, got a distribution; expected lr choice […]. "
            "List the values to try, or search: --algo tpe --max-trials 100"
        ],
    }
    of_grid = json.loads(call("plan", "--json").out)
    keys = ["parameters", "grid_size", "forbidden", "algo", "max_trials", "repeats", "first", "last", "problems"]
    assert list(of_grid) == keys
    assert of_grid["first"] == {"learning_rate": 0.1, "k": 1}
    assert (of_grid["grid_size"], of_grid["last"]) == (6, {"learning_rate": 0.3, "k": 2})


def test_a_distribution_is_told(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("lr loguniform -8,0\n")
    answer = call("plan")
    assert answer.code == 2
    assert "combinations: no grid, because 'lr' is no choice\n" in answer.out
    assert "\nproblem: hyper.test:1: 'lr' is no choice, got a distribution; expected lr choice" in answer.out
    assert call("run", "--runner", "train.py:product").code == 2


def test_the_largest_space_is_answered_at_once(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("".join(f"p{i} choice {list(range(10))}\n" for i in range(15)))
    for order in ("sequential", "shuffled"):
        answer = call("plan", "--order", order)
        assert f"combinations: {10**15}\n" in answer.out


def test_the_order_is_that_of_run(folder: Path, call: Call) -> None:
    options = ("--order", "shuffled", "--seed", "4")
    planned = json.loads(call("plan", *options, "--json").out)
    call("run", "--runner", "train.py:product", *options)
    ran = json.loads(call("trials", "--json").out)
    assert [planned["first"], planned["last"]] == [ran[0]["params"], ran[-1]["params"]]


def test_the_seed_of_the_settings_counts(folder: Path, call: Call) -> None:
    firsts = {call("plan", "--order", "shuffled", "--set", f"seed={seed}").out for seed in range(8)}
    assert len(firsts) > 1


def test_names_are_checked_against_the_runner(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("k_interest choice [1, 2]\n")
    (folder / "hyper.yaml").write_text("epochs: 3\nepoch: 3\n")
    assert call("plan").code == 0
    answer = call("plan", "--runner", "train.py:keyed")
    assert (answer.code, answer.err) == (2, "")
    assert answer.out.splitlines()[-2:] == [
        "problem: hyper.test:1: the runner knows no such parameter, got 'k_interest'; expected one of epochs, "
        "k_interests. Did you mean 'k_interests'? Rename or remove it",
        "problem: hyper.yaml:2: the runner knows no such setting, got 'epoch'; expected one of its settings. "
        "Did you mean 'epochs'? Rename or remove it",
    ]
    problems = json.loads(call("plan", "--runner", "train.py:keyed", "--json").out)["problems"]
    assert len(problems) == 2


@pytest.mark.parametrize("model", ["LightSANs", "BERT4Rec"])
def test_names_are_checked_against_the_built_in_model(folder: Path, call: Call, model: str) -> None:
    (folder / "hyper.test").write_text("k_interest choice [1, 2]\nhidden_sizes choice [64]\n")
    answer = call("plan", "--model", model)
    assert answer.code == 2
    assert "hyper.test:2: the runner knows no such parameter, got 'hidden_sizes'; " in answer.out
    assert ("Did you mean 'k_interests'?" in answer.out) == (model == "LightSANs")
    assert "Did you mean 'hidden_size'?" in answer.out


def test_an_unknown_model_is_a_problem(folder: Path, call: Call) -> None:
    answer = call("plan", "--model", "LightSAN")
    assert answer.code == 2
    assert (
        "got 'LightSAN'; expected LightSANs or BERT4Rec or SASRec or GRU4Rec. Did you mean 'LightSANs'?" in answer.out
    )
