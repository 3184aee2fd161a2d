from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from hyper_tests.recommend.builders import splits_of
from hypersweep.recommend.batches import Rows, Splits

HISTORIES = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=8), min_size=1, max_size=6)


def listed(splits: Splits, rows: Rows) -> list[tuple[list[int], int]]:
    """Histories without their padding, and targets."""
    batch = splits.batch(rows, torch.arange(len(rows)))
    found = []
    for history, length, target in zip(
        batch.item_seq_BL.tolist(), batch.length_B.tolist(), batch.target_B.tolist(), strict=True
    ):
        assert len(history) == splits.max_len
        assert all(history[:length])
        assert not any(history[length:])
        found.append((history[:length], target))
    return found


def test_leave_one_out() -> None:
    splits = splits_of([[1, 2, 3, 4, 5], [6, 7]], max_len=3)
    assert listed(splits, splits.train) == [([1], 2), ([1, 2], 3), ([6], 7)]
    assert listed(splits, splits.valid) == [([1, 2, 3], 4)]
    assert listed(splits, splits.test) == [([2, 3, 4], 5)]


def test_users_with_few_items() -> None:
    """Three give a training and a test row, two a training row, one none."""
    splits = splits_of([[1, 2, 3], [4, 5], [6]], max_len=10)
    assert listed(splits, splits.train) == [([1], 2), ([4], 5)]
    assert listed(splits, splits.valid) == []
    assert listed(splits, splits.test) == [([1, 2], 3)]


def by_brute_force(history: list[int], max_len: int) -> list[list[tuple[list[int], int]]]:
    """Training, validation and test rows of one user, in RecBole's way: all prefixes, then the last two left out."""
    rows = [(history[:end][-max_len:], history[end]) for end in range(1, len(history))]
    num_left_out = min(2, len(rows) - 1)
    if num_left_out == 2:
        return [rows[:-2], [rows[-2]], [rows[-1]]]
    return [rows[:-1], [], [rows[-1]]] if num_left_out == 1 else [rows, [], []]


@given(HISTORIES, st.integers(1, 10))
def test_every_prefix_once(histories: list[list[int]], max_len: int) -> None:
    splits = splits_of(histories, max_len=max_len)
    for part, rows in enumerate((splits.train, splits.valid, splits.test)):
        wanted = [row for history in histories for row in by_brute_force(history, max_len)[part]]
        assert listed(splits, rows) == wanted


def test_a_batch_is_any_choice_of_rows() -> None:
    splits = splits_of([[1, 2, 3, 4, 5, 6]], max_len=2)
    batch = splits.batch(splits.train, torch.tensor([2, 0, 2]))
    assert batch.item_seq_BL.tolist() == [[2, 3], [1, 0], [2, 3]]
    assert batch.length_B.tolist() == [2, 1, 2]
    assert batch.target_B.tolist() == [4, 2, 4]
