"""Dropout whose noise costs less on a CPU, where torch draws it one element at a time, and comes from where it shall.

Every random number that is drawn while a part of a batch is computed is drawn here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 2**16

# Of a stack of models: which of them (its place in `Dropout.stacked`), and within what torch draws its noise.
Member = tuple[int, Callable[[], AbstractContextManager[None]]]


class _Source(threading.local):
    generator: torch.Generator | None = None  # None: torch's own
    members: Sequence[Member] | None = None  # None: there is no stack


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


@contextlib.contextmanager
def noise_of(members: Sequence[Member]) -> Iterator[None]:
    """Within it, noise of this thread in `torch.vmap` over a stack is what each of the models would draw alone."""
    _source.members = members
    try:
        yield
    finally:
        _source.members = None


class Dropout(nn.Module):
    """As `nn.Dropout`; on a CPU each random 64-bit number decides on four elements.

    There the probability is rounded to a multiple of 2**-16, and what is kept is scaled accordingly. One that stands
    for all models of a stack has theirs as `stacked`.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.stacked: Sequence[Dropout] = ()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        if _source.members is None:
            return self._drop(x)
        noise: Tensor = _StackedNoise.apply(x.detach(), self, _source.members)  # type: ignore[no-untyped-call]
        return x * noise

    def _drop(self, x: Tensor) -> Tensor:
        if not self.probability or x.device.type != "cpu":
            return F.dropout(x, self.probability)
        num_dropped = min(max(1, round(self.probability * _LEVELS)), _LEVELS - 1)  # of the levels
        bits = torch.empty(x.numel() // 4 + 1, dtype=torch.int64).random_(-(2**63), None, generator=_source.generator)
        level = bits.view(torch.int16)[: x.numel()].view(x.shape)  # -2**15 … 2**15 - 1
        # Clamped to 0 or 1, since torch compares integers slowly.
        highest_dropped = num_dropped - 1 - _LEVELS // 2
        is_kept = level.clamp_(highest_dropped, highest_dropped + 1).sub_(highest_dropped).to(x.dtype)
        return x * is_kept.mul_(_LEVELS / (_LEVELS - num_dropped))


class _StackedNoise(torch.autograd.Function):
    """What the dropouts of a stack multiply by: for `torch.vmap`, which calls it with all of the stack at once."""

    @staticmethod
    def forward(like: Tensor, dropout: Dropout, members: Sequence[Member]) -> Tensor:
        raise AssertionError("a stack is computed by torch.vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...

    @staticmethod
    def vmap(
        info: Any, in_dims: Sequence[int | None], like: Tensor, dropout: Dropout, members: Sequence[Member]
    ) -> tuple[Tensor, int]:
        (dim, *_) = in_dims
        assert dim is not None, "what is dropped depends on weights"
        noise = []
        for one, (place, source) in zip(like.unbind(dim), members, strict=True):
            with source():
                noise.append(dropout.stacked[place]._drop(torch.ones_like(one)))
        return torch.stack(noise), 0
