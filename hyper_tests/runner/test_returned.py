"""What a runner may return, and what it may not."""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy
import pytest

from hypersweep.errors import RunnerError
from hypersweep.resultlog import format_block
from hypersweep.runner import LiveTrial
from hypersweep.runner.returned import read_returned
from hypersweep.trial import Result

FULL = {
    "model": "LightSANs",
    "best_valid_score": 0.1363,
    "valid_score_bigger": True,
    "best_valid_result": OrderedDict([("recall@10", 0.2559), ("ndcg@10", 0.1363)]),
    "test_result": OrderedDict([("recall@10", 0.2458)]),
}


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        (0.5, Result(valid={"score": 0.5})),
        (0, Result(valid={"score": 0})),
        (-3, Result(valid={"score": -3})),
        (math.inf, Result(valid={"score": math.inf})),
        (10**400, Result(valid={"score": math.inf})),
        ({"b": 1, "a": 0.25}, Result(valid={"b": 1, "a": 0.25})),
        ({"ndcg@10": numpy.float32(0.5)}, Result(valid={"ndcg@10": 0.5})),
        (numpy.float64(0.1), Result(valid={"score": 0.1})),
        (numpy.int64(7), Result(valid={"score": 7})),
        (numpy.array(0.5), Result(valid={"score": 0.5})),
        (numpy.array([0.5]), Result(valid={"score": 0.5})),
        ({"loss": 0.3, "status": "ok"}, Result(valid={"loss": 0.3}, score=0.3, bigger=False)),
        ({"loss": 0.3, "status": "ok", "attachments": {}}, Result(valid={"loss": 0.3}, score=0.3, bigger=False)),
        (
            FULL,
            Result(
                valid={"recall@10": 0.2559, "ndcg@10": 0.1363},
                test={"recall@10": 0.2458},
                model="LightSANs",
                score=0.1363,
                bigger=True,
            ),
        ),
        (
            {"best_valid_score": 0.5, "valid_score_bigger": False},
            Result(valid={"score": 0.5}, score=0.5, bigger=False),
        ),
        ({"test_result": {"auc": 1.0}}, Result(test={"auc": 1.0})),
        ({"best_valid_result": {"auc": 1.0}, "test_result": None}, Result(valid={"auc": 1.0})),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_results(returned: Any, result: Result) -> None:
    read = read_returned(returned)
    assert read == result
    assert list(read.valid) == list(result.valid), "in the runner's order"
    assert {type(value) for value in [*read.valid.values(), *read.test.values()]} <= {int, float}
    assert Result.from_json(read.to_json()) == read


@pytest.mark.parametrize("returned", [math.nan, numpy.float32("nan"), {"a": math.nan}])
def test_nan_is_a_result(returned: Any) -> None:
    (value,) = read_returned(returned).valid.values()
    assert type(value) is float
    assert math.isnan(value)


def test_numpys_numbers_print_as_plain_ones() -> None:
    assert format_block({}, read_returned({"a": numpy.float64(0.1), "b": numpy.int32(3)})) == (
        "\nValid result:\na : 0.1    b : 3\n\n"
    )


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (None, "the runner returned None; expected a number, a mapping of metric names to numbers"),
        ("0.5", r"the runner returned '0.5' \(a str\); expected a number"),
        (True, r"the runner returned True \(a bool\)"),
        ({}, r"the runner returned {} \(a dict\), which has no metric; expected"),
        ([0.5], r"the runner returned \[0.5\] \(a list\)"),
        (1j, r"the runner returned 1j \(a complex\)"),
        (numpy.array([0.5, 1.0]), r"the metric 'score' is array\(\[0.5, 1. \]\) \(a ndarray\); expected a number"),
        (numpy.bool_(True), r"the metric 'score' is True \(a bool\)"),
        ({"a": None}, "the metric 'a' is None; expected a number. Return a float"),
        ({"a": "0.5"}, r"the metric 'a' is '0.5' \(a str\)"),
        ({"a": False}, r"the metric 'a' is False \(a bool\)"),
        ({"a": {"b": 1}}, r"the metric 'a' is {'b': 1} \(a dict\)"),
        ({"my metric": 1.0}, "the log cannot carry the metric, got 'my metric'; expected a name without blanks"),
        ({"a:b": 1.0}, "the log cannot carry the metric, got 'a:b'"),
        ({"": 1.0}, "the log cannot carry the metric, got ''"),
        ({"a\nb": 1.0}, "the log cannot carry the metric"),
        ({"test_result": {"my metric": 1.0}}, "the log cannot carry the metric"),
        ({"loss": 0.1, "status": "fail"}, "the runner returned the status 'fail'; expected 'ok'"),
        ({"status": "fail"}, "the runner returned the status 'fail'; expected 'ok'"),
        ({"loss": None, "status": "ok"}, "the metric 'loss' is None"),
        ({"best_valid_result": [1, 2]}, r"best_valid_result is \[1, 2\] \(a list\); expected a mapping"),
        ({"best_valid_score": "high", "best_valid_result": {"a": 1}}, "the metric 'best_valid_score' is 'high'"),
        ({"best_valid_score": None}, "which has no metric"),
        ("x" * 10_000, "x{100}…; expected a number"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_result(returned: Any, text: str) -> None:
    with pytest.raises(RunnerError, match=text) as raised:
        read_returned(returned)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    ("step", "metrics", "text"),
    [
        (1, {"loss": "low"}, "the metric 'loss' is 'low'"),
        (1, 0.5, r"trial.report is 0.5 \(a float\); expected a mapping"),
        (2**63, {"loss": 0.5}, "trial.report: the step is 9223372036854775808; expected a whole number of 64 bits"),
        (0.5, {"loss": 0.5}, r"trial.report: the step is 0\.5; expected a whole number of 64 bits\. Count from 0 or 1"),
        (math.inf, {"loss": 0.5}, "trial.report: the step is inf; expected"),
        (None, {"loss": 0.5}, "trial.report: the step is None; expected"),
    ],
)
def test_a_report_that_is_none(step: int, metrics: Any, text: str) -> None:
    with pytest.raises(RunnerError, match=text):
        LiveTrial(0, 1, Path("folder")).report(step, metrics)


def test_a_report_is_sent_as_plain_numbers() -> None:
    sent: list[Any] = []
    trial = LiveTrial(0, 1, Path("folder"), send_report=lambda step, metrics: sent.append((step, metrics)))
    trial.report(numpy.int64(3), {"loss": numpy.float32(0.5)})
    assert sent == [(3, {"loss": 0.5})]
    assert trial.last_step == 3
    assert [type(value) for value in (sent[0][0], sent[0][1]["loss"])] == [int, float]
