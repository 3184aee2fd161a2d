from __future__ import annotations

import math

import pytest

from hypersweep.recommend.early_stopping import EarlyStopping


def run(patience: int, scores: list[float]) -> tuple[list[bool], int]:
    """Which scores were taken as the best, and after how many it stopped (or all)."""
    stopping, best = EarlyStopping(patience), []
    for score in scores:
        best.append(stopping.update(score))
        if stopping.should_stop:
            break
    return best, len(best)


def test_it_stops_at_more_than_patience_worse_in_a_row() -> None:
    assert run(10, [0.5] + [0.4] * 20)[1] == 12  # the 11th worse one
    assert run(0, [0.5, 0.4, 0.6])[1] == 2


def test_a_tie_is_an_improvement() -> None:
    assert run(1, [0.5, 0.4, 0.5, 0.4, 0.3, 0.2]) == ([True, False, True, False, False], 5)


def test_zero_is_a_score() -> None:
    assert run(0, [0.0, 0.0])[0] == [True, True]


@pytest.mark.parametrize("scores", [[math.nan] * 5, [0.1, math.nan, math.nan, math.nan]])
def test_nan_is_worse(scores: list[float]) -> None:
    best, num_scores = run(1, scores)
    assert best == [score == score for score in scores[:num_scores]]
    assert num_scores < len(scores) or num_scores == 3
