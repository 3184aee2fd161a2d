"""A runner that gives the results of a published log again, in RecBole's form."""

from __future__ import annotations

from typing import Any

from hypersweep.resultlog import read_log
from hypersweep.runner import LiveTrial
from hypersweep.trial import Params


def run(params: Params, trial: LiveTrial) -> dict[str, Any]:
    """The settings name the `log`, the `model`, and a file `ran` to which each trial adds its number."""
    with open(str(trial.settings["ran"]), "a") as ran:
        ran.write(f"{trial.number}\n")
    blocks = read_log(str(trial.settings["log"]))
    (block,) = (block for block in blocks if block.params == dict(params))
    return {
        "model": trial.settings["model"],
        "best_valid_score": block.result.valid["ndcg@10"],
        "valid_score_bigger": True,
        "best_valid_result": block.result.valid,
        "test_result": block.result.test,
    }
