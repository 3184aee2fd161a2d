"""The best is what brute force finds: the first trial that no other one beats, never NaN."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from hypersweep.selection import best_of
from hypersweep.trial import Result

scores = st.lists(
    st.sampled_from([0.0, -0.0, 1, 1.0, -1.0, 0.5, math.nan, math.inf, -math.inf]) | st.floats(), max_size=8
)


@given(scores, st.booleans())
@settings(max_examples=300)
def test_the_best_is_what_brute_force_finds(scores: list[float], bigger: bool) -> None:
    numbers = [score for score in scores if not math.isnan(score)]
    best = best_of((number, Result(score=score, bigger=bigger)) for number, score in enumerate(scores))
    if not numbers:
        assert best is None
    else:
        assert best is not None
        assert best[0] == scores.index(max(numbers) if bigger else min(numbers))
