"""One step of training: on the mean loss of the predictions that count in the whole batch, summed up in micro-batches.

Each micro-batch, or part, has random numbers of its own, and the sums are made in the parts' order: the step is the
same however they are computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from hypersweep.recommend.devices import is_host
from hypersweep.recommend.lanes import MapParts, map_in_turn
from hypersweep.recommend.learners import step_if
from hypersweep.recommend.models.dropout import noise_from
from hypersweep.recommend.models.next_item import Examples, NextItemModel


@dataclass(frozen=True)
class Step:
    """What a step is made of: the parts of its batch, where each one's noise comes from, and how many predictions count
    (a number on the device). Without parts, nothing is to be learnt."""

    parts: Sequence[Examples]
    noises: Sequence[torch.Generator]
    num_counted: Tensor


def plan_step(
    model: NextItemModel, examples: Examples, *, micro_batch_size: int, generator: torch.Generator | None = None
) -> Step:
    """Cuts the batch into parts. `generator`: where all of them have their noise from on another device than the
    host's; there each has a generator of its own, so that it can be computed beside others."""
    num_counted = (examples.target_BM > 0).sum()
    on_host = is_host(num_counted.device)
    if on_host and not num_counted:
        return Step((), (), num_counted)
    parts = list(examples.split(micro_batch_size, is_cut=model.ignores_padding and on_host))
    if generator is not None:
        return Step(parts, [generator] * len(parts), num_counted)
    step_seed = int(torch.randint(2**62, ()))  # one, however many parts there are
    seeds = torch.randint(2**62, (len(parts),), generator=torch.Generator().manual_seed(step_seed)).tolist()
    return Step(parts, [torch.Generator().manual_seed(seed) for seed in seeds], num_counted)


def mixed_precision(device: torch.device, is_enabled: bool) -> AbstractContextManager[Any]:
    """Within it, if enabled, matrix products are computed in bfloat16."""
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if is_enabled else nullcontext()


def differentiate(
    model: NextItemModel, parameters: Sequence[nn.Parameter], step: Step, is_mixed: bool, place: int
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """A part's share of the mean loss, and its gradients; None: the loss does not depend on that parameter."""
    part = step.parts[place]
    with noise_from(step.noises[place]), mixed_precision(part.target_BM.device, is_mixed):
        loss = model.sum_loss(part) / step.num_counted.clamp(min=1)
    return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)


def add_gradients(parameters: Iterable[nn.Parameter], gradients: Iterable[Tensor | None]) -> None:
    """Fused optimisers read memory as it lies, so that a gradient must lie there as its parameter does."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = gradient.contiguous() if parameter.grad is None else parameter.grad.add_(gradient)


def finish_step(
    parameters: Iterable[nn.Parameter],
    optimizer: Optimizer,
    total: Tensor,
    num_counted: Tensor,
    clip: Mapping[str, Any] | None,
) -> Tensor:
    """Goes the way that the gradients of all parts say, if the loss is finite and anything counted. Returns two numbers
    on the device, the loss and whether anything counted: see `mean_loss`."""
    if clip:
        clip_grad_norm_(parameters, **clip)
    is_counted = num_counted > 0
    step_if(optimizer, is_counted & total.isfinite())
    return torch.stack([total, is_counted.to(total.dtype)])


def train_step(
    model: NextItemModel,
    optimizer: Optimizer,
    step: Step,
    *,
    clip: Mapping[str, Any] | None = None,
    is_mixed: bool = False,
    map_parts: MapParts = map_in_turn,
) -> Tensor:
    """The whole step; `map_parts` computes its parts. Returns what `finish_step` does."""
    optimizer.zero_grad()
    parameters = list(model.parameters())
    total = torch.zeros((), device=step.num_counted.device)
    for loss, gradients in map_parts(partial(differentiate, model, parameters, step, is_mixed), range(len(step.parts))):
        total += loss
        add_gradients(parameters, gradients)
    return finish_step(parameters, optimizer, total, step.num_counted, clip)


def has_diverged(outcome: Tensor) -> bool:
    """Whether a step's loss is not finite; waits for it."""
    loss, is_counted = outcome.tolist()
    return bool(is_counted) and not math.isfinite(loss)


def mean_loss(outcomes: Sequence[Tensor]) -> float:
    """The mean loss of steps in which anything counted, up to the first that is not finite; waits for all of them."""
    losses: list[float] = []
    for loss, is_counted in torch.stack(list(outcomes)).tolist() if outcomes else ():
        if is_counted:
            losses.append(loss)
            if not math.isfinite(loss):
                break
    return sum(losses) / max(1, len(losses))
