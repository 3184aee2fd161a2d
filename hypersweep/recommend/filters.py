"""What a data set goes through before it is split: values, duplicates, k-core, order. RecBole 1.2.1's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hypersweep.recommend.interactions import Codes, Flags, Interactions, Numbers
from hypersweep.recommend.intervals import contain, parse_intervals


@dataclass(frozen=True)
class Sequences:
    """T items of U users, a user's items in the order of time: `item_T[offset_U[u] : offset_U[u + 1]]`.

    Items are numbered 1 … n and users 0 … U - 1 by their first appearance among the surviving rows; 0 is padding.
    The tokens stand in the order of the numbers, those of the items from number 1 on.
    """

    item_T: Codes
    offset_U: Codes
    user_tokens: list[str]
    item_tokens: list[str]


def keep_values(rows: Interactions, val_interval: Mapping[str, Any] | None) -> Interactions:
    """The rows whose values lie in the intervals, or are among the tokens, of every column named."""
    return rows.take(are_wanted(val_interval, rows.numbers, rows.listed)) if val_interval else rows


def are_wanted(val_interval: Mapping[str, Any], numbers: Mapping[str, Numbers], listed: Mapping[str, Flags]) -> Flags:
    """Row by row, whether `val_interval` keeps it; the columns are those of `Interactions`."""
    each = [
        listed[field] if isinstance(wanted, list) else contain(parse_intervals(wanted), numbers[field])
        for field, wanted in val_interval.items()
    ]
    kept: Flags = np.logical_and.reduce(each)
    return kept


def drop_duplicates(rows: Interactions, keep: str | None, time_field: str | None) -> Interactions:
    """One row per user and item, the first or last in time; what is left stands in the order of time."""
    if keep is None:
        return rows
    if time_field:
        rows = rows.take(np.argsort(rows.numbers[time_field], kind="stable"))
    pair_N = rows.user_N * len(rows.item_tokens) + rows.item_N
    if keep == "first":
        index = np.unique(pair_N, return_index=True)[1]
    else:
        index = len(rows) - 1 - np.unique(pair_N[::-1], return_index=True)[1]
    return rows.take(np.sort(index))


def keep_core(rows: Interactions, user_interval: str | None, item_interval: str | None) -> Interactions:
    """The rows of users and items with so many interactions: both are counted, then dropped together, until no
    more are (with lower bounds only, that is the k-core)."""
    while True:
        is_kept = _has_count_in(rows.user_N, user_interval) & _has_count_in(rows.item_N, item_interval)
        if is_kept.all():
            return rows
        rows = rows.take(is_kept)


def _has_count_in(code_N: Codes, interval: str | None) -> Flags:
    if interval is None:
        return np.ones(len(code_N), dtype=np.bool_)
    count_N = np.bincount(code_N)[code_N] if len(code_N) else code_N
    return contain(parse_intervals(interval), count_N)


def order_by_time(rows: Interactions, settings: Mapping[str, Any]) -> Sequences:
    """Each user's items by time; ties keep the order of the file.

    RecBole stores times as float32, which cannot tell Unix times less than 64 s apart (after scaling to 0 … 1 it can
    tell more); `time_order: exact` compares the times of the file.
    """
    user_N, user_tokens = _renumber(rows.user_N, rows.user_tokens)
    item_N, item_tokens = _renumber(rows.item_N, rows.item_tokens)
    time_field = settings["TIME_FIELD"]
    if time_field is None:
        order_N = np.argsort(user_N, kind="stable")
    else:
        order_N = np.lexsort((_comparable_times(rows.numbers[time_field], settings), user_N))
    offset_U = np.concatenate([[0], np.cumsum(np.bincount(user_N))])
    return Sequences(item_N[order_N] + 1, offset_U.astype(np.int64), user_tokens, item_tokens)


def _comparable_times(time_N: npt.NDArray[np.float64], settings: Mapping[str, Any]) -> npt.NDArray[np.floating[Any]]:
    if settings["time_order"] == "exact":
        return time_N
    if settings["normalize_all"] or settings["TIME_FIELD"] in (settings["normalize_field"] or ()):
        low, high = time_N.min(), time_N.max()
        time_N = (time_N - low) / (high - low) if high > low else np.ones_like(time_N)
    return time_N.astype(np.float32)


def _renumber(code_N: Codes, tokens: Sequence[str]) -> tuple[Codes, list[str]]:
    """Codes 0, 1, … by first appearance, and their tokens."""
    first_at = np.full(len(tokens), len(code_N))
    first_at[code_N[::-1]] = np.arange(len(code_N))[::-1]  # of equal indices, the last assignment stays
    by_appearance = np.argsort(first_at, kind="stable")[: np.count_nonzero(first_at < len(code_N))]
    number_of = np.empty(len(tokens), dtype=np.int64)
    number_of[by_appearance] = np.arange(len(by_appearance))
    return number_of[code_N], [tokens[code] for code in by_appearance]
