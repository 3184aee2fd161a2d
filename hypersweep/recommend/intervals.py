"""Intervals as RecBole writes them: `[3,inf)`, `(3,5];[7,8]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.integer[Any] | np.floating[Any]]

_INTERVAL = re.compile(r"\s*([\[(])([^,]+),([^,]+)([\])])\s*")


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`; `has_low` and `has_high` say whether the ends belong to it."""

    low: float
    high: float
    has_low: bool
    has_high: bool

    def contains(self, values: Values) -> npt.NDArray[np.bool_]:
        """Elementwise; no interval contains NaN."""
        above = values >= self.low if self.has_low else values > self.low
        below = values <= self.high if self.has_high else values < self.high
        inside: npt.NDArray[np.bool_] = above & below
        return inside


def parse_intervals(text: str) -> tuple[Interval, ...]:
    """The intervals of a `;`-separated text; raises `ValueError` for one that is malformed or empty."""
    return tuple(_parse_interval(part) for part in text.split(";"))


def _parse_interval(text: str) -> Interval:
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no interval")
    low, high = float(match[2]), float(match[3])
    interval = Interval(low, high, has_low=match[1] == "[", has_high=match[4] == "]")
    is_empty = low > high or (low == high and not (interval.has_low and interval.has_high))
    if is_empty or low != low or high != high:
        raise ValueError(f"{text!r} contains nothing")
    return interval


def contain(intervals: Sequence[Interval], values: Values) -> npt.NDArray[np.bool_]:
    """Elementwise: does any of the intervals contain the value?"""
    inside = intervals[0].contains(values)
    for interval in intervals[1:]:
        inside = inside | interval.contains(values)
    return inside
