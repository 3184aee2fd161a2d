"""Which trial is best: which number of a result is its score, and whether more of it is better; and that test metrics,
which choose nothing, are sealed until a sweep has ended."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypersweep.errors import SelectionError, did_you_mean
from hypersweep.trial import Finished, Outcome, Result

SMALLER_IS_BETTER = ("logloss", "loss", "rmse", "mae", "mse", "error")
LOG_METRIC = "ndcg@10"

_TEST_NAME = re.compile(r"test(?![a-z])", re.IGNORECASE)

Item = TypeVar("Item")


@dataclass(frozen=True)
class Objective:
    """What `--metric` and `--mode` say. None: the runner's own score, or its only metric, not counting test metrics;
    the runner's own direction, or the one of the metric's name.

    The runner's direction is that of its own score. It holds for a named metric if that has the runner's score or is
    the result's only one. All others go by name: a runner may well score by its loss and be asked for its accuracy.
    """

    metric: str | None = None
    mode: str | None = None

    def check(self) -> None:
        """Raises `SelectionError` for what can be refused before anything runs."""
        if self.metric is not None and not self.metric.strip():
            raise SelectionError(
                f"--metric: got {self.metric!r}; expected the name of a metric. Name one, or leave it out"
            )
        if self.metric is not None and _TEST_NAME.match(self.metric):
            raise _refuse_test(self.metric, ())
        if self.mode not in (None, "max", "min"):
            raise SelectionError(f"--mode: unknown, got {self.mode!r}; expected max or min. Use one of these")

    def judge(self, result: Result) -> Result:
        """A copy with the `score` and the direction `bigger` that count in the sweep.

        Raises `SelectionError` if the result does not have the metric, or has several and none is named.
        """
        self.check()
        if self.metric is None and result.score is not None:
            names = list(without_test(result.valid)) if result.bigger is None else []
            return result.judged(result.score, self._is_bigger(names[0] if len(names) == 1 else "", result.bigger))
        name = self._choose_metric(result)
        score = result.valid[name]
        is_own = self.metric is None or score == result.score or len(without_test(result.valid)) == 1
        return result.judged(score, self._is_bigger(name, result.bigger if is_own else None))

    def refuse_test(self, result: Result) -> None:
        """Raises `SelectionError` if the metric is one of the result's test metrics only."""
        self.check()
        is_absent = self.metric is not None and find_metric(result.valid, self.metric) is None
        if self.metric is not None and is_absent and find_metric(result.test, self.metric) is not None:
            raise _refuse_test(self.metric, without_test(result.valid))

    def _choose_metric(self, result: Result) -> str:
        if self.metric is not None:
            name = find_metric(result.valid, self.metric)
            if name is not None:
                return name
            self.refuse_test(result)
            raise _tell_absent(self.metric, without_test(result.valid))
        names = list(without_test(result.valid))
        if result.valid and not names:
            raise _refuse_test(next(iter(result.valid)), ())
        if len(names) != 1:
            raise _tell_unchosen(names)
        return names[0]

    def _is_bigger(self, name: str, own: bool | None) -> bool:
        if self.mode is not None:
            return self.mode == "max"
        return has_bigger_better(name) if own is None else own

    def is_left_open(self, judged: Result) -> bool:
        """Whether the first result told more of the score than `describe`, or something else."""
        if self.metric is None:
            return True
        return self.mode is None and judged.bigger != has_bigger_better(self.metric)

    def describe(self) -> str:
        """`score: ndcg@10, bigger is better`: what is known before anything has run."""
        bigger = has_bigger_better(self.metric) if self.mode is None and self.metric is not None else self.mode == "max"
        if self.metric is None and self.mode is None:
            return "score: the runner's own, told with the first result"
        name = "the runner's own or its only metric" if self.metric is None else self.metric
        return f"score: {name}, {'bigger' if bigger else 'smaller'} is better"


def without_test(metrics: Mapping[str, float]) -> Mapping[str, float]:
    """The metrics without those that are test metrics by their names."""
    if not any(map(_TEST_NAME.match, metrics)):
        return metrics
    return {name: value for name, value in metrics.items() if not _TEST_NAME.match(name)}


