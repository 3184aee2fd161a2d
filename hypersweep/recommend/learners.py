"""Optimisers by the names of the option `learner`, and a step of one that may have to be left out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from hypersweep.recommend.devices import is_host


def _unwrap(learner: type[Optimizer]) -> Callable[..., Optimizer]:
    """The same optimiser without the wrappers that keep torch's compiler from looking in: at their first call they
    import it, which takes as long as torch itself, and no optimiser is compiled here."""
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(learner, name)) for name in names}
    return type(learner.__name__, (learner,), {**methods, "step": torch.no_grad()(methods["step"])})


OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "adam": partial(_unwrap(Adam), fused=True),
    "adamw": partial(_unwrap(AdamW), fused=True),
    "sgd": _unwrap(SGD),
    "adagrad": _unwrap(Adagrad),
    "rmsprop": _unwrap(RMSprop),  # which torch has not fused
}
_FUSED_ELSEWHERE = ("sgd", "adagrad")  # on other devices than the host's; there it gains nothing
_CAPTURABLE = ("adam", "adamw")  # those of the fused that have to be told that a CUDA graph will hold their steps


def build_optimizer(
    learner: str, parameters: Iterable[nn.Parameter], device: torch.device, **options: float
) -> Optimizer:
    """`options` are those that all have: `lr`, `weight_decay`."""
    given: dict[str, Any] = dict(options)
    if not is_host(device) and learner in _FUSED_ELSEWHERE:
        given["fused"] = True
    if device.type == "cuda" and learner in _CAPTURABLE:
        given["capturable"] = True
    return OPTIMIZERS[learner](parameters, **given)


def waits_for_steps(optimizer: Optimizer) -> bool:
    """Whether the host has to decide if a step is made."""
    return not getattr(optimizer, "_step_supports_amp_scaling", False)


def step_if(optimizer: Optimizer, is_taken: Tensor) -> None:
    """A step of the optimiser, or none. Fused ones read on their device whether: nobody waits for it."""
    if is_host(is_taken.device) or waits_for_steps(optimizer):
        if is_taken:
            optimizer.step()
        return
    optimizer.found_inf = (~is_taken).float()  # type: ignore[attr-defined]  # how torch.amp tells them to make none
    optimizer.step()
