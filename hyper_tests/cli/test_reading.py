"""best, trials, status and logs: what they print, their JSON, and the forms of PATH."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.cli.sweeps import BEST

BEST_JSON: dict[str, Any] = {
    "params": {"k": 2, "learning_rate": 0.1},
    "result": {
        "model": "LightSANs",
        "best_valid_score": 0.2,
        "valid_score_bigger": True,
        "best_valid_result": {"recall@10": 0.1, "ndcg@10": 0.2},
        "test_result": {"recall@10": 0.05, "ndcg@10": None},
    },
}


def read(call: Call, *arguments: str) -> Any:
    """What a command prints as JSON, in which there is no NaN."""
    answer = call(*arguments, "--json")
    assert (answer.code, answer.err, answer.out.count("\n")) == (0, "", 1)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(answer.out, parse_constant=refuse)


@pytest.fixture
def full(folder: Path, call: Call) -> Path:
    assert call("run", "--runner", "train.py:full").code == 0
    return folder


@pytest.fixture
def failed(folder: Path, call: Call) -> Path:
    assert call("run", "--runner", "train.py:fails_for_2").code == 1
    return folder


def test_best_as_json(full: Path, call: Call) -> None:
    assert read(call, "best") == BEST_JSON
    of_log = read(call, "best", "hyper.result")
    assert of_log == {**BEST_JSON, "result": {**BEST_JSON["result"], "model": None}}


def test_best_by_another_metric(full: Path, call: Call) -> None:
    named = read(call, "best", "--metric", "recall@10")
    assert (named["params"], named["result"]["best_valid_score"]) == ({"k": 1, "learning_rate": 0.3}, 0.3)
    turned = read(call, "best", "--metric", "recall@10", "--mode", "min")
    assert turned["params"] == {"k": 1, "learning_rate": 0.1}
    assert read(call, "best", "hyper.result", "--metric", "recall@10") == {
        **named,
        "result": {**named["result"], "model": None},
    }
    answer = call("best", "--metric", "ndcg@1")
    assert (answer.code, answer.out) == (2, "")
    assert "got 'ndcg@1'; expected a validation metric: recall@10, ndcg@10. Did you mean 'ndcg@10'?" in answer.err


def test_trials_as_json(failed: Path, call: Call) -> None:
    first, second, *_ = trials = read(call, "trials")
    assert [trial["number"] for trial in trials] == [*range(6)]
    keys = ["number", "state", "params", "score", "valid", "test", "attempt", "seed", "step"]
    keys += ["started_at", "ended_at", "duration_s", "error", "failures"]
    assert all(list(trial) == keys for trial in trials)
    assert (first["state"], first["score"], first["valid"], first["error"]) == ("finished", 0.1, {"score": 0.1}, None)
    assert (second["state"], second["score"], second["valid"], second["test"]) == ("failed", None, {}, {})
    assert (second["error"], second["params"]) == ("ValueError: no two", {"learning_rate": 0.1, "k": 2})
    assert (first["failures"], second["failures"]) == ([], [{"attempt": 1, "error": "ValueError: no two"}])
    assert (second["attempt"], second["seed"], second["duration_s"] >= 0) == (1, 2020, True)


def test_nan_is_null(folder: Path, call: Call) -> None:
    call("run", "--runner", "train.py:nan")
    assert {(trial["score"], trial["valid"]["score"]) for trial in read(call, "trials")} == {(None, None)}
    assert read(call, "status")["best"] is None


def test_trials_of_a_state_and_the_best_of_them(failed: Path, call: Call) -> None:
    assert [trial["number"] for trial in read(call, "trials", "--state", "failed")] == [1, 3, 5]
    assert [trial["number"] for trial in read(call, "trials", "--top", "2")] == [4, 2]
    assert [trial["number"] for trial in read(call, "trials", "--top", "99", "--state", "finished")] == [4, 2, 0]
    none = call("trials", "--state", "pruned")
    assert (none.code, none.out, none.err) == (0, "", "hyper.sweep: no such trials\n")
    assert call("trials", "--state", "pruned", "--csv").out == "number,state,attempt,seed,duration_s,error\n"


def test_trials_as_csv(failed: Path, call: Call) -> None:
    answer = call("trials", "--csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    names = ["number", "state", "learning_rate", "k", "score"]
    assert list(rows[0]) == [*names, "valid score", "attempt", "seed", "duration_s", "error"]
    assert [row["score"] for row in rows] == ["0.1", "", "0.2", "", "0.3", ""]
    assert rows[1]["error"] == "ValueError: no two"


def test_trials_as_a_table(failed: Path, call: Call) -> None:
    lines = call("trials").out.splitlines()
    assert re.split("  +", lines[0].strip()) == [
        "number",
        "state",
        "learning_rate",
        "k",
        "score",
        "valid score",
        "duration_s",
        "error",
    ]
    assert lines[2].split()[:4] == ["1", "failed", "0.1", "2"]
    assert lines[2].rstrip().endswith("ValueError: no two")
    assert len(lines) == 7


def test_status_as_json(failed: Path, call: Call) -> None:
    status = read(call, "status")
    assert list(status) == ["counts", "certificate", "grid_size", "repeats", "best", "failures", "pruned"]
    assert status["counts"] == {"waiting": 0, "running": 0, "finished": 3, "failed": 3, "pruned": 0}
    assert status["certificate"] == {
        **{"algo": "grid", "points": 6, "finished": 3, "failed": 3, "pruned": 0, "not_run": 0, "forbidden": None},
        **{"partly_failed": 0, "is_forbidden_exact": True, "max_trials": None, "reason": None, "is_complete": True},
    }
    assert status["grid_size"] == 6
    assert status["best"] == read(call, "best")
    assert status["failures"][1] == {
        "number": 3,
        "params": {"learning_rate": 0.2, "k": 2},
        "error": "ValueError: no two",
    }


def test_status_as_text(failed: Path, call: Call) -> None:
    answer = call("status")
    lines = answer.out.splitlines()
    assert lines[0].startswith("hyper.sweep: finished, 3 finished, 3 failed, after ")
    assert lines[1] == "all 6 points of the space: 3 finished, 3 failed"
    assert lines[2:4] == ["best: trial 4, score 0.3, learning_rate:0.3, k:1", "failed: trial 1: ValueError: no two"]
    assert lines[-2:] == [
        "see a trial's log: hypersweep logs 1 hyper.sweep",
        "try the failed ones again: hypersweep resume hyper.sweep --retry-failed",
    ]


def test_the_log_of_a_trial(failed: Path, call: Call) -> None:
    log = call("logs", "1")
    assert log.code == 0
    assert log.out.startswith("k is 2\n") and log.out.endswith("ValueError: no two\n")
    assert call("logs", "0").out == "k is 1\n"
    answer = call("logs", "6")
    assert (answer.code, answer.out) == (2, "")
    assert "trial 6 has not been started; expected one of the trials (0 to 5)" in answer.err


@pytest.mark.parametrize("pool", ["inline", "local"])
def test_a_silent_trial_has_an_empty_log(folder: Path, call: Call, pool: str) -> None:
    call("run", "--runner", "train.py:product", "--pool", pool)
    answer = call("logs", "0")
    assert (answer.code, answer.out, answer.err) == (0, "", "trial 0 (finished) has written nothing\n")


@pytest.mark.parametrize("path", ["", ".", "hyper.sweep", "hyper.sweep/", "hyper.test"])
def test_a_sweep_is_found_by(folder: Path, call: Call, path: str) -> None:
    call("run", "--runner", "train.py:product")
    named = [path] if path else []
    assert call("best", *named).out == BEST
    assert call("status", *named).out.startswith("hyper.sweep: finished, 6 finished, after ")
    assert call("resume", *named).out.endswith(BEST)
    assert call("logs", "0", *named).code == call("trials", *named).code == 0


@pytest.mark.parametrize("words", ["logs", "trials --curve"])
@pytest.mark.parametrize("number", ["6", "99999999999999999999"])
def test_a_trial_that_there_is_not(full: Path, call: Call, words: str, number: str) -> None:
    answer = call(*words.split(), number)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(
        f"hyper.sweep: trial {number} has not been started; expected one of the trials (0 to 5)"
    )


def test_more_of_the_best_than_there_are(full: Path, call: Call) -> None:
    assert call("trials", "--top", "99999999999999999999").out == call("trials", "--top", "6").out


def test_several_sweeps_in_a_folder_are_listed(full: Path, call: Call) -> None:
    shutil.copytree("hyper.sweep", "again.sweep")
    shutil.copy("hyper.result", "again.result")
    for command in ("best", "status", "resume", "trials"):
        answer = call(command)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == ".: holds 2 sweeps, got again.sweep, hyper.sweep; expected one. Name one of them\n"
    assert call("status", "again.sweep").code == 0


def test_best_of_a_folder_with_a_bare_log_names_it(folder: Path, call: Call) -> None:
    (folder / "old.result").write_text("a:1\nValid result:\nscore : 0.5\n\na:2\nValid result:\nscore : 0.25\n\n")
    answer = call("best")
    assert answer.code == 2
    assert answer.err.endswith("a bare log is there: hypersweep best old.result\n")
    assert call("best", "old.result").out.startswith("best params:  {'a': 1}\nbest result: \n")


def test_an_empty_log_and_one_without_a_number(folder: Path, call: Call) -> None:
    (folder / "old.result").write_text("")
    assert "old.result: holds no trial; expected at least one" in call("best", "old.result").err
    (folder / "old.result").write_text("a:1\nValid result:\nscore : nan\n\n")
    answer = call("best", "old.result")
    assert (answer.code, answer.err) == (
        2,
        "old.result: score is nan in every trial; expected a number. Name another --metric\n",
    )


def test_what_is_told_to_be_run_can_be_pasted(folder: Path, call: Call) -> None:
    (folder / "my sweeps").mkdir()
    assert call("run", "--runner", "train.py:fails_for_2", "--out", "my sweeps").code == 1
    told = call("status", "my sweeps").out.splitlines()[-2]
    assert told == "see a trial's log: hypersweep logs 1 'my sweeps/hyper.sweep'"
    again = call("run", "--runner", "train.py:fails_for_2", "--out", "my sweeps")
    assert "or hypersweep resume 'my sweeps/hyper.sweep'; start anew" in again.err
    (folder / "my sweeps").rename("-s")
    assert "hypersweep logs 1 ./-s/hyper.sweep" in call("status", "--", "-s").out
