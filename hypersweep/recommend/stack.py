"""Models of one shape trained as one: their weights are stacked, and one call of `torch.vmap` computes for all of them.

Each is trained as it would be alone, with its own optimiser, rows, noise and end. Its parameters are views into the
stacked weights, so that whatever changes them there changes what all are computed with.

Shapes: N models, B rows, L positions, M predictions asked of a row, D hidden size, V items and the padding.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hypersweep.recommend.devices import is_host
from hypersweep.recommend.models.dropout import Dropout, noise_of
from hypersweep.recommend.models.next_item import Examples, NextItemModel, sum_counted
from hypersweep.recommend.replay import Replay
from hypersweep.recommend.step import Step, add_gradients, finish_step, has_diverged, mean_loss, mixed_precision
from hypersweep.recommend.training import Training, replay_if_possible

Losses = tuple[float, float]  # the mean of an epoch's steps, and its seconds
Differentiated = list[tuple[int, Tensor, Sequence[Tensor | None]]]  # place, loss, gradients


class OwnRandom:
    """The host's random numbers of a trial that shares its process with others: torch's own within `active`."""

    def __init__(self, seed: int) -> None:
        self.state = torch.Generator().manual_seed(seed).get_state()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        before = torch.get_rng_state()
        torch.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = torch.get_rng_state()
            torch.set_rng_state(before)


class Stack:
    """Trainings of one shape, each with its random numbers: what differs may be how they learn, and what they drop."""

    def __init__(self, trainings: Sequence[Training], randoms: Sequence[OwnRandom]) -> None:
        self.trainings = list(trainings)
        self.randoms = list(randoms)
        self.encoder = _Encoder(trainings[0].model)
        self.names = [name for name, _ in self.encoder.named_parameters()]
        self._stack()
        self.take_steps = replay_if_possible(self._take_steps, self.trainings)

    def remove(self, training: Training) -> None:
        """It has ended; its weights stay as they are."""
        place = self.trainings.index(training)
        del self.trainings[place], self.randoms[place]
        if self.trainings:
            self._stack()
        if isinstance(self.take_steps, Replay):
            self.take_steps.forget()

    def _stack(self) -> None:
        self.parameters = [list(training.model.parameters()) for training in self.trainings]
        self.weights = [torch.stack([one.detach() for one in alike]) for alike in zip(*self.parameters, strict=True)]
        for place, own in enumerate(self.parameters):
            for parameter, weight in zip(own, self.weights, strict=True):
                parameter.data = weight[place]
        dropouts = [_find_dropouts(training.model) for training in self.trainings]
        for dropout, alike_dropouts in zip(_find_dropouts(self.encoder), zip(*dropouts, strict=True), strict=True):
            dropout.stacked = alike_dropouts

    def train_epoch(self) -> list[Losses]:
        """Of each training what `Training.train_epoch` returns; the seconds are those of all of them."""
        started = time.perf_counter()
        epochs = [training.draw_batches() for training in self.trainings]
        outcomes: list[list[Tensor]] = [[] for _ in epochs]
        going = list(range(len(epochs)))
        while drawn := self._draw(epochs, going):
            kinds = tuple((place, kind) for place, (kind, _) in drawn.items())
            rows = [index_B for _, index_B in drawn.values()]
            for place, outcome in zip(drawn, self.take_steps(kinds, *rows), strict=True):
                outcomes[place].append(outcome)
                if is_host(outcome.device) and has_diverged(outcome):
                    going.remove(place)
        losses = [mean_loss(own) for own in outcomes]
        seconds = time.perf_counter() - started
        return [(loss, seconds) for loss in losses]

    def _draw(
        self, epochs: Sequence[Iterator[tuple[int, Tensor]]], going: Sequence[int]
    ) -> dict[int, tuple[int, Tensor]]:
        """The next batch of each training that goes on and has one."""
        drawn = {}
        for place in going:
            with self.randoms[place].active():
                batch = next(epochs[place], None)
            if batch is not None:
                drawn[place] = batch
        return drawn

    def _take_steps(self, kinds: Sequence[tuple[int, int]], *rows: Tensor) -> Tensor:
        """A step of each of these trainings, given their places and the kinds and rows of their batches; returns what
        `finish_step` does, for each."""
        steps: dict[int, Step] = {}
        for (place, kind), index_B in zip(kinds, rows, strict=True):
            with self.randoms[place].active():
                steps[place] = self.trainings[place].plan_step(kind, index_B)
            self.trainings[place].optimizer.zero_grad()
        totals = {place: torch.zeros((), device=step.num_counted.device) for place, step in steps.items()}
        for part in range(max(len(step.parts) for step in steps.values())):
            for place, loss, gradients in self._differentiate(steps, part):
                totals[place] += loss
                add_gradients(self.parameters[place], gradients)
        return torch.stack([self._finish(place, totals[place], step) for place, step in steps.items()])

    def _finish(self, place: int, total: Tensor, step: Step) -> Tensor:
        training = self.trainings[place]
        clip = training.config["clip_grad_norm"]
        return finish_step(self.parameters[place], training.optimizer, total, step.num_counted, clip)

    def _differentiate(self, steps: Mapping[int, Step], part: int) -> Differentiated:
        """As `training.differentiate`, the same part of all steps; those of other shapes apart."""
        groups: dict[Any, list[int]] = {}
        for place, step in steps.items():
            if part < len(step.parts):
                groups.setdefault(_shape_of(step.parts[part]), []).append(place)
        return [one for group in groups.values() for one in self._differentiate_alike(group, steps, part)]

    def _differentiate_alike(self, group: Sequence[int], steps: Mapping[int, Step], part: int) -> Differentiated:
        is_whole = len(group) == len(self.trainings)
        stacked = self.weights if is_whole else [torch.stack([w[place] for place in group]) for w in self.weights]
        weights = [w.detach().requires_grad_() for w in stacked]
        named = dict(zip(self.names, weights, strict=True))
        parts = [steps[place].parts[part] for place in group]
        with noise_of([(place, steps[place].noises[part]) for place in group]), self._mixed_precision():
            hidden_NBMD = torch.vmap(partial(functional_call, self.encoder))(
                named, (torch.stack([one.item_seq_BL for one in parts]), torch.stack([one.asked_BM for one in parts]))
            )
        vectors_NVD, bias_NV = self.encoder.find_scoring(named)
        losses_N = []
        for at, place in enumerate(group):  # which predictions count differs, and each is a large product anyway
            bias_V = None if bias_NV is None else bias_NV[at]
            with self._mixed_precision():
                loss = sum_counted(hidden_NBMD[at], vectors_NVD[at], bias_V, parts[at].target_BM)
            losses_N.append(loss / steps[place].num_counted.clamp(min=1))
        gradients = torch.autograd.grad(torch.stack(losses_N).sum(), weights, allow_unused=True)
        return [
            (place, losses_N[at].detach(), [None if one is None else one[at] for one in gradients])
            for at, place in enumerate(group)
        ]

    def _mixed_precision(self) -> AbstractContextManager[Any]:
        training = self.trainings[0]  # the option is not free
        return mixed_precision(training.device, training.config["enable_amp"])


class _Encoder(nn.Module):
    """A model that computes for all of a stack: its own weights are not used."""

    def __init__(self, model: NextItemModel) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).train()
        # torch.vmap minds the padding of the first model only.
        self.model.item_embedding.padding_idx = None
        self.model.item_embedding.register_forward_hook(_keep_padding)
        for module in self.model.modules():
            if isinstance(module, nn.Linear):
                module.forward = partial(_multiply, module)  # type: ignore[method-assign]

    def forward(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        return self.model.encode(item_seq_BL, asked_BM)

    def find_scoring(self, weights: Mapping[str, Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor] | None]:
        """Of each model of the stack the item vectors, V × D, and the biases of the items, if it has some."""
        bias_NV = weights.get("model.output_bias")
        vectors_NVD = weights["model.item_embedding.weight"][:, : self.model.vocab_size]
        return vectors_NVD.unbind(), None if bias_NV is None else bias_NV.unbind()


def _multiply(linear: nn.Linear, x: Tensor) -> Tensor:
    """What the layer computes. Within `torch.vmap`, `torch.autocast` does not see one with a bias."""
    y: Tensor = nn.functional.linear(x, linear.weight)
    return y + linear.bias.to(y.dtype)


def _keep_padding(embedding: nn.Module, inputs: tuple[Tensor], x_BLD: Tensor) -> Tensor:
    """No gradient reaches the vector of the padding from where it stands in a history."""
    return torch.where(inputs[0][..., None] == 0, x_BLD.detach(), x_BLD)


def _find_dropouts(module: nn.Module) -> list[Dropout]:
    return [one for one in module.modules() if isinstance(one, Dropout)]


def _shape_of(part: Examples) -> tuple[torch.Size, torch.Size]:
    return part.item_seq_BL.shape, part.asked_BM.shape
