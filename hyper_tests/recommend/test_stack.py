"""Models that are trained as one learn what each would alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from hyper_tests.recommend.builders import live_trial
from hyper_tests.recommend.short_trials import SETTINGS, write_data
from hypersweep.recommend import prepare
from hypersweep.recommend.batches import Splits
from hypersweep.recommend.fitting import build_fit, read_config
from hypersweep.recommend.lanes import map_in_turn
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.stack import OwnRandom, Stack
from hypersweep.recommend.training import Training, train_step

CPU = torch.device("cpu")
NUM_STEPS = 50
STACKABLE = [name for name, entry in CATALOG.items() if entry.is_stackable]
# Seeds, and params: all that the members of a stack may differ in.
MEMBERS: Sequence[tuple[int, Mapping[str, Any]]] = (
    (1, {}),
    (2, {"learning_rate": 0.003, "weight_decay": 0.01, "initializer_range": 0.1}),
    (3, {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.1, "learner": "sgd"}),
    (1, {"clip_grad_norm": {"max_norm": 0.1}, "attn_dropout_prob": 0.0, "learner": "rmsprop"}),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data, and the folder it is prepared in."""
    data = write_data(tmp_path_factory.mktemp("data") / "data.csv")
    return data, prepare({"dataset": str(data)})


class Made:
    """Trainings of a model, and the random numbers of each."""

    def __init__(self, prepared: tuple[Path, Path], folder: Path, model: str, **changed: Any) -> None:
        dataset, data_folder = prepared
        common = {**SETTINGS, "model": model, "dataset": str(dataset), "n_layers": 2, "n_heads": 2}
        settings = {**common, "learning_rate": 0.001, "train_batch_size": 64, **changed}
        data = PreparedData.load(data_folder)
        self.trainings: list[Training] = []
        self.randoms = [OwnRandom(CPU, seed) for seed, _ in MEMBERS]
        for random, (seed, params) in zip(self.randoms, MEMBERS, strict=True):
            trial = live_trial(folder, settings, seed=seed, prepared=data_folder)
            config = read_config(params, trial)
            with random.active():
                splits = Splits(data, max_len=config["MAX_ITEM_LIST_LENGTH"], device=CPU)
                self.trainings.append(build_fit(config, trial, data, splits, map_in_turn).training)

    def weights(self) -> list[dict[str, torch.Tensor]]:
        return [training.copy_weights() for training in self.trainings]


def train_alone(made: Made, place: int, num_steps: int) -> list[float]:
    """The losses of so many steps."""
    training, losses = made.trainings[place], []
    with made.randoms[place].active():
        while True:
            for examples in training.draw_epoch():
                size, clip = training.micro_batch_size, training.config["clip_grad_norm"]
                loss = train_step(training.model, training.optimizer, examples, micro_batch_size=size, clip=clip)
                losses += [] if loss is None else [loss]
                if len(losses) == num_steps:
                    return losses


class WatchedStack(Stack):
    """Notes the loss of every step."""

    def __init__(self, made: Made) -> None:
        super().__init__(made.trainings, made.randoms)
        self.losses: list[list[float]] = [[] for _ in made.trainings]

    def _take_steps(self, steps: Any) -> Any:
        for place, loss in super()._take_steps(steps):
            self.losses[place].append(loss)
            yield place, loss


@pytest.mark.parametrize("model", STACKABLE)
def test_fifty_steps_are_those_of_each_alone(tmp_path: Path, prepared: tuple[Path, Path], model: str) -> None:
    made = Made(prepared, tmp_path, model)
    stack = WatchedStack(made)
    while min(map(len, stack.losses)) < NUM_STEPS:
        stack.train_epoch()
    for place in range(len(MEMBERS)):
        expected = train_alone(Made(prepared, tmp_path, model), place, NUM_STEPS)
        assert stack.losses[place][:NUM_STEPS] == pytest.approx(expected, abs=1e-5), MEMBERS[place]


def test_gradients_are_summed_over_micro_batches(tmp_path: Path, prepared: tuple[Path, Path]) -> None:
    made = Made(prepared, tmp_path, "BERT4Rec", micro_batch_size=11)
    stack = WatchedStack(made)
    stack.train_epoch()
    for place in range(len(MEMBERS)):
        num_steps = len(stack.losses[place])
        assert num_steps > 3
        expected = train_alone(Made(prepared, tmp_path, "BERT4Rec", micro_batch_size=11), place, num_steps)
        assert stack.losses[place] == pytest.approx(expected, abs=1e-5), MEMBERS[place]


def test_one_that_leaves_disturbs_no_other(tmp_path: Path, prepared: tuple[Path, Path]) -> None:
    left, stayed = Made(prepared, tmp_path, "LightSANs"), Made(prepared, tmp_path, "LightSANs")
    for made, leaving in ((left, True), (stayed, False)):
        stack = Stack(made.trainings, made.randoms)
        stack.train_epoch()
        if leaving:
            before = made.trainings[1].copy_weights()
            stack.remove(made.trainings[1])
        stack.train_epoch()
    for name, weight in left.weights()[1].items():
        assert torch.equal(weight, before[name]), "the one that has left"
    for place in (0, 2, 3):
        for name, weight in left.weights()[place].items():
            assert torch.allclose(weight, stayed.weights()[place][name], atol=1e-5), name


def test_a_loss_that_is_not_finite_ends_the_epoch_of_one(tmp_path: Path, prepared: tuple[Path, Path]) -> None:
    made, other = (Made(prepared, tmp_path, "LightSANs") for _ in range(2))
    with torch.no_grad():
        made.trainings[1].model.item_embedding.weight[1] = float("nan")
    losses, expected = (Stack(one.trainings, one.randoms).train_epoch() for one in (made, other))
    assert torch.tensor([loss for loss, _ in losses]).isnan().tolist() == [False, True, False, False]
    for place in (0, 2, 3):
        assert losses[place][0] == pytest.approx(expected[place][0], abs=1e-6)


def test_checkpoints_hold_one_trial(tmp_path: Path, prepared: tuple[Path, Path]) -> None:
    made = Made(prepared, tmp_path, "LightSANs")
    Stack(made.trainings, made.randoms)
    for weight in made.trainings[1].state()["weights"].values():
        assert weight.untyped_storage().nbytes() == weight.nbytes


def test_random_numbers_of_ones_own() -> None:
    torch.manual_seed(7)
    expected = torch.rand(4).tolist()
    own = OwnRandom(CPU, 7)
    with own.active():
        first = torch.rand(2).tolist()
    torch.rand(100)
    with own.active():
        assert first + torch.rand(2).tolist() == expected
    torch.manual_seed(8)
    outside = torch.rand(1)
    torch.manual_seed(8)
    OwnRandom(CPU, 9)
    assert torch.equal(torch.rand(1), outside), "nobody else's are used up"
