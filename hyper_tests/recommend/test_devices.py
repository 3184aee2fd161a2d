"""Training on other devices than the host's: the same numbers, and nobody waits for them within an epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from hyper_tests.recommend.builders import splits_of
from hyper_tests.recommend.other_devices import as_shapes, take_host_for_another, without_numbers
from hyper_tests.recommend.small_trainings import NO_DROPOUT, make_model, make_training, small_splits
from hypersweep.recommend import stack
from hypersweep.recommend.devices import make_generator
from hypersweep.recommend.evaluation import rank_targets
from hypersweep.recommend.learners import OPTIMIZERS, build_optimizer, step_if
from hypersweep.recommend.models.bert4rec import MASKS_AT_RANDOM, MASKS_LAST
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.models.dropout import Dropout, noise_from
from hypersweep.recommend.step import differentiate, plan_step
from hypersweep.recommend.training import Training

KINDS = [(name, 0) for name in CATALOG if name != "BERT4Rec"]
KINDS += [("BERT4Rec", kind) for kind in (MASKS_AT_RANDOM, MASKS_LAST)]
# Where a softmax makes no difference of it: its gradient is 0 but for rounding, which Adam makes steps of.
HAS_NO_GRADIENT = {"LightSANs": ".position_query.bias", "BERT4Rec": ".key.bias", "SASRec": ".key.bias"}
every_model = pytest.mark.parametrize("name", CATALOG)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_step_waits_for_nothing(name: str, kind: int) -> None:
    """On a device without numbers, each look at one is an error."""
    model, _ = make_model(name, {})
    model.to("meta").train()
    splits = without_numbers(small_splits())
    batch = splits.batch(splits.train, torch.arange(6).to("meta"))
    generator = torch.Generator()
    examples = model.make_examples(batch, kind, generator)
    step = plan_step(model, examples, micro_batch_size=4, generator=generator)
    assert len(step.parts) == 2
    for place in range(2):
        loss, gradients = differentiate(model, list(model.parameters()), step, False, place)
        assert loss.is_meta and len(gradients) == len(list(model.parameters()))
    with pytest.raises(RuntimeError, match="cannot be called on meta tensors"):
        float(loss)


@pytest.mark.parametrize(
    ("name", "learner"), [*((name, "adam") for name in CATALOG), ("SASRec", "sgd"), ("SASRec", "adagrad")]
)
def test_nor_does_its_end(name: str, learner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Norms are clipped and the optimiser makes its step, or none, where the numbers are."""
    settings = {"learner": learner, "clip_grad_norm": {"max_norm": 1.0}, "enable_amp": True}
    assert take_step_without_numbers(name, settings, monkeypatch).shape == (2,)


@every_model
def test_scoring_waits_for_nothing(name: str) -> None:
    model, _ = make_model(name, {})
    model.to("meta").eval()
    splits = without_numbers(small_splits())
    batch = splits.batch(splits.valid, torch.arange(2).to("meta"))
    assert rank_targets(model.score(batch), batch.target_B).is_meta


def test_one_that_is_not_fused_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataDependentOutputException, match="_local_scalar_dense"):
        take_step_without_numbers("SASRec", {"learner": "rmsprop"}, monkeypatch)


