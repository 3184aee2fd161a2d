"""The ways of other devices than the host's, where there is none."""

from __future__ import annotations

import copy

import pytest

from hypersweep.recommend import devices, evaluation, learners, stack, step, training
from hypersweep.recommend.batches import Rows, Splits
from hypersweep.recommend.models import dropout, next_item, softmax_loss

HAVE_WAYS = (devices, dropout, evaluation, learners, next_item, softmax_loss, stack, step, training)


def take_host_for_another(patch: pytest.MonkeyPatch) -> None:
    """From here on what is computed on the CPU goes the way of other devices."""
    for module in HAVE_WAYS:
        patch.setattr(module, "is_host", lambda device: False)


def without_numbers(splits: Splits) -> Splits:
    """The same on a device that has shapes only: whoever looks at a number there gets an error."""
    moved = copy.copy(splits)
    moved.item_T = splits.item_T.to("meta")
    for name in ("train", "valid", "test"):
        rows = getattr(splits, name)
        setattr(moved, name, Rows(rows.target_at_N.to("meta"), rows.first_at_N.to("meta")))
    return moved
