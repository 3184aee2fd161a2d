"""Searching beyond the grid, as a user would: algorithms, budgets, points given first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.contracts.searchers import needs_optuna

SPACE = "learning_rate loguniform -8,0\nk uniformint 1,4\n"


@pytest.fixture
def wide(folder: Path) -> Path:
    """A folder whose space has distributions."""
    (folder / "hyper.test").write_text(SPACE)
    return folder


def trials(call: Call) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(call("trials", "--json").out)
    return loaded


@pytest.mark.parametrize("algo", ["random", "tpe", "anneal", pytest.param("optuna:tpe", marks=needs_optuna)])
def test_a_search_of_so_many_trials(wide: Path, call: Call, algo: str) -> None:
    answer = call("run", "--runner", "train.py:product", "--algo", algo, "--max-trials", "12")
    assert answer.code == 0, answer.err
    assert f"sweep: 12 trials by {algo}, 0 done" in answer.err
    assert answer.out.startswith("100%|██████████| 12/12 ")
    found = trials(call)
    assert [trial["number"] for trial in found] == list(range(12))
    assert all(isinstance(trial["params"]["k"], int) and 0 < trial["params"]["learning_rate"] < 1 for trial in found)
    assert "np." not in (wide / "hyper.result").read_text()
    assert call("resume").err.startswith("the sweep is finished")


def test_it_goes_on_with_more_trials_as_if_it_had_had_them_from_the_start(wide: Path, call: Call) -> None:
    run = ("run", "--runner", "train.py:product", "--algo", "tpe")
    assert call(*run, "--max-trials", "30", "--out", "whole").code == 0
    assert call(*run, "--max-trials", "22").code == 0
    assert call("resume", "--max-trials", "30").code == 0
    assert (wide / "hyper.result").read_bytes() == (wide / "whole" / "hyper.result").read_bytes()


def test_a_distribution_needs_an_algorithm(wide: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "hyper.test:1: 'learning_rate' is no choice, got a distribution; expected learning_rate choice […]. "
        "List the values to try, or search: --algo tpe --max-trials 100\n"
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ("--algo", "tpe"),
            "--algo tpe: it has no end by itself; expected --max-trials, --time-budget or --stop-after",
        ),
        (("--algo", "tpee", "--max-trials", "3"), "--algo: unknown, got 'tpee'; expected one of grid, random, tpe,"),
        (
            ("--algo", "random", "--order", "shuffled", "--max-trials", "3"),
            "--order: got 'shuffled' with --algo random",
        ),
        (("--algo", "random", "--max-trials", "0"), "--max-trials: got 0; expected at least 1 trial"),
        (("--algo", "random", "--max-trials", "3", "--enqueue", "none.json"), "none.json: there is no such file"),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_runs(
    wide: Path, call: Call, options: tuple[str, ...], problem: str
) -> None:
    answer = call("run", "--runner", "train.py:product", *options)
    assert (answer.code, answer.out) == (2, "")
    assert problem in answer.err
    assert not (wide / "hyper.sweep").exists()


def test_points_given_first(wide: Path, call: Call) -> None:
    points = [{"learning_rate": 0.5, "k": 4}, {"learning_rate": 0.25, "k": 1}]
    (wide / "points.json").write_text(json.dumps(points))
    run = ("run", "--runner", "train.py:product", "--algo", "random", "--max-trials", "3", "--enqueue", "points.json")
    assert call(*run).code == 0
    assert [trial["params"] for trial in trials(call)][:2] == points
    (wide / "points.json").write_text(json.dumps(points[:1]))
    changed = call(*run, "--resume")
    assert changed.code == 2
    assert "enqueue: 2 points in the sweep, 1 now, not the same ones" in changed.err


def test_a_part_of_the_grid_at_random_without_repetition(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product", "--order", "shuffled", "--max-trials", "4")
    assert answer.code == 0
    points = [json.dumps(trial["params"]) for trial in trials(call)]
    assert len(set(points)) == 4


def test_an_end_without_improvement_is_named(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product", "--mode", "min", "--stop-after", "2")
    assert answer.code == 0
    assert "no new trial starts: 2 trials one after the other brought no better score (--stop-after)\n" in answer.err
    assert len(trials(call)) == 3
    way_on = "go on with a larger bound: hypersweep resume hyper.sweep --stop-after …"
    assert call("status").out.splitlines()[-1] == way_on


def test_one_trial_is_no_plural(wide: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product", "--algo", "random", "--max-trials", "1")
    assert answer.err.startswith("sweep: 1 trial by random, 0 done")


def test_what_a_search_would_do(wide: Path, call: Call) -> None:
    answer = call("plan", "--algo", "random", "--max-trials", "5")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[2:4] == ["combinations: no grid, because 'learning_rate' is no choice", "trials: 5, by random"]
    call("run", "--runner", "train.py:product", "--algo", "random", "--max-trials", "5")
    planned = json.loads(call("plan", "--algo", "random", "--max-trials", "5", "--json").out)
    ran = trials(call)
    assert [planned["first"], planned["last"]] == [ran[0]["params"], ran[-1]["params"]]
    assert (planned["algo"], planned["max_trials"], planned["grid_size"]) == ("random", 5, None)


def test_the_grid_is_as_large_as_planned_whatever_is_run_of_it(folder: Path, call: Call) -> None:
    options = ("--max-trials", "2", "--repeats", "2")
    planned = json.loads(call("plan", *options, "--json").out)
    call("run", "--runner", "train.py:product", *options)
    assert json.loads(call("status", "--json").out)["grid_size"] == planned["grid_size"] == 6


def test_a_plan_without_an_end_is_a_problem(wide: Path, call: Call) -> None:
    answer = call("plan", "--algo", "tpe")
    assert answer.code == 2
    assert "problem: --algo tpe: it has no end by itself" in answer.out


REPEATED = """
def run(params, trial):
    if params["k"] == 2 and trial.seed == 2021:
        raise ValueError("no")
    score = round(params["learning_rate"] * params["k"] + trial.seed % 10 / 100, 4)
    return {"best_valid_score": score, "best_valid_result": {"ndcg@10": score}, "test_result": {"ndcg@10": trial.seed}}
