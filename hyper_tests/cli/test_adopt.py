"""`run --from-result`: what a log holds is not run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.cli.sweeps import BEST, LOG, blocks, lines_with

HALF = "".join(f"{block}\n\n" for block in blocks(LOG)[1::2])
RUN = ("run", "--runner", "train.py:product", "--from-result")


def test_only_the_missing_trials_run(folder: Path, call: Call) -> None:
    (folder / "old.result").write_text(HALF)
    answer = call(*RUN, "old.result")
    assert answer.code == 0
    assert answer.out.endswith(BEST)
    assert answer.err.startswith("3 finished trials were taken from old.result\nsweep: 6 trials, 3 done, ")
    assert [line.split(":")[0] for line in lines_with(answer.err, "] trial")] == [
        "[4/6] trial 0",
        "[5/6] trial 2",
        "[6/6] trial 4",
    ]
    assert (folder / "hyper.result").read_text() == LOG
    assert (folder / "old.result").read_text() == HALF


def test_a_whole_log_leaves_nothing_to_run(folder: Path, call: Call) -> None:
    (folder / "old.result").write_text(LOG)
    answer = call(*RUN, "old.result")
    assert answer.code == 0
    assert lines_with(answer.err, "] trial") == []
    assert (folder / "hyper.result").read_text() == LOG


def test_the_file_in_the_target_s_place_is_moved_aside(folder: Path, call: Call) -> None:
    (folder / "hyper.result").write_text(HALF)
    answer = call(*RUN, "hyper.result")
    assert answer.code == 0
    assert answer.err.startswith("hyper.result was moved to hyper.result.old-1\n3 finished trials were taken from ")
    assert (folder / "hyper.result").read_text() == LOG
    assert (folder / "hyper.result.old-1").read_text() == HALF


def test_a_log_of_somebody_else_is_never_overwritten(folder: Path, call: Call) -> None:
    (folder / "hyper.result").write_text(HALF)
    for options in ((), ("--resume",)):
        answer = call("run", "--runner", "train.py:product", *options)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            "hyper.result: is there already, and no sweep of hypersweep that made it; expected no such file. "
            "Take its trials as finished: --from-result hyper.result; or write elsewhere: --out DIR\n"
        )
    assert (folder / "hyper.result").read_text() == HALF
    assert not (folder / "hyper.sweep").exists()
    assert call("run", "--runner", "train.py:product", "--out", "other").code == 0
    assert (folder / "hyper.result").read_text() == HALF


def test_recbole_s_log_is_read_and_its_score_is_ndcg(folder: Path, call: Call) -> None:
    (folder / "old.result").write_text(
        "k:2, learning_rate:0.1\nValid result:\nrecall@10 : 0.3    ndcg@10 : 0.2    \n".rstrip(" \n")
        + "\nTest result:\nrecall@10 : 0.2    ndcg@10 : 0.1\n\n\n"
    )
    (folder / "hyper.test").write_text("learning_rate choice [0.1]\nk choice [2]\n")
    answer = call("run", "--runner", "train.py:full", "--from-result", "old.result", "--set", "model=SASRec")
    assert answer.code == 0, answer.err
    assert "'model': 'SASRec', 'best_valid_score': 0.2, 'valid_score_bigger': True" in answer.out


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("k:3, learning_rate:0.1", "old.result:1: 'k' has no value '3' in the space; expected one of 1, 2. "),
        ("k:1", "old.result:1: 'learning_rate' is missing; expected learning_rate, k. "),
        ("k:1, learning_rate:0.1, z:1", "old.result:1: 'z' is no parameter of the space; expected learning_rate, k. "),
        ("", "old.result"),
    ],
)
def test_a_log_that_does_not_fit_is_refused_and_nothing_written(
    folder: Path, call: Call, log: str, message: str
) -> None:
    (folder / "old.result").write_text(f"{log}\nValid result:\nscore : 0.5\n\n")
    before = sorted(folder.iterdir())
    answer = call(*RUN, "old.result")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(message)
    assert sorted(path for path in folder.iterdir() if path.name != "__pycache__") == before


def test_a_log_with_several_metrics_needs_one_named(folder: Path, call: Call) -> None:
    (folder / "old.result").write_text("k:1, learning_rate:0.1\nValid result:\nmrr : 0.1    loss : 0.2\n\n")
    answer = call(*RUN, "old.result")
    assert answer.code == 2
    assert "the result has several metrics, got mrr, loss; " in answer.err
    answer = call("run", "--runner", "train.py:metrics", "--metric", "loss", "--from-result", "old.result")
    assert answer.code == 0
    assert "best loss: 0.1]" in answer.out


SEVERAL = "k:1, learning_rate:0.1\nValid result:\nndcg@10 : 0.1    loss : 0.1\n\n"


def test_new_results_whose_score_is_left_open_are_kept(folder: Path, call: Call) -> None:
    """The log's trials have a score by the rule for logs; that of a runner's several metrics is nobody's guess."""
    (folder / "old.result").write_text(SEVERAL)
    answer = call("run", "--runner", "train.py:metrics", "--from-result", "old.result")
    assert answer.code == 2
    assert "the result has several metrics, got ndcg@10, loss" in answer.err
    assert '"finished": 2, "failed": 0' in call("status", "--json").out
    answer = call("resume", "--metric", "loss")
    assert answer.code == 0
    assert "best params:  {'k': 1, 'learning_rate': 0.1}" in answer.out
    assert '"finished": 6, "failed": 0' in call("status", "--json").out


def test_a_whole_log_needs_no_data(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("k_interests choice [3]\n")
    (folder / "old.result").write_text("k_interests:3\nValid result:\nndcg@10 : 0.5\n\n")
    answer = call("run", "--dataset", "nowhere", "--set", "valid_metric=NDCG@10", "--from-result", "old.result")
    assert (answer.code, answer.err.count("there")) == (0, 0), answer.err
    assert "'model': 'LightSANs', 'best_valid_score': 0.5" in answer.out
