from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest

from hypersweep.recommend.filters import keep_core
from hypersweep.recommend.options import DATA_OPTIONS, parse_settings
from hypersweep.recommend.sample import SAMPLES, generate

DEFAULTS = parse_settings(DATA_OPTIONS, {})


@pytest.mark.parametrize(
    ("name", "num_users", "num_items", "num_rows"),
    [("sample:ml-1m", 6_034, 3_124, 834_449), ("sample:amazon-books", 40_550, 31_094, 1_181_294)],
)
def test_the_large_ones_have_the_sizes_of_the_published_data(
    name: str, num_users: int, num_items: int, num_rows: int
) -> None:
    rows = keep_core(generate(name, DEFAULTS), "[10,inf)", "[10,inf)")
    assert len(np.unique(rows.user_N)) == pytest.approx(num_users, rel=0.03)
    assert len(np.unique(rows.item_N)) == pytest.approx(num_items, rel=0.03)
    assert len(rows) == pytest.approx(num_rows, rel=0.03)


def test_it_is_the_same_everywhere() -> None:
    rows = generate("sample", DEFAULTS)
    text = " ".join(f"{user}:{item}" for user, item in zip(rows.user_N.tolist(), rows.item_N.tolist(), strict=True))
    assert len(rows) == 17_711
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "106f797f754c782d"


@pytest.mark.parametrize("name", SAMPLES)
def test_times_are_told_apart_and_ratings_are_three_to_five(name: str) -> None:
    rows = generate(name, {**DEFAULTS, "RATING_FIELD": "stars", "TIME_FIELD": None})
    assert set(rows.numbers) == {"stars", "timestamp"}
    assert set(rows.numbers["stars"]) == {3.0, 4.0, 5.0}
    times = rows.numbers["timestamp"].astype(np.float32)
    assert len({*zip(rows.user_N.tolist(), times.tolist(), strict=True)}) == len(rows)
    assert times.min() >= 1_490_000_000


def test_items_have_popularity() -> None:
    counts = sorted(Counter(generate("sample", DEFAULTS).item_N.tolist()).values())
    assert len(counts) == 300
    assert sum(counts[-30:]) > 2.5 * sum(counts[:30])
