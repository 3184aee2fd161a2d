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


def test_what_is_no_pruner_is_told(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product", "--prune", "ahsa")
    assert (answer.code, answer.err) == (
        2,
        "--prune: unknown, got 'ahsa'; expected one of median, asha, hyperband, none. "
        "Did you mean 'asha'? Choose one\n",
    )
