"""What a runner may return, as a Result."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

from hypersweep.errors import RunnerError
from hypersweep.resultlog import find_result_problem
from hypersweep.trial import Result

EXPECTED = "expected a number, a mapping of metric names to numbers, {'loss': …, 'status': 'ok'} or RecBole's mapping"

_FULL = ("best_valid_score", "best_valid_result", "test_result")


def read_returned(returned: Any) -> Result:
    """The Result that a runner's return value stands for; raises `RunnerError` for anything that is none.

    - a number: the metric `score`
    - hyperopt's `{'loss': …, 'status': 'ok'}`: the metric `loss`, smaller is better
    - RecBole's `{'model', 'best_valid_score', 'valid_score_bigger', 'best_valid_result', 'test_result'}`
    - any other mapping: validation metrics
    """
    if _is_number(returned):
        result = Result(valid={"score": _as_number("score", returned)})
    elif not isinstance(returned, Mapping):
        raise RunnerError(f"the runner returned {_shortened(returned)}; {EXPECTED}. Return its metrics")
    elif "status" in returned and ("loss" in returned or isinstance(returned["status"], str)):
        result = _read_hyperopt(returned)
    elif any(key in returned for key in _FULL):
        result = _read_full(returned)
    else:
        result = Result(valid=read_metrics("the result", returned))
    if not result.valid and not result.test:
        raise RunnerError(
            f"the runner returned {_shortened(returned)}, which has no metric; {EXPECTED}. Return its metrics"
        )
    problem = find_result_problem(result)
    if problem:
        raise RunnerError(problem)
    return result


def _read_hyperopt(returned: Mapping[str, Any]) -> Result:
    if returned["status"] != "ok":
        raise RunnerError(f"the runner returned the status {returned['status']!r}; expected 'ok'. See the trial's log")
    loss = _as_number("loss", returned.get("loss"))
    return Result(valid={"loss": loss}, score=loss, bigger=False)


def _read_full(returned: Mapping[str, Any]) -> Result:
    valid = read_metrics("best_valid_result", returned.get("best_valid_result") or {})
    test = read_metrics("test_result", returned.get("test_result") or {})
    score, bigger, model = (returned.get(key) for key in ("best_valid_score", "valid_score_bigger", "model"))
    if score is not None:
        score = _as_number("best_valid_score", score)
        if not valid and not test:
            valid = {"score": score}
    return Result(
        valid=valid,
        test=test,
        model=None if model is None else str(model),
        score=score,
        bigger=None if bigger is None else bool(bigger),
    )


def read_metrics(where: str, metrics: Any) -> dict[str, float]:
    """Metrics by name as Python numbers; raises `RunnerError` for anything else."""
    if not isinstance(metrics, Mapping):
        raise RunnerError(f"{where} is {_shortened(metrics)}; expected a mapping of metric names to numbers. Mend it")
    return {str(name): _as_number(str(name), value) for name, value in metrics.items()}


def _is_number(value: Any) -> bool:
    """Python's numbers, and the scalars of NumPy and torch (whatever has one item to give)."""
    if isinstance(value, (bool, str, bytes, Mapping)):
        return False
    return isinstance(value, (int, float)) or callable(getattr(value, "item", None))


def _as_number(name: str, value: Any) -> float:
    """The Python number that `value` is: ints stay ints, as the log writes them."""
    if _is_number(value) and not isinstance(value, (int, float)):
        with contextlib.suppress(ValueError, RuntimeError):  # more than one element
            value = value.item()
    if not _is_number(value) or not isinstance(value, (int, float)):
        raise RunnerError(f"the metric {name!r} is {_shortened(value)}; expected a number. Return a float")
    if isinstance(value, int) and abs(value) > 2**1023:
        return math.inf if value > 0 else -math.inf
    # A subclass such as numpy.float64 prints as itself; the log wants plain numbers.
    return int(value) if isinstance(value, int) else float(value)


def _shortened(value: Any) -> str:
    text = f"{value!r} (a {type(value).__name__})" if value is not None else "None"
    return text if len(text) <= 200 else text[:200] + "…"
