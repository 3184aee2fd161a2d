"""Models of one shape trained as one: their weights are stacked, and one call of `torch.vmap` computes for all of them.

Each is trained as it would be alone, with its own optimiser, rows, noise and end. Its parameters are views into the
stacked weights, so that whatever changes them there changes what all are computed with.

Shapes: N models, B rows, L positions, M predictions asked of a row, D hidden size, V items and the padding.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hypersweep.recommend.models.dropout import Dropout, noise_from, noise_of
from hypersweep.recommend.models.next_item import Examples, NextItemModel, sum_counted
from hypersweep.recommend.training import Step, Training, add_gradients, find_generators, finish_step, plan_step

Losses = tuple[float, float]  # the mean of an epoch's steps, and its seconds
Differentiated = list[tuple[int, Tensor, Sequence[Tensor | None]]]  # place, loss, gradients


class OwnRandom:
    """The random numbers of a trial that shares its process with others: torch's own within `active`."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.generators = find_generators(device)
        self.is_on_cpu = device.type == "cpu"
        self.states: dict[str, Tensor] = {}
        with self.active():
            torch.manual_seed(seed)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        before = self._get()
        self._set(self.states)
        try:
            yield
        finally:
            self.states = self._get()
            self._set(before)

    def _get(self) -> dict[str, Tensor]:
        return {device: module.get_rng_state() for device, module in self.generators.items()}

    def _set(self, states: Mapping[str, Tensor]) -> None:
        for device, state in states.items():
            self.generators[device].set_rng_state(state)


class Stack:
    """Trainings of one shape, each with its random numbers: what differs may be how they learn, and what they drop."""

    def __init__(self, trainings: Sequence[Training], randoms: Sequence[OwnRandom]) -> None:
        self.trainings = list(trainings)
        self.randoms = list(randoms)
        self.encoder = _Encoder(trainings[0].model)
        self.names = [name for name, _ in self.encoder.named_parameters()]
        self._stack()

    def remove(self, training: Training) -> None:
        """It has ended; its weights stay as they are."""
        place = self.trainings.index(training)
        del self.trainings[place], self.randoms[place]
        if self.trainings:
            self._stack()

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
        epochs = [training.draw_epoch() for training in self.trainings]
        losses: list[list[float]] = [[] for _ in epochs]
        going = list(range(len(epochs)))
        while going:
            steps: dict[int, Step] = {}
            for place in list(going):
                training = self.trainings[place]
                with self.randoms[place].active():
                    examples = next(epochs[place], None)
                    if examples is None:
                        going.remove(place)
                        continue
                    step = plan_step(training.model, examples, micro_batch_size=training.micro_batch_size)
                if step is not None:
                    steps[place] = step
            for place, loss in self._take_steps(steps):
                losses[place].append(loss)
                if not math.isfinite(loss):
                    going.remove(place)
        seconds = time.perf_counter() - started
        return [(sum(own) / max(1, len(own)), seconds) for own in losses]

    def _take_steps(self, steps: Mapping[int, Step]) -> Iterator[tuple[int, float]]:
        """A step of each of these trainings; gives the losses before."""
        totals = {place: torch.zeros((), device=self.trainings[place].device) for place in steps}
        for place in steps:
            self.trainings[place].optimizer.zero_grad()
        num_parts = max((len(step.parts) for step in steps.values()), default=0)
        for part in range(num_parts):
            for place, loss, gradients in self._differentiate(steps, part):
                totals[place] += loss
                add_gradients(self.parameters[place], gradients)
        for place, total in totals.items():
            training = self.trainings[place]
            clip = training.config["clip_grad_norm"]
            yield place, finish_step(self.parameters[place], training.optimizer, total, clip)

    def _differentiate(self, steps: Mapping[int, Step], part: int) -> Differentiated:
        """As `training.differentiate`, the same part of all steps; those of other shapes apart."""
        groups: dict[Any, list[int]] = {}
        for place, step in steps.items():
            if part < len(step.parts):
                groups.setdefault(_shape_of(step.parts[part]), []).append(place)
        return [one for group in groups.values() for one in self._differentiate_alike(group, steps, part)]

    def _differentiate_alike(self, group: Sequence[int], steps: Mapping[int, Step], part: int) -> Differentiated:
        is_whole = len(group) == len(self.trainings)
        weights = [(w if is_whole else w[list(group)]).detach().requires_grad_() for w in self.weights]
        named = dict(zip(self.names, weights, strict=True))
        parts = [steps[place].parts[part] for place in group]
        with noise_of([(place, self._find_noise(place, steps[place].seeds[part])) for place in group]):
            hidden_NBMD = torch.vmap(partial(functional_call, self.encoder))(
                named, (torch.stack([one.item_seq_BL for one in parts]), torch.stack([one.asked_BM for one in parts]))
            )
        vectors_NVD, bias_NV = self.encoder.find_scoring(named)
        losses_N = []
        for at, place in enumerate(group):  # which predictions count differs, and each is a large product anyway
            bias_V = None if bias_NV is None else bias_NV[at]
            loss = sum_counted(hidden_NBMD[at], vectors_NVD[at], bias_V, parts[at].target_BM)
            losses_N.append(loss / steps[place].num_counted)
        gradients = torch.autograd.grad(torch.stack(losses_N).sum(), weights, allow_unused=True)
        return [
            (place, losses_N[at].detach(), [None if one is None else one[at] for one in gradients])
            for at, place in enumerate(group)
        ]

    def _find_noise(self, place: int, seed: int) -> Callable[[], AbstractContextManager[None]]:
        """Where `training.differentiate` has the noise of a part from: on a CPU its own generator, else torch's."""
        random = self.randoms[place]
        return partial(noise_from, torch.Generator().manual_seed(seed)) if random.is_on_cpu else random.active


class _Encoder(nn.Module):
    """A model that computes for all of a stack: its own weights are not used."""

    def __init__(self, model: NextItemModel) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).train()
        # torch.vmap minds the padding of the first model only.
        self.model.item_embedding.padding_idx = None
        self.model.item_embedding.register_forward_hook(_keep_padding)

    def forward(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        return self.model.encode(item_seq_BL, asked_BM)

    def find_scoring(self, weights: Mapping[str, Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor] | None]:
        """Of each model of the stack the item vectors, V × D, and the biases of the items, if it has some."""
        bias_NV = weights.get("model.output_bias")
        vectors_NVD = weights["model.item_embedding.weight"][:, : self.model.vocab_size]
        return vectors_NVD.unbind(), None if bias_NV is None else bias_NV.unbind()


def _keep_padding(embedding: nn.Module, inputs: tuple[Tensor], x_BLD: Tensor) -> Tensor:
    """No gradient reaches the vector of the padding from where it stands in a history."""
    return torch.where(inputs[0][..., None] == 0, x_BLD.detach(), x_BLD)


def _find_dropouts(module: nn.Module) -> list[Dropout]:
    return [one for one in module.modules() if isinstance(one, Dropout)]


def _shape_of(part: Examples) -> tuple[torch.Size, torch.Size]:
    return part.item_seq_BL.shape, part.asked_BM.shape
