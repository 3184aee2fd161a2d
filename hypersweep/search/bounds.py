"""The values that a parameter without a list can have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypersweep.space import Distribution

WHOLE = ("randint", "uniformint")


@dataclass(frozen=True)
class Bounds:
    """All numbers from `low` to `high`, or the multiples of `step` among them; `is_log`: drawn by their logarithm."""

    low: float
    high: float
    step: float | None = None
    is_log: bool = False

    def fit(self, value: float) -> float | None:
        """The value that is meant, which is a multiple of the step; None if there is none."""
        if not (math.isfinite(value) and self.low <= value <= self.high):
            return None
        if self.step is None:
            return value
        multiple = round(value / self.step) * self.step
        if value == multiple:
            return value  # -0.0 is one, too
        return multiple if math.isclose(value, multiple, rel_tol=1e-9, abs_tol=1e-12) else None

    def __str__(self) -> str:
        numbers = "a number" if self.step is None else f"a multiple of {self.step}"
        return f"{numbers} from {self.low} to {self.high}"


def bounds_of(distribution: Distribution) -> Bounds:
    """As hyperopt draws: multiples are rounded to, so that they may lie outside of the bounds given."""
    arguments = distribution.arguments
    low, high, *rest = arguments if len(arguments) > 1 else (0, *arguments)
    kind = distribution.kind
    if kind in WHOLE:
        return Bounds(low, high - (kind == "randint"), 1)
    if "normal" in kind:
        low, high = (0.0 if "log" in kind else -math.inf), math.inf
    is_log = "log" in kind
    if kind in ("loguniform", "qloguniform"):
        low, high = math.exp(low), math.exp(high)
    if not kind.startswith("q"):
        return Bounds(low, high, is_log=is_log)
    (step,) = rest
    lowest, highest = (bound if math.isinf(bound) else round(bound / step) * step for bound in (low, high))
    return Bounds(lowest, highest, step, is_log)
