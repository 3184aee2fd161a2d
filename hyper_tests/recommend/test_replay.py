"""Steps that are recorded and replayed: when, and that they stay the steps they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from hyper_tests.recommend.other_devices import take_host_for_another
from hyper_tests.recommend.small_trainings import make_training
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.replay import MAX_COUNTED, MAX_RECORDINGS, NUM_WARM_UPS, Compute, CudaGraphs, Replay
from hypersweep.recommend.stack import OwnRandom, Stack
from hypersweep.recommend.training import Training, replay_if_possible

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")


class Recorder:
    """Records as a CUDA graph does: inputs have a place of their own; nothing is computed before a replay."""

    def __init__(self) -> None:
        self.num_recordings = 0
        self.num_replays = 0

    def record(self, compute: Compute, inputs: Sequence[Tensor]) -> Compute:
        self.num_recordings += 1
        own_inputs = [tensor.clone() for tensor in inputs]

        def replay(inputs: Sequence[Tensor]) -> Tensor:
            self.num_replays += 1
            for own, given in zip(own_inputs, inputs, strict=True):
                own.copy_(given)
            return compute(own_inputs)

        return replay


def test_what_comes_again_is_recorded_once() -> None:
    computed: list[tuple[str, list[float]]] = []

    def compute(key: str, *inputs: Tensor) -> Tensor:
        computed.append((key, inputs[0].tolist()))
        return torch.stack(inputs).sum(dim=0)

    recorder = Recorder()
    replay = Replay(compute, recorder.record)
    calls = [(key, float(number), width) for number in range(6) for key in "ab" for width in (1, 3)]
    for key, number, width in calls:
        given = torch.full((width,), number)
        assert torch.equal(replay(key, given, given), 2 * given)
    assert computed == [(key, [number] * width) for key, number, width in calls], "each once, in this order"
    assert recorder.num_recordings == 4, "two keys, two shapes"
    assert recorder.num_replays == 4 * (6 - NUM_WARM_UPS)


def test_no_more_than_so_many_are_kept() -> None:
    recorder = Recorder()
    replay = Replay(lambda key, given: given * key, recorder.record)
    for _ in range(NUM_WARM_UPS + 2):
        for key in range(MAX_RECORDINGS + 3):
            assert replay(key, torch.ones(1)).item() == key
    assert recorder.num_recordings == MAX_RECORDINGS


def test_no_more_than_so_many_are_counted() -> None:
    recorder = Recorder()
    replay = Replay(lambda key, given: given * key, recorder.record)
    for key in (*range(3 * MAX_COUNTED), *[0] * NUM_WARM_UPS):
        assert replay(key, torch.ones(1)).item() == key
    assert len(replay.num_calls) == MAX_COUNTED
    assert recorder.num_recordings == 1, "of the first, which came again"


@pytest.mark.parametrize(
    ("changed", "is_replayed"),
    [({}, True), ({"learner": "sgd"}, True), ({"learner": "rmsprop"}, False), ({"cuda_graphs": False}, False)],
)
def test_whose_steps_are_replayed(changed: dict[str, Any], is_replayed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of trainings on CUDA of which all can be."""
    take_host_for_another(monkeypatch)
    trainings = [make_training("SASRec"), make_training("SASRec", **changed)]
    assert replay_if_possible(torch.clone, trainings) is torch.clone, "on the host"
    monkeypatch.setattr(Training, "device", torch.device("cuda"))
    monkeypatch.setattr("hypersweep.recommend.training.CudaGraphs", lambda generators: Recorder())
    assert isinstance(replay_if_possible(torch.clone, trainings), Replay) == is_replayed


def test_what_cannot_be_recorded_is_computed() -> None:
    tried = []

    def refuse(compute: Compute, inputs: Sequence[Tensor]) -> Compute:
        tried.append(inputs)
        raise RuntimeError("operation not permitted when stream is capturing")

    replay = Replay(lambda key, given: given * key, refuse)
    for _ in range(NUM_WARM_UPS):
        assert replay(2, torch.ones(1)).item() == 2
    with pytest.warns(UserWarning, match="not recorded as CUDA graphs, which makes them slower: operation not"):
        assert replay(2, torch.ones(1)).item() == 2
    for _ in range(2):
        for _ in range(NUM_WARM_UPS + 1):
            assert replay(3, torch.ones(1)).item() == 3
        replay.forget()
    assert len(tried) == 1, "once is enough"


def test_a_stack_records_anew_what_is_left_of_it() -> None:
    """The weights of those that stay lie elsewhere then."""
    recorder, told = Recorder(), []
    for is_replayed in (False, True):
        trainings = [make_training("SASRec", learning_rate=rate) for rate in (0.01, 0.02, 0.03)]
        stack = Stack(trainings, [OwnRandom(seed) for seed in range(3)])
        if is_replayed:
            stack.take_steps = Replay(stack.take_steps, recorder.record)
        losses = [stack.train_epoch() for _ in range(4)]
        num_before = recorder.num_recordings
        stack.remove(trainings[1])
        assert not (isinstance(stack.take_steps, Replay) and stack.take_steps.recordings), "their memory is free"
        losses += [stack.train_epoch() for _ in range(4)]
        told.append([[loss for loss, _ in epoch] for epoch in losses])
    assert 0 < num_before < recorder.num_recordings
    assert told[1] == told[0]


@pytest.mark.parametrize("name", CATALOG)
def test_replayed_epochs_are_those_that_are_computed(name: str) -> None:
    recorder = Recorder()
    losses = []
    for is_replayed in (False, True):
        training = make_training(name)
        if is_replayed:
            training.take_step = Replay(training.take_step, recorder.record)
        losses.append([training.train_epoch()[0] for _ in range(5)])
    assert losses[0] == losses[1]
    assert recorder.num_replays > 0


def trained_on_cuda(name: str, *, is_replayed: bool) -> tuple[Training, list[float]]:
    training = make_training(name, device="cuda", cuda_graphs=is_replayed)
    return training, [training.train_epoch()[0] for _ in range(5)]


@on_cuda
@pytest.mark.parametrize("name", CATALOG)
def test_cuda_graphs_compute_the_same(name: str) -> None:
    training, losses = trained_on_cuda(name, is_replayed=True)
    assert isinstance(training.take_step, Replay) and training.take_step.recordings
    assert losses == pytest.approx(trained_on_cuda(name, is_replayed=False)[1], abs=1e-5)


@on_cuda
def test_random_numbers_of_a_cuda_graph_are_new_in_each_replay() -> None:
    device = torch.device("cuda")
    generator = torch.Generator(device)
    replay = CudaGraphs([generator]).record(
        lambda inputs: torch.empty_like(inputs[0]).bernoulli_(0.5, generator=generator), [torch.ones(99, device=device)]
    )
    first, second = (replay([torch.ones(99, device=device)]) for _ in range(2))
    assert not torch.equal(first, second)
