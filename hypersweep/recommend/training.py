"""Training a model for an epoch, and what it scores: all that touches the device."""

from __future__ import annotations

import importlib
import inspect
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from hypersweep.recommend.batches import Rows, Splits
from hypersweep.recommend.capacity import CPU_POSITIONS, GPU_POSITIONS
from hypersweep.recommend.evaluation import evaluate
from hypersweep.recommend.lanes import MapParts, map_in_turn
from hypersweep.recommend.models.catalog import CatalogEntry
from hypersweep.recommend.models.dropout import noise_from
from hypersweep.recommend.models.next_item import Examples, NextItemModel


def _unwrap(learner: type[Optimizer]) -> Callable[..., Optimizer]:
    """The same optimiser without the wrappers that keep torch's compiler from looking in: at their first call they
    import it, which takes as long as torch itself, and nothing is compiled here."""
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(learner, name)) for name in names}
    return type(learner.__name__, (learner,), {**methods, "step": torch.no_grad()(methods["step"])})


OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "adam": partial(_unwrap(Adam), fused=True),
    "adamw": partial(_unwrap(AdamW), fused=True),
    "sgd": _unwrap(SGD),
    "adagrad": _unwrap(Adagrad),
    "rmsprop": _unwrap(RMSprop),
}
Metrics = dict[str, float]


def build_model(entry: CatalogEntry, config: Mapping[str, Any], *, vocab_size: int) -> NextItemModel:
    """The model with fresh weights; `vocab_size` counts the items and the padding."""
    module, _, name = entry.location.partition(":")
    model_class = getattr(importlib.import_module(module), name)
    arguments = {option.name: config[option.name] for option in entry.options if option.has_effect}
    model: NextItemModel = model_class(vocab_size=vocab_size, max_len=config["MAX_ITEM_LIST_LENGTH"], **arguments)
    return model


def train_step(
    model: NextItemModel,
    optimizer: Optimizer,
    examples: Examples,
    *,
    micro_batch_size: int,
    clip: Mapping[str, Any] | None = None,
    map_parts: MapParts = map_in_turn,
) -> float | None:
    """One step on the mean loss of the predictions that count in the whole batch, summed up in micro-batches.

    Each micro-batch has random numbers of its own, and the sums are made in their order: the step is the same however
    `map_parts` computes them. Returns the loss before the step, and makes no step if it is not finite; None, and no
    step, if nothing counts.
    """
    step = plan_step(model, examples, micro_batch_size=micro_batch_size)
    if step is None:
        return None
    optimizer.zero_grad()
    parameters = list(model.parameters())
    total = torch.zeros((), device=examples.target_BM.device)
    for loss, gradients in map_parts(partial(differentiate, model, parameters, step), range(len(step.parts))):
        total += loss
        add_gradients(parameters, gradients)
    return finish_step(parameters, optimizer, total, clip)


@dataclass(frozen=True)
class Step:
    """What a step is made of: the parts of its batch, the seed of each one's noise, and how many predictions count."""

    parts: Sequence[Examples]
    seeds: Sequence[int]
    num_counted: int


def plan_step(model: NextItemModel, examples: Examples, *, micro_batch_size: int) -> Step | None:
    """Draws what is random in a step; None if nothing counts."""
    num_counted = int((examples.target_BM > 0).sum())
    if num_counted == 0:
        return None
    is_on_cpu = examples.target_BM.device.type == "cpu"  # elsewhere the lengths would have to be waited for
    parts = list(examples.split(micro_batch_size, is_cut=model.ignores_padding and is_on_cpu))
    step_seed = int(torch.randint(2**62, ()))  # one, however many parts there are
    seeds = torch.randint(2**62, (len(parts),), generator=torch.Generator().manual_seed(step_seed)).tolist()
    return Step(parts, seeds, num_counted)


