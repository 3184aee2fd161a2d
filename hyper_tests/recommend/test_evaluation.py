from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hyper_tests.recommend.builders import splits_of
from hypersweep.recommend.batches import Batch
from hypersweep.recommend.evaluation import evaluate, mean_metrics, rank_targets

ALL = ("recall", "mrr", "ndcg", "hit", "precision")


@given(st.lists(st.lists(st.integers(-2, 2), min_size=6, max_size=6), min_size=1, max_size=5), st.data())
def test_ranks_are_those_of_a_stable_sort(scores: list[list[int]], data: st.DataObject) -> None:
    """Few different scores, so that ties abound; column 0 is the padding."""
    targets = [data.draw(st.integers(1, 5)) for _ in scores]
    wanted = [
        sorted(range(1, 6), key=lambda item: -row[item]).index(target) + 1
        for row, target in zip(scores, targets, strict=True)
    ]
    assert rank_targets(torch.tensor(scores, dtype=torch.float32), torch.tensor(targets)).tolist() == wanted


def test_padding_is_not_ranked() -> None:
    ranks = rank_targets(torch.tensor([[9.0, 1.0, 0.0]]), torch.tensor([1]))
    assert ranks.tolist() == [1] and ranks.dtype == torch.int64


def test_nan_scores_are_last() -> None:
    nan = float("nan")
    assert rank_targets(torch.tensor([[nan] * 4, [0.0, 1.0, nan, nan]]), torch.tensor([2, 1])).tolist() == [3, 3]


def metrics_by_brute_force(ranks: list[int], k: int) -> dict[str, float]:
    """From the ranked lists, as the metrics are defined for one relevant item."""
    total = dict.fromkeys(ALL, 0.0)
    for rank in ranks:
        top = [place == rank for place in range(1, k + 1)]
        total["recall"] += sum(top) / 1
        total["hit"] += any(top)
        total["precision"] += sum(top) / k
        total["mrr"] += next((1 / place for place, is_target in enumerate(top, 1) if is_target), 0.0)
        total["ndcg"] += sum(1 / math.log2(place + 1) for place, is_target in enumerate(top, 1) if is_target)
    return {name: value / len(ranks) for name, value in total.items()}


@given(st.lists(st.integers(1, 15), min_size=1, max_size=30))
def test_metrics_are_those_of_brute_force(ranks: list[int]) -> None:
    found = mean_metrics(np.array(ranks), metrics=ALL, topk=(3, 10), decimals=12)
    for k in (3, 10):
        for name, value in metrics_by_brute_force(ranks, k).items():
            assert found[f"{name}@{k}"] == pytest.approx(value, abs=1e-9)


def test_names_order_and_rounding() -> None:
    found = mean_metrics(np.array([1, 2, 3]), metrics=("ndcg", "hit"), topk=(10, 2), decimals=4)
    assert list(found.items()) == [
        ("ndcg@10", 0.7103),
        ("ndcg@2", 0.5436),
        ("hit@10", 1.0),
        ("hit@2", 0.6667),
    ]
    assert all(type(value) is float for value in found.values())


def test_infinite_scores() -> None:
    most = float("inf")
    scores = [[0.0, most, most, -most], [0.0, -most, 1.0, -most], [0.0, most, -most, 1.0]]
    assert rank_targets(torch.tensor(scores), torch.tensor([2, 3, 1])).tolist() == [2, 3, 1]


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_evaluate_does_not_depend_on_the_batch_size(batch_size: int, is_packed: bool) -> None:
    splits = splits_of([[1, 2, 3, 4], [4, 3, 2, 1], [2, 1, 4, 3]], max_len=5)

    def score(batch: Batch) -> Tensor:
        """The item after the last one is best, then the one after that."""
        last_B1 = batch.item_seq_BL.gather(1, batch.length_B[:, None] - 1)
        return -((torch.arange(5) - last_B1 - 1) % 5).float()

    how: dict[str, Any] = {"batch_size": batch_size, "is_packed": is_packed}
    found = evaluate(score, splits, splits.test, metrics=("mrr",), topk=(4,), decimals=4, **how)
    assert found == {"mrr@4": round((1 / 1 + 1 / 3 + 1 / 3) / 3, 4)}


def parts_of(lengths: list[int], *, num_items: int | None = None, **how: Any) -> list[list[int]]:
    """The lengths of the histories that are scored together, in the test rows."""
    splits = splits_of([list(range(1, length + 2)) for length in lengths], max_len=50, num_items=num_items)
    found = []

    def score(batch: Batch) -> Tensor:
        found.append(batch.length_B.tolist())
        return torch.zeros(len(batch.length_B), splits.num_items + 1)

    evaluate(score, splits, splits.test, metrics=("hit",), topk=(1,), decimals=4, **{"batch_size": 2, **how})
    return found


def test_rows_of_similar_lengths_are_scored_together() -> None:
    assert parts_of([3, 9, 4, 8]) == [[9, 8], [4, 3]]


def test_few_parts_of_packed_histories_have_equally_much_to_read() -> None:
    assert parts_of([3, 9, 4, 8], is_packed=True) == [[9, 4], [8, 3]]


def test_many_parts_of_packed_histories_have_most_rows_at_each_step() -> None:
    assert parts_of(list(range(2, 12)), is_packed=True) == [[11, 10], [9, 8], [7, 6], [5, 4], [3, 2]]


@pytest.mark.parametrize(
    ("num_rows", "num_items", "how", "wanted"),
    [
        (1000, None, {}, [250] * 4),  # as many positions as a CPU is quickest with
        (1000, None, {"is_packed": True}, [500] * 2),
        (1000, 2**14 - 1, {}, [250] * 4),
        (1000, 2**17 - 1, {}, [32] * 8 + [31] * 24),  # as many scores as fit a cache
        (2, 2**23, {}, [1, 1]),
    ],
)
def test_rows_that_are_scored_at_once(
    num_rows: int, num_items: int | None, how: dict[str, Any], wanted: list[int]
) -> None:
    assert [len(part) for part in parts_of([3] * num_rows, num_items=num_items, batch_size=4096, **how)] == wanted
