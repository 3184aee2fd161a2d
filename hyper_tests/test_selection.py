"""Which number of a result is its score, which direction is better, which of several is the best."""

from __future__ import annotations

import math

import pytest

from hypersweep.errors import SelectionError
from hypersweep.selection import Objective, best_of, choose_log_metric, find_score_name, has_bigger_better, is_better
from hypersweep.trial import Result

RANKING = Result(valid={"recall@10": 0.2, "NDCG@10": 0.1}, test={"recall@10": 0.3, "auc": 0.4})


def judged(score: float, bigger: bool = True) -> Result:
    return Result(score=score, bigger=bigger)


@pytest.mark.parametrize(
    ("objective", "result", "score", "bigger"),
    [
        # which number
        (Objective(), Result(valid={"score": 3}), 3, True),
        (Objective(), Result(valid={"a": 1.0, "b": 2.0}, score=7.0), 7.0, True),
        (Objective(), Result(valid={"a": 1.0, "b": 2.0}, score=0.0, bigger=True), 0.0, True),
        (Objective("recall@10"), RANKING, 0.2, True),
        (Objective("ndcg@10"), RANKING, 0.1, True),
        (Objective("a"), Result(valid={"A": 1, "a": 2}), 2, True),
        (Objective("b"), Result(valid={"a": 1.0, "b": 2.0}, score=7.0), 2.0, True),
        (Objective(), Result(valid={"test_score": 0.4, "score": 0.5}), 0.5, True),
        # which direction
        (Objective(), Result(valid={"loss": 1.0}), 1.0, False),
        (Objective(), Result(valid={"RMSE@10": 1.0}), 1.0, False),
        (Objective(), Result(valid={"loss": 1.0}, score=1.0, bigger=True), 1.0, True),
        (Objective(), Result(valid={"loss": 1.0}, score=1.0), 1.0, False),
        (Objective(), Result(valid={"loss": 1.0, "a": 2.0}, score=1.0), 1.0, True),
        (Objective(), Result(valid={"distance": 1.0}, score=1.0, bigger=False), 1.0, False),
        (Objective("distance"), Result(valid={"distance": 1.0}, score=1.0, bigger=False), 1.0, False),
        (Objective("accuracy"), Result(valid={"nll": 1.0, "accuracy": 0.5}, score=1.0, bigger=False), 0.5, True),
        (Objective("loss"), Result(valid={"loss": 1.0, "accuracy": 0.5}, score=0.5, bigger=True), 1.0, False),
        (Objective("perplexity"), Result(valid={"perplexity": 9.0, "x": 1.0}, score=9.0, bigger=False), 9.0, False),
        (Objective(), Result(valid={"loss": 1.0, "test_loss": 2.0}), 1.0, False),
        (Objective(), Result(valid={"loss": 1.0, "test_loss": 2.0}, score=1.0), 1.0, False),
        (Objective("way"), Result(valid={"way": 1.0, "test_way": 2.0}, score=3.0, bigger=False), 1.0, False),
        (Objective("loss", "max"), Result(valid={"loss": 1.0}), 1.0, True),
        (Objective(None, "min"), Result(valid={"a": 1.0}, score=1.0, bigger=True), 1.0, False),
    ],
)
def test_judge(objective: Objective, result: Result, score: float, bigger: bool) -> None:
    given = objective.judge(result)
    assert (given.score, given.bigger) == (score, bigger)
    assert (given.valid, given.test, given.model) == (result.valid, result.test, result.model)


@pytest.mark.parametrize("name", ["loss", "LogLoss", "rmse@5", "mae", "mse", "error"])
def test_smaller_is_better_by_name(name: str) -> None:
    assert not has_bigger_better(name)


@pytest.mark.parametrize("name", ["ndcg@10", "score", "auc", "val_loss", "losses"])
def test_bigger_is_better_for_all_others(name: str) -> None:
    assert has_bigger_better(name)


