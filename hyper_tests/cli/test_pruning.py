"""`--prune` from the command line: what is printed, and what stays of the trials that were stopped."""

from __future__ import annotations

import json
from pathlib import Path

from hyper_tests.cli.conftest import Call
from hypersweep.resultlog import read_log

RUNNER = """
def run(params, trial):
    for step in range(1, 4):
        trial.report(step, {"score": params["learning_rate"] * params["k"] * step})
    return {"score": params["learning_rate"] * params["k"] * step}
"""
REASON = "asha: score 0.2 at step 1; 1 of 3 trials were better at step 1, where 1 go on"


def test_what_was_stopped_and_why_is_told(folder: Path, call: Call) -> None:
    (folder / "curve.py").write_text(RUNNER)
    (folder / "hyper.test").write_text("learning_rate choice [0.1, 0.3, 0.2]\nk choice [1]\n")
    answer = call("run", "--runner", "curve.py:run", "--prune", "asha", "--reduction-factor", "4")
    assert answer.code == 0
    assert f"[3/3] trial 2: pruned at step 1 after 0.0 s, learning_rate:0.2, k:1: {REASON}" in answer.err
    assert answer.out.startswith("100%|██████████| 3/3 [")
    assert [block.params["learning_rate"] for block in read_log("hyper.result")] == [0.1, 0.3]
    (row,) = json.loads(call("trials", "--state", "pruned", "--json").out)
    assert (row["number"], row["step"], row["error"]) == (2, 1, REASON)
    status = call("status").out
    assert "2 finished, 1 pruned" in status
    assert "why trials were pruned: hypersweep trials hyper.sweep --state pruned" in status
    assert json.loads(call("status", "--json").out)["pruned"] == [
        {"number": 2, "params": {"learning_rate": 0.2, "k": 1}, "step": 1, "reason": REASON}
    ]


def test_the_curve_of_a_trial(folder: Path, call: Call) -> None:
    more = '* step, **({"nan": float("nan")} if step > 2 else {})})'
    (folder / "curve.py").write_text(RUNNER.replace("* step})", more))
    (folder / "hyper.test").write_text("learning_rate choice [0.5, 0.25]\nk choice [1]\n")
    assert call("run", "--runner", "curve.py:run", "--metric", "score", "--prune", "asha").code == 0
    assert json.loads(call("trials", "--curve", "0", "--json").out) == [
        {"step": 1, "metrics": {"score": 0.5}},
        {"step": 2, "metrics": {"score": 1.0}},
        {"step": 3, "metrics": {"score": 1.5, "nan": None}},
    ]
    assert call("trials", "--curve", "0", "--csv").out == "step,score,nan\n1,0.5,\n2,1.0,\n3,1.5,nan\n"
    answer = call("trials", "--curve", "1")
    assert (answer.code, answer.out.splitlines()[1].split()) == (0, ["1", "0.25"])
    assert answer.err.startswith("trial 1: pruned: asha: score 0.25 at step 1; 1 of 2 trials were better")


def test_the_curve_of_a_trial_that_has_none(folder: Path, call: Call) -> None:
    assert call("run", "--runner", "train.py:fails_for_2").code == 1
    answer = call("trials", "--curve", "1")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "trial 1: failed: ValueError: no two\ntrial 1 has reported nothing\n"
    assert call("trials", "--curve", "1", "--json").out == "[]\n"
    assert call("trials", "--curve", "1", "--csv").out == "step\n"
    absent = call("trials", "--curve", "9")
    assert absent.code == 2
    assert "trial 9 has not been started; expected one of the trials (0 to 5)" in absent.err
    both = call("trials", "--curve", "1", "--state", "failed")
    assert (both.code, "--curve is of one trial, got --state with it; drop one of the two" in both.err) == (2, True)


def test_what_is_no_pruner_is_told(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product", "--prune", "ahsa")
    assert (answer.code, answer.err) == (
        2,
        "--prune: unknown, got 'ahsa'; expected one of median, asha, hyperband, none. "
        "Did you mean 'asha'? Choose one\n",
    )