def differentiate(
    model: NextItemModel, parameters: Sequence[nn.Parameter], step: Step, place: int
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """A part's share of the mean loss, and its gradients; None: the loss does not depend on that parameter."""
    with noise_from(torch.Generator().manual_seed(step.seeds[place])):
        loss = model.sum_loss(step.parts[place]) / step.num_counted
        return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)


def add_gradients(parameters: Iterable[nn.Parameter], gradients: Iterable[Tensor | None]) -> None:
    """Fused optimisers read memory as it lies, so that a gradient must lie there as its parameter does."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = gradient.contiguous() if parameter.grad is None else parameter.grad.add_(gradient)


def finish_step(
    parameters: Iterable[nn.Parameter], optimizer: Optimizer, total: Tensor, clip: Mapping[str, Any] | None
) -> float:
    """Goes the way that the gradients of all parts say, if the loss is finite; returns the loss."""
    mean_loss = float(total)
    if math.isfinite(mean_loss):
        if clip:
            clip_grad_norm_(parameters, **clip)
        optimizer.step()
    return mean_loss


class Training:
    """A model, its optimiser and its data. `config` holds every option's value; `map_parts` computes batches' parts."""

    def __init__(
        self, model: NextItemModel, splits: Splits, config: Mapping[str, Any], map_parts: MapParts = map_in_turn
    ) -> None:
        self.model = model
        self.splits = splits
        self.config = config
        self.map_parts = map_parts
        num_positions = CPU_POSITIONS if splits.item_T.device.type == "cpu" else GPU_POSITIONS
        self.micro_batch_size = config["micro_batch_size"] or max(1, num_positions // splits.max_len)
        self.optimizer = OPTIMIZERS[config["learner"]](
            model.parameters(), lr=config["learning_rate"], weight_decay=config["weight_decay"]
        )

    def train_epoch(self) -> tuple[float, float]:
        """The mean loss of the epoch's steps, and its seconds; ends at the first loss that is not finite."""
        started = time.perf_counter()
        losses = []
        for examples in self.draw_epoch():
            loss = train_step(
                self.model,
                self.optimizer,
                examples,
                micro_batch_size=self.micro_batch_size,
                clip=self.config["clip_grad_norm"],
                map_parts=self.map_parts,
            )
            if loss is not None:
                losses.append(loss)
                if not math.isfinite(loss):
                    break
        return sum(losses) / max(1, len(losses)), time.perf_counter() - started

    def draw_epoch(self) -> Iterator[Examples]:
        """What the steps of an epoch learn from; what is random in it is drawn when it is asked for."""
        self.model.train()
        rows = self.splits.train
        order_N = torch.randperm(len(rows)) if self.config["shuffle"] else torch.arange(len(rows))
        order_N = order_N.to(self.splits.item_T.device)
        for index_B in torch.split(order_N, self.config["train_batch_size"]):
            yield self.model.make_examples(self.splits.batch(rows, index_B))

    def evaluate(self, rows: Rows) -> Metrics:
        self.model.eval()
        return evaluate(
            self.model.score,
            self.splits,
            rows,
            metrics=self.config["metrics"],
            topk=self.config["topk"],
            decimals=self.config["metric_decimal_place"],
            batch_size=self.config["eval_batch_size"],
            map_parts=self.map_parts,
        )

    def copy_weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """All that decides how training goes on. The weights are a copy: those of a stack would be saved whole."""
        return {
            "weights": self.copy_weights(),
            "optimizer": self.optimizer.state_dict(),
            "random": {device: module.get_rng_state() for device, module in find_generators(self.device).items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave, in this process or another."""
        self.model.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        for device, module in find_generators(self.device).items():
            module.set_rng_state(state["random"][device])

    @property
    def device(self) -> torch.device:
        return self.splits.item_T.device


def find_generators(device: torch.device) -> dict[str, Any]:
    """By device the module with its random numbers: those of the CPU order the rows, wherever the model is."""
    return {"cpu": torch, device.type: torch if device.type == "cpu" else getattr(torch, device.type)}
