"""When to stop training."""

from __future__ import annotations


class EarlyStopping:
    """RecBole's rule: a tie counts as an improvement; training stops at the validation that makes *more than*
    `patience` in a row worse than the best. A NaN is never an improvement."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_score = float("-inf")
        self.num_worse = 0

    def update(self, score: float) -> bool:
        """Takes the next (rounded) score; is it as good as the best so far, or better?"""
        if score >= self.best_score:
            self.best_score = score
            self.num_worse = 0
            return True
        self.num_worse += 1
        return False

    @property
    def should_stop(self) -> bool:
        return self.num_worse > self.patience