@pytest.mark.parametrize(
    ("objective", "result", "message"),
    [
        (
            Objective(),
            RANKING,
            r"^the result has several metrics, got recall@10, NDCG@10; expected to be told which one is the score\. "
            r"Name it: --metric recall@10$",
        ),
        (
            Objective(),
            Result(valid={"test_a": 1.0, "b": 2.0, "a": 1.0}),
            r"^the result has several metrics, got b, a; expected .*\. Name it: --metric b$",
        ),
        (
            Objective(),
            Result(valid={"test_a": 1.0, "test_b": 2.0}),
            r"^--metric: a test metric cannot choose the best trial, got 'test_a'; expected a validation metric\.",
        ),
        (Objective(), Result(), r"^the result has no validation metric; expected one to choose the best trial by\."),
        (
            Objective("ncdg@10"),
            RANKING,
            r"^--metric: the result has no such metric, got 'ncdg@10'; expected a validation metric: recall@10, "
            r"NDCG@10\. Did you mean 'ndcg@10'\? Name one of the result's$",
        ),
        (Objective("xyz"), RANKING, r"got 'xyz'; expected a validation metric: recall@10, NDCG@10\. Name one"),
        (
            Objective("a"),
            Result(valid={"b": 1.0, "test_a": 1.0}),
            r"got 'a'; expected a validation metric: b\. Name one",
        ),
        (Objective("a"), Result(score=1.0), r"got 'a'; expected validation metrics, of which it has none\."),
        (
            Objective("AUC"),
            RANKING,
            r"^--metric: a test metric cannot choose the best trial, got 'AUC'; expected a validation metric: "
            r"recall@10, NDCG@10\. Choose by validation; test results are shown for the best$",
        ),
        (
            Objective(),
            Result(valid={"test_acc": 1.0}),
            r"^--metric: a test metric cannot .*, got 'test_acc'; expected a",
        ),
        (Objective("test_acc"), Result(valid={"test_acc": 1.0}), r"a test metric cannot choose"),
    ],
)
def test_no_score(objective: Objective, result: Result, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        objective.judge(result)


@pytest.mark.parametrize("metric", ["test_ndcg@10", "test ndcg", "TEST/auc", "test@10", "test"])
def test_a_test_metric_is_refused_before_anything_runs(metric: str) -> None:
    with pytest.raises(
        SelectionError, match=r"^--metric: a test metric cannot choose .*; expected a validation metric\."
    ):
        Objective(metric).check()


@pytest.mark.parametrize("metric", [None, "testimony", "contest_score", "ndcg@10"])
def test_other_metrics_are_not(metric: str | None) -> None:
    Objective(metric, "max").check()


@pytest.mark.parametrize(
    ("valid", "name"),
    [
        ({"nll": 7.0}, "nll"),
        ({"nll": 7.0, "test_nll": 0.5}, "nll"),
        ({"test_auc": 0.5, "auc": 0.5}, "auc"),
        ({"test_auc": 0.5, "nll": 7.0, "mrr": 0.1}, None),
    ],
)
def test_the_name_of_a_score(valid: dict[str, float], name: str | None) -> None:
    assert find_score_name(Result(valid=valid, score=0.5)) == name


def test_modes() -> None:
    with pytest.raises(
        SelectionError, match=r"^--mode: unknown, got 'biggest'; expected max or min\. Use one of these$"
    ):
        Objective("a", "biggest").check()


@pytest.mark.parametrize(
    ("objective", "text"),
    [
        (Objective("ndcg@10"), "score: ndcg@10, bigger is better"),
        (Objective("loss"), "score: loss, smaller is better"),
        (Objective("loss", "max"), "score: loss, bigger is better"),
        (Objective(None, "min"), "score: the runner's own or its only metric, smaller is better"),
        (Objective(), "score: the runner's own, told with the first result"),
    ],
)
def test_describe(objective: Objective, text: str) -> None:
    assert objective.describe() == text


@pytest.mark.parametrize(
    ("valid", "metric", "chosen"),
    [
        ({"a": 1.0, "b": 1.0}, "B", "b"),
        ({"recall@10": 1.0, "ndcg@10": 1.0}, None, "ndcg@10"),
        ({"recall@10": 1.0, "NDCG@10": 1.0}, None, "NDCG@10"),
        ({"auc": 1.0}, None, "auc"),
    ],
)
def test_the_metric_of_a_bare_log(valid: dict[str, float], metric: str | None, chosen: str) -> None:
    results = [Result(valid={name: value}) for name, value in valid.items()]
    assert choose_log_metric(results, metric) == chosen


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (None, r"^the result has several metrics, got a, b; expected"),
        ("c", r"no such metric, got 'c'; expected a validation metric: a, b\."),
        ("t", r"a test metric cannot choose the best trial, got 't'; expected a validation metric: a, b\."),
        ("test_a", r"a test metric cannot choose"),
    ],
)
def test_no_metric_of_a_bare_log(metric: str | None, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        choose_log_metric([Result(valid={"a": 1.0}), Result(valid={"b": 1.0}, test={"t": 1.0})], metric)


@pytest.mark.parametrize(
    ("new", "best", "expected"),
    [
        (judged(2.0), judged(1.0), True),
        (judged(1.0), judged(1.0), False),
        (judged(1.0), judged(2.0), False),
        (judged(1.0, False), judged(2.0, False), True),
        (judged(2.0, False), judged(2.0, False), False),
        (judged(0.0), None, True),
        (judged(0.0), judged(-1.0), True),
        (judged(-1.0), judged(0.0), False),
        (judged(math.nan), None, False),
        (judged(math.nan), judged(1.0), False),
        (judged(1.0), judged(math.nan), True),
        (judged(math.inf), judged(1.0), True),
        (judged(-math.inf, False), judged(1.0, False), True),
        (Result(), None, False),
    ],
)
def test_is_better(new: Result, best: Result | None, expected: bool) -> None:
    assert is_better(new, best) is expected


def test_the_first_of_equals_is_the_best() -> None:
    scores = [math.nan, 0.0, 0.5, 0.5, -1.0]
    pairs = [(number, judged(score)) for number, score in enumerate(scores)]
    assert best_of(pairs) == pairs[2]
    assert best_of((number, judged(score, False)) for number, score in enumerate(scores)) == (4, judged(-1.0, False))
    assert best_of(pairs[:1]) is None
    assert best_of(pairs[:0]) is None
