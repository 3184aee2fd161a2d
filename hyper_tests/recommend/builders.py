"""Small data sets for the tests of the built-in recommenders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from hypersweep.recommend.batches import Batch, Splits
from hypersweep.recommend.interactions import Interactions
from hypersweep.recommend.models.next_item import Examples, NextItemModel
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.step import plan_step, train_step
from hypersweep.runner.contract import LiveTrial


def interactions(pairs: Sequence[tuple[str, str]], **columns: Sequence[float] | Sequence[bool]) -> Interactions:
    """Rows from pairs of user and item tokens, and columns of numbers, or of truth values: those listed."""
    users, items = sorted({user for user, _ in pairs}), sorted({item for _, item in pairs})
    return Interactions(
        np.array([users.index(user) for user, _ in pairs], dtype=np.int64),
        np.array([items.index(item) for _, item in pairs], dtype=np.int64),
        users,
        items,
        {
            name: np.array(column, dtype=np.float64)
            for name, column in columns.items()
            if not isinstance(column[0], bool)
        },
        {name: np.array(column) for name, column in columns.items() if isinstance(column[0], bool)},
        len(pairs),
    )


def pairs_of(rows: Interactions) -> list[tuple[str, str]]:
    return [(rows.user_tokens[u], rows.item_tokens[i]) for u, i in zip(rows.user_N, rows.item_N, strict=True)]


def splits_of(
    histories: Sequence[Sequence[int]], *, max_len: int, num_items: int | None = None, device: str = "cpu"
) -> Splits:
    """The splits of users with these items."""
    lengths = [len(history) for history in histories]
    item_T = np.array([item for history in histories for item in history], dtype=np.int64)
    offset_U = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    data = PreparedData(item_T, offset_U, num_items or int(item_T.max()), Path("nowhere"))
    return Splits(data, max_len=max_len, device=torch.device(device))


def examples_of(model: NextItemModel, batch: Batch) -> Examples:
    """What the batch teaches, its kind drawn."""
    return model.make_examples(batch, model.draw_kind())


def loss_of_step(model: NextItemModel, optimizer: Optimizer, examples: Examples, micro_batch_size: int) -> float:
    """The loss before the step that is made."""
    step = plan_step(model, examples, micro_batch_size=micro_batch_size)
    return train_step(model, optimizer, step)[0].item()


def live_trial(folder: Path, settings: dict[str, Any], *, seed: int = 2020, prepared: Path | None = None) -> LiveTrial:
    return LiveTrial(number=0, seed=seed, folder=folder, settings=settings, prepared=prepared, device="cpu")
