"""Dropout whose noise comes from where it shall, and costs less on a CPU, where torch draws it one element at a time.

Every random number that is drawn while a part of a batch is computed is drawn here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hypersweep.recommend.devices import is_host

_LEVELS = 2**16

# Of a stack of models: which of them (its place in `Dropout.stacked`), and where its noise comes from.
Member = tuple[int, torch.Generator]


class _Source(threading.local):
    generator: torch.Generator | None = None  # on the device of what is dropped; None: torch's own
    members: Sequence[Member] | None = None  # None: there is no stack


_source = _Source()


@contextlib.contextmanager
def noise_from(generator: torch.Generator) -> Iterator[None]:
    """Within it, noise of this thread is drawn from the generator, but in what torch compiles."""
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
    """As `nn.Dropout`. One that stands for all models of a stack has theirs as `stacked`."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.stacked: Sequence[Dropout] = ()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        if torch.compiler.is_compiling():
            return F.dropout(x, self.probability)
        if _source.members is not None:
            noise: Tensor = _StackedNoise.apply(x.detach(), self, _source.members)  # type: ignore[no-untyped-call]
            return x * noise
        return x * self.draw_noise(x) if self.probability else x

    def draw_noise(self, like: Tensor) -> Tensor:
        """What each element is multiplied by: 0, or what keeps the mean."""
        if is_host(like.device):
            return self._draw_on_host(like)
        return torch.empty_like(like).bernoulli_(1 - self.probability, generator=_source.generator) / (
            1 - self.probability
        )

    def _draw_on_host(self, like: Tensor) -> Tensor:
        """Each random 64-bit number decides on four elements. The probability is rounded to a multiple of 2**-16, and
        what is kept is scaled accordingly."""
        num_dropped = min(max(1, round(self.probability * _LEVELS)), _LEVELS - 1)  # of the levels
        num_bits = like.numel() // 4 + 1
        bits = torch.empty(num_bits, dtype=torch.int64).random_(-(2**63), None, generator=_source.generator)
        level = bits.view(torch.int16)[: like.numel()].view(like.shape)  # -2**15 … 2**15 - 1
        # Clamped to 0 or 1, since torch compares integers slowly.
        highest_dropped = num_dropped - 1 - _LEVELS // 2
        is_kept = level.clamp_(highest_dropped, highest_dropped + 1).sub_(highest_dropped).to(like.dtype)
        return is_kept.mul_(_LEVELS / (_LEVELS - num_dropped))


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
        for one, (place, generator) in zip(like.unbind(dim), members, strict=True):
            with noise_from(generator):
                own = dropout.stacked[place]
                noise.append(own.draw_noise(one) if own.probability else torch.ones_like(one))
        return torch.stack(noise), 0