def seal(result: Result) -> Result:
    """The result without its test metrics, those among the validation metrics that bear such a name included."""
    valid = without_test(result.valid)
    if not result.test and valid is result.valid:
        return result
    return Result(valid, {}, result.model, result.score, result.bigger)


def seal_outcome(outcome: Outcome) -> Outcome:
    """The outcome with its result sealed, if it has one."""
    if not isinstance(outcome, Finished):
        return outcome
    sealed = seal(outcome.result)
    return outcome if sealed is outcome.result else Finished(sealed)


def loss_of(judged: Result) -> float:
    """The score turned so that smaller is better; NaN if there is none."""
    score = math.nan if judged.score is None else judged.score
    return -score if judged.bigger else score


def has_bigger_better(metric: str) -> bool:
    """The direction by name: `Loss` and `rmse@10` smaller, everything but these few bigger."""
    return metric.partition("@")[0].lower() not in SMALLER_IS_BETTER


def find_score_name(judged: Result) -> str | None:
    """The metric that is the score: the only one, else the first of that value; None if it is none of them."""
    valid = without_test(judged.valid)
    names = [name for name, value in valid.items() if value == judged.score or len(valid) == 1]
    return names[0] if names else None


def find_metric(metrics: Iterable[str], name: str) -> str | None:
    """The metric of that name: exactly, else the first that differs in case only, else None."""
    names = list(metrics)
    if name in names:
        return name
    return next((other for other in names if other.lower() == name.lower()), None)


def choose_log_metric(results: Iterable[Result], metric: str | None = None) -> str:
    """The metric by which the results of a bare log are compared: the named one, else `ndcg@10`, else the only one.

    Raises `SelectionError` if no result has it, or there are several to choose from.
    """
    Objective(metric).check()
    valid: dict[str, float] = {}
    test: dict[str, float] = {}
    for result in results:
        valid.update(result.valid)
        test.update(result.test)
    if metric is None and find_metric(valid, LOG_METRIC) is not None:
        metric = LOG_METRIC
    return Objective(metric)._choose_metric(Result(valid=valid, test=test))


def is_better(new: Result, best: Result | None) -> bool:
    """Whether a judged result beats the best so far, strictly: of equals the first stays. NaN beats nothing."""
    if new.score is None or math.isnan(new.score):
        return False
    if best is None or best.score is None or math.isnan(best.score):
        return True
    return new.score > best.score if new.bigger else new.score < best.score


def best_of(pairs: Iterable[tuple[Item, Result]]) -> tuple[Item, Result] | None:
    """The pair with the best judged result, the first of equals; None if none has a score that is a number."""
    best: tuple[Item, Result] | None = None
    for pair in pairs:
        if is_better(pair[1], best and best[1]):
            best = pair
    return best


def _refuse_test(name: str, valid: Iterable[str]) -> SelectionError:
    expected = f"a validation metric{_listed(valid)}"
    return SelectionError(
        f"--metric: a test metric cannot choose the best trial, got {name!r}; expected {expected}. "
        "Choose by validation; test results are shown for the best"
    )


def _tell_absent(name: str, valid: Mapping[str, float]) -> SelectionError:
    hint = did_you_mean(name.lower(), [other.lower() for other in valid])
    expected = f"a validation metric{_listed(valid)}" if valid else "validation metrics, of which it has none"
    return SelectionError(
        f"--metric: the result has no such metric, got {name!r}; expected {expected}.{hint} Name one of the result's"
    )


def _tell_unchosen(names: Sequence[str]) -> SelectionError:
    if not names:
        return SelectionError(
            "the result has no validation metric; expected one to choose the best trial by. Return one from the runner"
        )
    return SelectionError(
        f"the result has several metrics, got {', '.join(names)}; expected to be told which one is the score. "
        f"Name it: --metric {names[0]}"
    )


def _listed(valid: Iterable[str]) -> str:
    names = ", ".join(valid)
    return f": {names}" if names else ""
