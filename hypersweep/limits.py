"""Whether a sweep has reached one of its bounds before everything was tried."""

from __future__ import annotations

import time

from hypersweep.selection import is_better
from hypersweep.study import Study
from hypersweep.trial import Result


class Limits:
    """The time that is left of the budget, and how many trials have ended since the score last got better.

    Ends count in the order in which they came, those of earlier sessions too; a bound once reached stays reached.
    """

    def __init__(self, study: Study) -> None:
        budget = study.budget
        self.stop_after = budget.stop_after
        self.ends_at: float | None = None
        if budget.time_budget_s is not None:
            self.ends_at = time.monotonic() + budget.time_budget_s - study.elapsed_s()
        self.best: Result | None = None
        self.num_since_best = 0
        self.has_stalled = False
        if budget.stop_after is not None:
            for recorded in study.ended():
                self.note_end(recorded.result)

    def note_end(self, judged: Result | None) -> None:
        """A trial has ended for good; `judged` is there if it has finished."""
        if self.stop_after is None:
            return
        if judged is not None and is_better(judged, self.best):
            self.best = judged
            self.num_since_best = 0
        else:
            self.num_since_best += 1
        if self.num_since_best >= self.stop_after:
            self.has_stalled = True

    @property
    def is_time_over(self) -> bool:
        return self.ends_at is not None and time.monotonic() >= self.ends_at

    @property
    def option_reached(self) -> str | None:
        """The option whose bound has been reached; None if none has been."""
        return "--time-budget" if self.is_time_over else f"--stop-after {self.stop_after}" if self.has_stalled else None

    def tell_reached(self) -> str | None:
        """Which bound has been reached, in words; None if none has."""
        if self.is_time_over:
            return "the time budget is spent (--time-budget)"
        if self.has_stalled:
            return f"{self.stop_after} trials one after the other brought no better score (--stop-after)"
        return None
