"""The ways of other devices than the host's, where there is none."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from hypersweep.recommend import devices, evaluation, learners, stack, step, training
from hypersweep.recommend.batches import Rows, Splits
from hypersweep.recommend.models import dropout, gru4rec, next_item, products, softmax_loss, transformer

HAVE_WAYS = (
    devices,
    dropout,
    evaluation,
    gru4rec,
    learners,
    next_item,
    products,
    softmax_loss,
    stack,
    step,
    training,
    transformer,
)


def take_host_for_another(patch: pytest.MonkeyPatch) -> None:
    """From here on what is computed on the CPU goes the way of other devices."""
    for module in HAVE_WAYS:
        patch.setattr(module, "is_host", lambda device: False)


def without_numbers(splits: Splits) -> Splits:
    """The same on a device that has shapes only: whoever looks at a number there gets an error."""
    return _moved(splits, lambda tensor: tensor.to("meta"))


def as_shapes(splits: Splits, mode: FakeTensorMode) -> Splits:
    """The same in the mode, in which no tensor has numbers, and optimisers make their steps all the same."""
    return _moved(splits, mode.from_tensor)


def _moved(splits: Splits, move: Callable[[Tensor], Tensor]) -> Splits:
    moved = copy.copy(splits)
    moved.item_T = move(splits.item_T)
    for name in ("train", "valid", "test"):
        rows = getattr(splits, name)
        setattr(moved, name, Rows(move(rows.target_at_N), move(rows.first_at_N)))
    return moved
