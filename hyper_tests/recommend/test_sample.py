from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from hyper_tests.processes import ROOT
from hyper_tests.recommend.builders import live_trial
from hypersweep.recommend import prepare, run
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
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "4a9f20155ea1f4a8"


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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_more_interests_help_up_to_a_point(tmp_path: Path) -> None:
    """With the quickstart's settings, the means of three seeds, which are within about 0.006 of what many would give:
    the first eight interests more bring much, fifteen more on top of them less than half of that."""
    settings = yaml.safe_load((ROOT / "examples" / "quickstart" / "hyper.yaml").read_text(encoding="utf-8"))
    settings["learning_rate"] = 0.003

    def score(k_interests: int) -> float:
        scores = []
        for seed in (2020, 2021, 2022):
            trial = live_trial(tmp_path / f"{k_interests}-{seed}", settings, seed=seed, prepared=prepare(settings))
            scores.append(run({"k_interests": k_interests}, trial)["best_valid_score"])
        return float(np.mean(scores))

    one, some, many = score(1), score(9), score(24)
    assert some > one + 0.04
    assert many - some < (some - one) / 2
