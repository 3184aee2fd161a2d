"""A space, its runners, and what a finished sweep over them gives."""

from __future__ import annotations

from pathlib import Path

SPACE = "learning_rate choice [0.1, 0.2, 0.3]\nk choice [1, 2]\n"

RUNNERS = '''
import json, os, time

def product(params):
    return params["learning_rate"] * params["k"]

def metrics(params):
    return {"ndcg@10": params["learning_rate"] * params["k"], "loss": params["learning_rate"]}

def full(params):
    valid = {"recall@10": params["learning_rate"], "ndcg@10": params["k"] / 10}
    return {
        "model": "LightSANs",
        "best_valid_score": valid["ndcg@10"],
        "valid_score_bigger": True,
        "best_valid_result": valid,
        "test_result": {"recall@10": 0.05, "ndcg@10": float("nan")},
    }

def fails_for_2(params):
    print("k is", params["k"])
    if params["k"] == 2:
        raise ValueError("no two")
    return params["learning_rate"]

def fails_at_first(params, trial):
    if params["k"] == 2 and trial.attempt == 1:
        raise ValueError("at first")
    return params["learning_rate"] * params["k"]

def saves(params, trial):
    (trial.checkpoint_dir / "weights").write_text("w")
    return params["learning_rate"] * params["k"]

def nan(params):
    return float("nan")

def keyed(params, trial):
    return trial.settings.get("epochs", 1) * params["k_interests"]

keyed.keys = ["k_interests", "epochs"]

def told(params, trial):
    print(json.dumps({"settings": trial.settings, "seed": trial.seed, "threads": os.environ.get("OMP_NUM_THREADS")}))
    return 1.0

def waits(params, trial):
    """Trial 0 ends at once, the others when there is a file `go`."""
    deadline = time.monotonic() + 60
    while trial.number and not os.path.exists("go"):
        trial.report(1, {"score": 0.5})
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return params["learning_rate"] * params["k"]
'''

BEST = """\
best params:  {'k': 2, 'learning_rate': 0.3}
best result: 
{'best_valid_score': 0.6, 'valid_score_bigger': True, 'best_valid_result': OrderedDict([('score', 0.6)])}
"""  # noqa: W291

LOG = """\
k:1, learning_rate:0.1
Valid result:
score : 0.1

k:2, learning_rate:0.1
Valid result:
score : 0.2

k:1, learning_rate:0.2
Valid result:
score : 0.2

k:2, learning_rate:0.2
Valid result:
score : 0.4

k:1, learning_rate:0.3
Valid result:
score : 0.3

k:2, learning_rate:0.3
Valid result:
score : 0.6

"""


def write_inputs(folder: Path, space: str = SPACE) -> None:
    """`hyper.test` and `train.py`."""
    (folder / "hyper.test").write_text(space, encoding="utf-8")
    (folder / "train.py").write_text(RUNNERS, encoding="utf-8")


def blocks(log: str) -> list[str]:
    """The trials of a log as texts."""
    return log.removesuffix("\n\n").split("\n\n")


def lines_with(text: str, part: str) -> list[str]:
    return [line for line in text.splitlines() if part in line]
