"""Training a model for an epoch, and what it scores: all that touches the device."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hypersweep.recommend.batches import Rows, Splits
from hypersweep.recommend.capacity import count_rows
from hypersweep.recommend.devices import is_host, make_generator
from hypersweep.recommend.evaluation import evaluate
from hypersweep.recommend.lanes import MapParts, map_in_turn
from hypersweep.recommend.learners import build_optimizer, waits_for_steps
from hypersweep.recommend.models.catalog import CatalogEntry
from hypersweep.recommend.models.next_item import NextItemModel
from hypersweep.recommend.replay import CudaGraphs, Replay
from hypersweep.recommend.step import Step, has_diverged, mean_loss, plan_step, train_step

Metrics = dict[str, float]


def build_model(entry: CatalogEntry, config: Mapping[str, Any], *, vocab_size: int) -> NextItemModel:
    """The model with fresh weights; `vocab_size` counts the items and the padding."""
    module, _, name = entry.location.partition(":")
    model_class = getattr(importlib.import_module(module), name)
    arguments = {option.name: config[option.name] for option in entry.options if option.has_effect}
    model: NextItemModel = model_class(vocab_size=vocab_size, max_len=config["MAX_ITEM_LIST_LENGTH"], **arguments)
    return model


class Training:
    """A model, its optimiser and its data. `config` holds every option's value; `map_parts` computes batches' parts."""

    def __init__(
        self, model: NextItemModel, splits: Splits, config: Mapping[str, Any], map_parts: MapParts = map_in_turn
    ) -> None:
        self.model = model
        self.splits = splits
        self.config = config
        self.map_parts = map_parts
        self.micro_batch_size = config["micro_batch_size"] or count_rows(
            config["train_batch_size"], splits.max_len, on_host=is_host(self.device)
        )
        self.is_compiled = is_compiled(config)
        self.generator = make_generator(self.device, is_compiled=self.is_compiled)
        self.optimizer = build_optimizer(
            config["learner"],
            model.parameters(),
            self.device,
            lr=config["learning_rate"],
            weight_decay=config["weight_decay"],
        )
        if self.is_compiled:
            model.encode = torch.compile(model.encode)  # type: ignore[method-assign]
        self.take_step = replay_if_possible(self._take_step, [self])

    def train_epoch(self) -> tuple[float, float]:
        """The mean loss of the epoch's steps, and its seconds. A loss that is not finite ends it: at once on the host,
        elsewhere as far as the mean goes, since none is waited for within the epoch."""
        started = time.perf_counter()
        outcomes: list[Tensor] = []
        for kind, index_B in self.draw_batches():
            outcomes.append(self.take_step(kind, index_B))
            if is_host(self.device) and has_diverged(outcomes[-1]):
                break
        return mean_loss(outcomes), time.perf_counter() - started

    def draw_batches(self) -> Iterator[tuple[int, Tensor]]:
        """Of what kind and which rows the batches of an epoch are; what is random in it is drawn when it is asked
        for."""
        self.model.train()
        num_rows = len(self.splits.train)
        order_N = torch.randperm(num_rows) if self.config["shuffle"] else torch.arange(num_rows)
        for index_B in torch.split(order_N.to(self.device), self.config["train_batch_size"]):
            yield self.model.draw_kind(), index_B

    def plan_step(self, kind: int, index_B: Tensor) -> Step:
        batch = self.splits.batch(self.splits.train, index_B)
        examples = self.model.make_examples(batch, kind, self.generator)
        return plan_step(self.model, examples, micro_batch_size=self.micro_batch_size, generator=self.generator)

    def _take_step(self, kind: int, index_B: Tensor) -> Tensor:
        step = self.plan_step(kind, index_B)
        return train_step(
            self.model,
            self.optimizer,
            step,
            clip=self.config["clip_grad_norm"],
            is_mixed=self.config["enable_amp"],
            map_parts=self.map_parts,
        )

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
            is_packed=self.model.packs_histories,
            map_parts=self.map_parts,
        )

    def copy_weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """All that decides how training goes on. The weights are a copy: those of a stack would be saved whole."""
        return {
            "weights": self.copy_weights(),
            "optimizer": self.optimizer.state_dict(),
            "random": {where: generator.get_state() for where, generator in self._find_generators().items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave, in this process or another."""
        self.model.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        for where, generator in self._find_generators().items():
            generator.set_state(state["random"][where])

    def _find_generators(self) -> dict[str, torch.Generator]:
        """Those of the host order the rows, wherever the model is."""
        own = {} if self.generator is None else {"device": self.generator}
        return {"cpu": torch.default_generator, **own}

    @property
    def device(self) -> torch.device:
        return self.splits.item_T.device


def is_compiled(config: Mapping[str, Any]) -> bool:
    """Whether the model goes through torch's compiler. `auto` is where that pays back within the trial: nowhere on a
    CPU, where it was measured (benchmarks/NOTES.md); on a GPU it was not, so not there either."""
    return config["compile"] is True


def replay_if_possible(compute: Callable[..., Tensor], trainings: Sequence[Training]) -> Callable[..., Tensor]:
    """The steps of these trainings, replayed as CUDA graphs if they can be."""
    devices = {training.device.type for training in trainings}
    can_be = all(training.config["cuda_graphs"] and not waits_for_steps(training.optimizer) for training in trainings)
    if devices != {"cuda"} or not can_be:
        return compute
    return Replay(compute, CudaGraphs([one.generator for one in trainings if one.generator is not None]).record)
