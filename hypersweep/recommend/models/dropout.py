"""Dropout whose noise costs less on a CPU, where torch draws it one element at a time, and comes from where it shall.

Every random number that is drawn while a part of a batch is computed is drawn here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 2**16


class _Source(threading.local):
    generator: torch.Generator | None = None  # None: torch's own


_source = _Source()


@contextlib.contextmanager
def noise_from(generator: torch.Generator) -> Iterator[None]:
    """Within it, noise of this thread on a CPU is drawn from the generator."""
    before = _source.generator
    _source.generator = generator
    try:
        yield
    finally:
        _source.generator = before


class Dropout(nn.Module):
    """As `nn.Dropout`; on a CPU each random 64-bit number decides on four elements.

    There the probability is rounded to a multiple of 2**-16, and what is kept is scaled accordingly.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.probability or x.device.type != "cpu":
            return F.dropout(x, self.probability, self.training)
        num_dropped = min(max(1, round(self.probability * _LEVELS)), _LEVELS - 1)  # of the levels
        bits = torch.empty(x.numel() // 4 + 1, dtype=torch.int64).random_(-(2**63), None, generator=_source.generator)
        level = bits.view(torch.int16)[: x.numel()].view(x.shape)  # -2**15 … 2**15 - 1
        # Clamped to 0 or 1, since torch compares integers slowly.
        highest_dropped = num_dropped - 1 - _LEVELS // 2
        is_kept = level.clamp_(highest_dropped, highest_dropped + 1).sub_(highest_dropped).to(x.dtype)
        return x * is_kept.mul_(_LEVELS / (_LEVELS - num_dropped))
