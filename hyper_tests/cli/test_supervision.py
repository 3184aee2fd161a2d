"""The options for failing trials and for checkpoints, as a user gives and sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.cli.sweeps import LOG, lines_with
from hypersweep import Study, sweep
from hypersweep.supervision import Supervision


def test_failed_trials_are_tried_again(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:fails_at_first", "--retries", "1", "--pool", "local")
    assert answer.code == 0
    assert (folder / "hyper.result").read_text() == LOG
    again = lines_with(answer.err, "will be tried again")
    assert [line.split()[2] for line in again] == ["1:", "3:", "5:"]
    assert lines_with(answer.err, "[6/6] trial 5 (attempt 2): score 0.6 in ")
    assert json.loads(call("status", "--json").out)["counts"]["failed"] == 0
    (row,) = (row for row in json.loads(call("trials", "--json").out) if row["number"] == 3)
    assert row["attempt"] == 2
    assert row["failures"] == [{"attempt": 1, "error": "ValueError: at first"}]


def test_failures_for_good_can_be_tried_again_later(folder: Path, call: Call) -> None:
    first = call("run", "--runner", "train.py:fails_at_first")
    assert first.code == 1
    assert lines_with(first.err, "try the failed ones again: hypersweep resume hyper.sweep --retry-failed")
    assert call("resume").code == 1, "without being asked it tries none again"
    answer = call("resume", "--retry-failed")
    assert answer.code == 0
    assert (folder / "hyper.result").read_text() == LOG
    assert call("resume", "--retry-failed").code == 0, "none is left"


def test_the_first_failure_may_end_the_sweep(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:fails_for_2", "--on-error", "stop")
    assert answer.code == 1
    assert lines_with(answer.err, "warning: stopping: trial 1 has failed for good (--on-error stop)")
    with Study(folder) as study:
        assert study.tell_counts() == "4 waiting, 1 finished, 1 failed"
    assert call("resume", "--on-error", "continue").code == 1
    with Study(folder) as study:
        assert study.tell_counts() == "3 finished, 3 failed"


@pytest.mark.parametrize(("keep", "kept"), [("best", [5]), ("all", [0, 1, 2, 3, 4, 5]), ("none", [])])
def test_whose_checkpoints_are_kept(folder: Path, call: Call, keep: str, kept: list[int]) -> None:
    assert call("run", "--runner", "train.py:saves", "--keep", keep).code == 0
    found = (folder / "hyper.sweep/trials").glob("*/*/checkpoint/weights")
    assert sorted(int(path.parents[1].name) for path in found) == kept


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("0.5s", 0.5), ("45m", 2700), ("3h", 10800), ("1h30m", 5400), ("2d", 172800)],
)
def test_durations(folder: Path, call: Call, text: str, seconds: float) -> None:
    assert call("run", "--runner", "train.py:product", "--trial-timeout", text).code == 0
    with Study(folder) as study:
        assert Supervision(**study.meta["supervision"]).trial_timeout_s == seconds


@pytest.mark.parametrize("text", ["", "h", "3 h", "1m2h", "-5", "soon"])
def test_what_is_no_duration(folder: Path, call: Call, text: str) -> None:
    answer = call("run", "--runner", "train.py:product", "--trial-timeout", text)
    assert answer.code == 2
    assert f"got {text!r}; expected a duration such as 90s, 45m, 3h or 1h30m" in answer.err
    assert not (folder / "hyper.sweep").exists()


def test_a_resume_keeps_what_it_is_not_told(folder: Path, call: Call) -> None:
    call("run", "--runner", "train.py:product", "--retries", "2", "--keep", "all")
    call("resume", "--retries", "3")
    with Study(folder) as study:
        assert Supervision(**study.meta["supervision"]) == Supervision(retries=3, keep="all")


def test_an_option_that_is_none(folder: Path) -> None:
    with pytest.raises(TypeError, match="no such option: retry"):
        sweep(folder / "hyper.test", runner="train.py:product", retry=1)  # type: ignore[call-arg]


def test_trials_that_are_tried_again_are_not_done_yet(folder: Path, call: Call) -> None:
    call("run", "--runner", "train.py:fails_at_first")
    answer = call("resume", "--retry-failed")
    assert lines_with(answer.err, "sweep: 6 trials, 3 done, ")
    assert [line.split()[0] for line in lines_with(answer.err, "(attempt 2)")] == ["[4/6]", "[5/6]", "[6/6]"]


def test_the_attempts_of_a_trial_are_told_apart(folder: Path, call: Call) -> None:
    call("run", "--runner", "train.py:fails_for_2", "--retries", "2")
    log = call("logs", "1").out
    assert log.startswith("k is 2\n")
    assert [line for line in log.splitlines() if line.startswith(("k is", "-- "))] == [
        "k is 2",
        "-- attempt 2 --",
        "k is 2",
        "-- attempt 3 --",
        "k is 2",
    ]


def test_the_table_shows_attempts_where_there_are_several(folder: Path, call: Call) -> None:
    call("run", "--runner", "train.py:fails_for_2")
    assert "attempt" not in call("trials").out.splitlines()[0].split()
    call("resume", "--retry-failed")
    assert "attempt" in call("trials").out.splitlines()[0].split()


def test_checkpoints_can_be_given_up_later(folder: Path, call: Call) -> None:
    call("run", "--runner", "train.py:saves", "--keep", "all")
    assert call("resume", "--keep", "none").code == 0
    assert list((folder / "hyper.sweep").glob("trials/*/*/checkpoint")) == []


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [("--ray-address", "auto", "'auto'"), ("--gpus-per-trial", "0.5", "0.5"), ("--shared", "/x", "'/x'")],
)
@pytest.mark.parametrize("words", [("run", "--runner", "train.py:product"), ("resume",)], ids=["run", "resume"])
def test_options_of_a_cluster_without_one(
    folder: Path, call: Call, words: tuple[str, ...], option: str, value: str, shown: str
) -> None:
    if words == ("resume",):
        call("run", "--runner", "train.py:product")
    answer = call(*words, option, value)
    assert answer.code == 2
    assert f"{option}: is for a cluster, got {shown} with --pool inline; expected --pool ray. Add it" in answer.err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            "--min-steps 4",
            "--min-steps: is for pruning, got 4 with --prune none; expected --prune asha or hyperband or ",
        ),
        ("--prune median --reduction-factor 4", "--reduction-factor: is for pruning, got 4 with --prune median; "),
    ],
)
@pytest.mark.parametrize("words", [("run", "--runner", "train.py:product"), ("resume",)], ids=["run", "resume"])
def test_options_of_a_pruner_that_has_no_use_for_them(
    folder: Path, call: Call, words: tuple[str, ...], given: str, told: str
) -> None:
    if words == ("resume",):
        call("run", "--runner", "train.py:product")
    answer = call(*words, *given.split())
    assert (answer.code, told in answer.err) == (2, True)


def test_the_bounds_of_pruning_are_checked_without_it(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product", "--min-steps", "0")
    assert (answer.code, "--min-steps: got 0; expected at least 1" in answer.err) == (2, True)
