"""The data set as tensors on the device, and batches of padded histories by index arithmetic there.

Shapes: T items of all users in order, N rows of a split, B rows of a batch, L positions of a padded history.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hypersweep.recommend.prepared import PreparedData


@dataclass(frozen=True)
class Batch:
    """Histories, oldest item first, padded with 0 on the right, their lengths (>= 1) and the items that follow."""

    item_seq_BL: Tensor
    length_B: Tensor
    target_B: Tensor


@dataclass(frozen=True)
class Rows:
    """A split: where in `item_T` each row's target stands, and where its user's first item does."""

    target_at_N: Tensor
    first_at_N: Tensor

    def __len__(self) -> int:
        return len(self.target_at_N)


class Splits:
    """Leave one out, as RecBole does it after its data augmentation.

    Every item but a user's first is the target of one row. The last row of a user is the test row, the last but one
    the validation row, the others are training rows; a user with two rows has no validation row, with one only a
    training row.
    """

    def __init__(self, data: PreparedData, *, max_len: int, device: torch.device) -> None:
        self.max_len = max_len
        self.num_items = data.num_items
        self.item_T = torch.from_numpy(data.item_T).to(device)
        offset_U = torch.from_numpy(data.offset_U).to(device)
        length_U = offset_U.diff()
        first_T = offset_U[:-1].repeat_interleave(length_U)
        length_T = length_U.repeat_interleave(length_U)
        place_T = torch.arange(len(self.item_T), device=device) - first_T
        is_test_T = (place_T == length_T - 1) & (length_T >= 3)
        is_valid_T = (place_T == length_T - 2) & (length_T >= 4)
        self.train = _rows((place_T >= 1) & ~is_test_T & ~is_valid_T, first_T)
        self.valid = _rows(is_valid_T, first_T)
        self.test = _rows(is_test_T, first_T)

    def batch(self, rows: Rows, index_B: Tensor) -> Batch:
        """The rows at `index_B`, their histories cut to the last `max_len` items."""
        target_at_B = rows.target_at_N[index_B]
        length_B = (target_at_B - rows.first_at_N[index_B]).clamp(max=self.max_len)
        place_L = torch.arange(self.max_len, device=length_B.device)
        at_BL = (target_at_B - length_B)[:, None] + place_L
        is_item_BL = place_L < length_B[:, None]
        item_seq_BL = self.item_T[at_BL.clamp(max=len(self.item_T) - 1)] * is_item_BL
        return Batch(item_seq_BL, length_B, self.item_T[target_at_B])


def _rows(is_target_T: Tensor, first_T: Tensor) -> Rows:
    target_at_N = is_target_T.nonzero().squeeze(1)
    return Rows(target_at_N, first_T[target_at_N])
