"""Several runs of one combination, with a seed each: the mean of their results, and how they scatter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from hypersweep.trial import Result

Number = TypeVar("Number", float, "float | None")


@dataclass(frozen=True)
class Spread:
    """How the results of a combination scatter whose `repeats` runs have all ended, of which `finished` finished.

    `score`, `valid` and `test` are sample standard deviations (n - 1 in the divisor), None where fewer than two
    finished.
    """

    finished: int
    repeats: int
    score: float | None
    valid: Mapping[str, float | None]
    test: Mapping[str, float | None]


def average(results: Sequence[Result], decimals: int | None) -> Result:
    """The means of judged results, at least one, of the metrics that all of them have; rounded to `decimals` as their
    runner rounds, not at all for None."""
    scores = [result.score for result in results if result.score is not None]
    return Result(
        valid=_fold(lambda values: mean(values, decimals), [result.valid for result in results]),
        test=_fold(lambda values: mean(values, decimals), [result.test for result in results]),
        model=results[0].model,
        score=mean(scores, decimals) if len(scores) == len(results) else None,
        bigger=results[0].bigger,
    )


def measure_spread(results: Sequence[Result], repeats: int) -> Spread:
    """The spread of the judged results of those repeats that finished."""
    return Spread(
        finished=len(results),
        repeats=repeats,
        score=deviation([result.score for result in results if result.score is not None]),
        valid=_fold(deviation, [result.valid for result in results]),
        test=_fold(deviation, [result.test for result in results]),
    )


def _fold(of: Callable[[Sequence[float]], Number], parts: Sequence[Mapping[str, float]]) -> dict[str, Number]:
    """Metric by metric, for those that are in all of the parts."""
    names = [name for name in (parts[0] if parts else ()) if all(name in part for part in parts)]
    return {name: of([part[name] for part in parts]) for name in names}


def mean(values: Iterable[float], decimals: int | None) -> float:
    """The mean, the same in whatever order the values come; NaN with a NaN among them, or infinities of both signs."""
    numbers = [float(value) for value in values]
    unbounded = [number for number in numbers if not math.isfinite(number)]
    try:
        found = sum(unbounded) if unbounded else math.fsum(numbers) / len(numbers)
    except OverflowError:  # the sum is too large for a float; the mean is not
        found = float(sum(map(Fraction, numbers)) / len(numbers))
    return found if decimals is None else round(found, decimals)


def deviation(values: Sequence[float]) -> float | None:
    """The sample standard deviation; None of fewer than two values, NaN if one is not finite."""
    if len(values) < 2:
        return None
    center = mean(values, None)
    found = math.hypot(*(value - center for value in values)) / math.sqrt(len(values) - 1)
    return found if math.isfinite(found) else math.nan
