from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyper_tests.recommend.builders import interactions, pairs_of
from hypersweep.recommend.filters import Sequences, drop_duplicates, keep_core, keep_values, order_by_time
from hypersweep.recommend.options import DATA_OPTIONS, parse_settings

PAIRS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), min_size=1, max_size=60)


def core_by_brute_force(pairs: list[tuple[str, str]], user_min: int, item_min: int) -> list[tuple[str, str]]:
    """Drops one wrong row after the other."""
    pairs = list(pairs)
    while True:
        users, items = Counter(user for user, _ in pairs), Counter(item for _, item in pairs)
        wrong = [pair for pair in pairs if users[pair[0]] < user_min or items[pair[1]] < item_min]
        if not wrong:
            return pairs
        pairs.remove(wrong[0])


@given(PAIRS, st.integers(1, 5), st.integers(1, 5))
def test_core_is_that_of_brute_force(pairs: list[tuple[str, str]], user_min: int, item_min: int) -> None:
    rows = keep_core(interactions(pairs), f"[{user_min},inf)", f"[{item_min},inf)")
    assert Counter(pairs_of(rows)) == Counter(core_by_brute_force(pairs, user_min, item_min))


def test_core_needs_several_rounds() -> None:
    pairs = [("a", "x"), ("a", "y"), ("b", "y"), ("b", "z"), ("c", "x"), ("c", "w"), ("d", "w")]
    assert pairs_of(keep_core(interactions(pairs), "[2,inf)", "[2,inf)")) == []


def test_core_without_intervals_keeps_all() -> None:
    rows = interactions([("a", "x")])
    assert keep_core(rows, None, None) is rows


def test_users_and_items_are_dropped_in_the_same_round() -> None:
    """With an upper bound the order matters: z loses its third row only after it was counted."""
    pairs = [("a", "z"), ("b", "z"), ("b", "x"), ("c", "z"), ("c", "x")]
    assert pairs_of(keep_core(interactions(pairs), "[2,inf)", "[1,2]")) == []


def test_values() -> None:
    rows = interactions([("a", "x"), ("b", "y"), ("c", "z")], rating=[2, 3, 5], timestamp=[9, 8, 7])
    assert pairs_of(keep_values(rows, {"rating": "[3,inf)", "timestamp": "(7,8]"})) == [("b", "y")]
    assert keep_values(rows, None) is rows


def test_values_among_tokens() -> None:
    rows = interactions([("a", "x"), ("b", "y"), ("c", "z")], rating=[2, 3, 5], genre=[True, False, True])
    assert pairs_of(keep_values(rows, {"genre": ["sf"]})) == [("a", "x"), ("c", "z")]
    assert pairs_of(keep_values(rows, {"genre": ["sf"], "rating": "[3,inf)"})) == [("c", "z")]


@pytest.mark.parametrize(("keep", "times"), [("first", [1, 4]), ("last", [3, 4]), (None, [3, 1, 4])])
def test_duplicates(keep: str | None, times: list[float]) -> None:
    rows = interactions([("a", "x"), ("a", "x"), ("a", "y")], timestamp=[3, 1, 4])
    assert drop_duplicates(rows, keep, "timestamp").numbers["timestamp"].tolist() == times


def test_duplicates_without_times_go_by_the_file() -> None:
    rows = interactions([("a", "x"), ("a", "y"), ("a", "x")], rating=[1, 2, 3])
    assert drop_duplicates(rows, "first", None).numbers["rating"].tolist() == [1, 2]
    assert drop_duplicates(rows, "last", None).numbers["rating"].tolist() == [2, 3]


def order(times: list[float], **settings: Any) -> list[str]:
    """The items v, w, … of one user, with these times in the order of the file, by time."""
    items = "vwxyz"[: len(times)]
    rows = interactions([("a", item) for item in items], timestamp=times)
    sequences = order_by_time(rows, parse_settings(DATA_OPTIONS, settings))
    return [sequences.item_tokens[item - 1] for item in sequences.item_T]


# Three times within 64 s: float32 makes one of them.
CLOSE = [881_250_944.0 + 25, 881_250_944.0 + 5, 881_250_944.0 - 20]


def test_time_is_compared_as_float32_with_ties_in_file_order() -> None:
    assert len(set(np.array(CLOSE, dtype=np.float32))) == 1
    assert order(CLOSE) == ["v", "w", "x"]
    assert order([*CLOSE, 881_250_000.0]) == ["y", "v", "w", "x"]


def test_exact_time_order() -> None:
    assert order(CLOSE, time_order="exact") == ["x", "w", "v"]
    assert order(CLOSE, time_order="exact", normalize_all=True) == ["x", "w", "v"]


@pytest.mark.parametrize("settings", [{"normalize_all": True}, {"normalize_field": ["rating", "timestamp"]}])
def test_normalized_times_are_told_apart(settings: dict[str, Any]) -> None:
    assert order(CLOSE, **settings) == ["x", "w", "v"]


def test_normalizing_another_field_or_equal_times_changes_nothing() -> None:
    assert order(CLOSE, normalize_field=["rating"]) == ["v", "w", "x"]
    assert order([5.0, 5.0], normalize_all=True) == ["v", "w"]


def test_without_a_time_field_the_file_is_in_order() -> None:
    assert order([3, 2, 1], TIME_FIELD=None) == ["v", "w", "x"]


def test_numbers_are_given_by_first_appearance() -> None:
    rows = interactions([("b", "y"), ("a", "x"), ("b", "x"), ("c", "q")], timestamp=[5, 1, 2, 1])
    rows = rows.take(np.array([True, True, True, False]))
    found = order_by_time(rows, parse_settings(DATA_OPTIONS, {}))
    assert isinstance(found, Sequences)
    assert (found.user_tokens, found.item_tokens) == (["b", "a"], ["y", "x"])
    assert found.offset_U.tolist() == [0, 2, 3]
    assert found.item_T.tolist() == [2, 1, 2]