def take_step_without_numbers(name: str, settings: dict[str, Any], patch: pytest.MonkeyPatch) -> Tensor:
    take_host_for_another(patch)
    patch.setattr("hypersweep.recommend.training.make_generator", lambda device, is_compiled: torch.Generator())
    splits = small_splits()
    with FakeTensorMode() as mode:
        model, config = make_model(name, settings)
        outcome: Tensor = Training(model.train(), as_shapes(splits, mode), config).take_step(0, torch.arange(6))
    return outcome


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("BERT4Rec", (0, 0, 0)), ("BERT4Rec", (0, 1, 0)), ("LightSANs", (0, 0, 0)), ("SASRec", (0, 0, 0))],
)
def test_a_joint_step_waits_for_nothing(name: str, kinds: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> None:
    take_host_for_another(monkeypatch)
    trainings = [make_training(name) for _ in kinds]
    for training in trainings:
        training.model.to("meta").train()
        training.splits = without_numbers(training.splits)
    finished: list[Tensor] = []

    def finish(parameters: object, optimizer: object, total: Tensor, *others: object) -> Tensor:
        finished.append(total)
        return torch.stack([total, total])

    monkeypatch.setattr(stack, "finish_step", finish)  # torch has no fused optimiser without numbers
    joint = stack.Stack(trainings, [stack.OwnRandom(seed) for seed in range(len(kinds))])
    rows = [torch.arange(6).to("meta") for _ in kinds]
    assert joint.take_steps(tuple(enumerate(kinds)), *rows).is_meta
    assert len(finished) == len(kinds) and all(total.is_meta for total in finished)


@every_model
@pytest.mark.parametrize("learner", ["adam", "sgd"])
def test_the_numbers_are_those_of_the_host(name: str, learner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {
        **NO_DROPOUT,
        "ft_ratio": 1.0,
        "learner": learner,
        "clip_grad_norm": {"max_norm": 1.0},
        "shuffle": False,
    }
    trained = []
    for is_host in (True, False):
        if not is_host:
            take_host_for_another(monkeypatch)
        training = make_training(name, **settings)
        assert (training.generator is None) == is_host
        losses = [training.train_epoch()[0] for _ in range(2)]  # Adam makes tenfold of a rounding in each
        trained.append((losses, training.copy_weights(), training.evaluate(training.splits.valid)))
    (host_losses, host_weights, host_metrics), (losses, weights, metrics) = trained
    assert losses == pytest.approx(host_losses, abs=1e-5)
    assert metrics == host_metrics
    for name_, weight in weights.items():
        if not name_.endswith(HAS_NO_GRADIENT.get(name, "no parameter")):
            torch.testing.assert_close(weight, host_weights[name_], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["LightSANs", "BERT4Rec"])
def test_it_goes_on_as_if_unbroken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The random numbers of both, host and device, are part of the state."""
    take_host_for_another(monkeypatch)
    unbroken = make_training(name)
    unbroken.train_epoch()
    state = copy.deepcopy(unbroken.state())
    expected = [unbroken.train_epoch()[0] for _ in range(2)]
    again = make_training(name)
    torch.rand(5)
    again.train_epoch()
    again.restore(state)
    assert [again.train_epoch()[0] for _ in range(2)] == expected


def test_the_seed_decides_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    take_host_for_another(monkeypatch)

    def draw(seed: int) -> list[float]:
        torch.manual_seed(seed)
        generator = make_generator(torch.device("cpu"), is_compiled=False)
        return torch.rand(3, generator=generator).tolist()

    assert draw(1) == draw(1) != draw(2)


class Watched:
    """An optimiser of one weight."""

    def __init__(self, learner: str) -> None:
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.optimizer = build_optimizer(learner, [self.weight], torch.device("cpu"), lr=0.1, weight_decay=0.1)

    def step(self, gradient: float, is_taken: bool) -> Tensor:
        self.weight.grad = torch.full_like(self.weight, gradient)
        step_if(self.optimizer, torch.tensor(is_taken))
        return self.weight.detach().clone()


@pytest.mark.parametrize("learner", OPTIMIZERS)
@pytest.mark.parametrize("is_host", [True, False])
def test_a_step_that_is_not_taken_leaves_no_trace(learner: str, is_host: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_host:
        take_host_for_another(monkeypatch)
    interrupted, plain = Watched(learner), Watched(learner)
    interrupted.step(1.0, True), plain.step(1.0, True)
    before = interrupted.weight.detach().clone()
    assert torch.equal(interrupted.step(math.nan, False), before)
    assert torch.equal(interrupted.step(7.0, False), before)
    after = interrupted.step(-0.5, True)
    assert not torch.equal(after, before)
    assert torch.equal(after, plain.step(-0.5, True)), "nor in what the optimiser remembers"


def test_a_batch_in_which_nothing_counts_makes_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    take_host_for_another(monkeypatch)
    training = make_training("BERT4Rec")
    training.splits = splits_of([[3, 4, 5, 6]], max_len=8, num_items=11)  # the one training row has one item
    before = training.copy_weights()
    assert training.take_step(MASKS_LAST, torch.tensor([0])).tolist() == [0, 0]
    for name, weight in training.copy_weights().items():
        assert torch.equal(weight, before[name])
    assert training.train_epoch()[0] == 0


def test_a_diverged_epoch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    take_host_for_another(monkeypatch)
    training = make_training("LightSANs")
    with torch.no_grad():
        training.model.item_embedding.weight[5] = math.inf
    assert math.isnan(training.train_epoch()[0])


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_noise(probability: float, monkeypatch: pytest.MonkeyPatch) -> None:
    take_host_for_another(monkeypatch)

    def draw(seed: int) -> Tensor:
        with noise_from(torch.Generator().manual_seed(seed)):
            y: Tensor = Dropout(probability)(torch.ones(401, 503))
        return y

    y = draw(1)
    assert float((y == 0).float().mean()) == pytest.approx(probability, abs=0.005)
    assert y.max().item() == pytest.approx(1 / (1 - probability), rel=1e-5)
    assert torch.equal(draw(1), y)
    assert not torch.equal(draw(2), y)


@every_model
def test_mixed_precision(name: str) -> None:
    """Close to the numbers without, and not the same."""
    settings: dict[str, Any] = {**NO_DROPOUT, "ft_ratio": 1.0, "learning_rate": 0.001}
    exact, mixed = (make_training(name, enable_amp=is_mixed, **settings) for is_mixed in (False, True))
    losses = []
    for training in (exact, mixed):
        torch.manual_seed(2)
        losses.append([training.train_epoch()[0] for _ in range(3)])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]
    assert all(weight.dtype == torch.float32 for weight in mixed.copy_weights().values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_compiled() -> None:
    plain, compiled = (
        make_training("LightSANs", n_layers=1, compile=is_compiled, **NO_DROPOUT) for is_compiled in ("auto", True)
    )
    told: list[tuple[Any, Any]] = []
    for training in (plain, compiled):
        torch.manual_seed(2)
        told.append(([training.train_epoch()[0] for _ in range(2)], training.evaluate(training.splits.valid)))
    assert told[1][0] == pytest.approx(told[0][0], abs=1e-5)
    assert told[1][1] == told[0][1]
    assert compiled.copy_weights().keys() == plain.copy_weights().keys()