"""


def test_repeats_are_told_with_their_spread(folder: Path, call: Call) -> None:
    (folder / "repeated.py").write_text(REPEATED)
    plan = call("plan", "--repeats", "3", "--max-trials", "4")
    assert "repeats: 3 of each combination: 12 trials\n" in plan.out
    answer = call("run", "--runner", "repeated.py:run", "--repeats", "3", "--set", "metric_decimal_place=4")
    assert answer.code == 1, "some repeats have failed"
    assert "sweep: 18 trials (3 repeats each), 0 done" in answer.err
    assert "; mean ndcg@10 0.11 ± 0.01 (3 repeats)" in answer.err
    assert "all 6 points of the space: 6 finished; 3 of them with failed repeats\n" in answer.err
    best = json.loads(call("best", "--json").out)
    assert (best["params"], best["result"]["best_valid_score"]) == ({"k": 2, "learning_rate": 0.3}, 0.61)
    assert best["spread"]["finished"] == 2
    assert (
        best["spread"]["best_valid_result"]["ndcg@10"]
        == best["spread"]["best_valid_score"]
        == pytest.approx(0.0141, abs=1e-4)
    )
    assert best["spread"]["test_result"]["ndcg@10"] == pytest.approx(1.4142, abs=1e-4)
    assert json.loads(call("status", "--json").out)["best"] == best
    assert json.loads(call("best", "--metric", "ndcg@10", "--json").out) == best
    assert json.loads(call("best", "hyper.result", "--json").out)["result"] == best["result"]
    assert "best: trials 15 to 17, ndcg@10 0.61 ± 0.014 (2 of 3 repeats), " in call("status").out
    assert "best spread: {'finished': 2, 'repeats': 3, 'best_valid_score': 0.0141" in call("best").out


def test_a_mean_is_told_where_the_last_of_the_repeats_has_failed(folder: Path, call: Call) -> None:
    (folder / "repeated.py").write_text(REPEATED)
    answer = call("run", "--runner", "repeated.py:run", "--repeats", "2")
    lines = [line for line in answer.err.splitlines() if " trial 11: failed after " in line]
    assert len(lines) == 1
    assert lines[0].endswith(": ValueError: no; mean ndcg@10 0.6 (1 of 2 repeats)  (best so far)")


def test_repeats_in_the_table_of_trials(folder: Path, call: Call) -> None:
    (folder / "repeated.py").write_text(REPEATED)
    call("run", "--runner", "repeated.py:run", "--repeats", "3", "--set", "metric_decimal_place=4")
    found = trials(call)
    assert [(trial["combination"], trial["repeat"], trial["seed"]) for trial in found[:4]] == [
        (0, 0, 2020), (0, 1, 2021), (0, 2, 2022), (1, 0, 2020)
    ]  # fmt: skip
    assert [trial["mean"] for trial in found[::3]] == [0.11, 0.21, 0.21, 0.41, 0.31, 0.61]
    top = json.loads(call("trials", "--top", "2", "--json").out)
    assert [(one["number"], one["combination"], one["repeat"], one["score"]) for one in top] == [
        (15, 5, None, 0.61), (9, 3, None, 0.41)
    ]  # fmt: skip
    table = call("trials").out
    assert "combination  repeat  mean" in table
    assert "2 of 3" in table


def test_where_the_score_is_not_chosen_status_says_how_to_go_on(folder: Path, call: Call) -> None:
    (folder / "open.py").write_text("def run(params):\n    return {'hit': 0.1, 'mrr': 0.2}\n")
    assert call("run", "--runner", "open.py:run").code == 2
    way_on = "go on with: hypersweep resume hyper.sweep --metric NAME"
    assert call("status").out.splitlines()[-1] == way_on
