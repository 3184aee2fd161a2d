"""Models that are trained as one learn what each would alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from hyper_tests.recommend.builders import live_trial
from hyper_tests.recommend.other_devices import take_host_for_another
from hyper_tests.recommend.short_trials import SETTINGS, write_data
from hypersweep.recommend import prepare
from hypersweep.recommend.batches import Splits
from hypersweep.recommend.fitting import build_fit, read_config
from hypersweep.recommend.lanes import map_in_turn
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.stack import OwnRandom, Stack
from hypersweep.recommend.training import Training

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

    def __init__(
        self, prepared: tuple[Path, Path], folder: Path, model: str, *, device: str = "cpu", **changed: Any
    ) -> None:
        dataset, data_folder = prepared
        common = {**SETTINGS, "model": model, "dataset": str(dataset), "n_layers": 2, "n_heads": 2}
        settings = {**common, "learning_rate": 0.001, "train_batch_size": 64, **changed}
        data = PreparedData.load(data_folder)
        self.trainings: list[Training] = []
        self.randoms = [OwnRandom(seed) for seed, _ in MEMBERS]
        for random, (seed, params) in zip(self.randoms, MEMBERS, strict=True):
            trial = live_trial(folder, settings, seed=seed, prepared=data_folder)
            config = read_config(params, trial)
            with random.active():
                splits = Splits(data, max_len=config["MAX_ITEM_LIST_LENGTH"], device=torch.device(device))
                self.trainings.append(build_fit(config, trial, data, splits, map_in_turn).training)

    def weights(self) -> list[dict[str, torch.Tensor]]:
        return [training.copy_weights() for training in self.trainings]


def stack_of(made: Made) -> Stack:
    return Stack(made.trainings, made.randoms)


def train_alone(made: Made, place: int, num_steps: int) -> list[float]:
    """The losses of so many steps."""
    training = made.trainings[place]
    losses: list[float] = []
    with made.randoms[place].active():
        while True:
            for kind, index_B in training.draw_batches():
                loss, is_counted = training.take_step(kind, index_B).tolist()
                losses += [loss] if is_counted else []
                if len(losses) == num_steps:
                    return losses


class WatchedStack(Stack):
    """Notes the loss of every step."""

    def __init__(self, made: Made) -> None:
        super().__init__(made.trainings, made.randoms)
        self.losses: list[list[float]] = [[] for _ in made.trainings]

    def _take_steps(self, kinds: Sequence[tuple[int, int]], *rows: torch.Tensor) -> torch.Tensor:
        outcomes = super()._take_steps(kinds, *rows)
        for (place, _), (loss, is_counted) in zip(kinds, outcomes.tolist(), strict=True):
            self.losses[place] += [loss] if is_counted else []
        return outcomes


@pytest.mark.parametrize("is_host", [True, False])
@pytest.mark.parametrize("model", STACKABLE)
def test_fifty_steps_are_those_of_each_alone(
    tmp_path: Path, prepared: tuple[Path, Path], model: str, is_host: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_host:
        take_host_for_another(monkeypatch)
    made = Made(prepared, tmp_path, model)
    stack = WatchedStack(made)
    while min(map(len, stack.losses)) < NUM_STEPS:
        stack.train_epoch()
    for place in range(len(MEMBERS)):
        expected = train_alone(Made(prepared, tmp_path, model), place, NUM_STEPS)
        assert stack.losses[place][:NUM_STEPS] == pytest.approx(expected, abs=1e-5), MEMBERS[place]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
@pytest.mark.parametrize("model", STACKABLE)
def test_fifty_steps_on_cuda(tmp_path: Path, prepared: tuple[Path, Path], model: str) -> None:
    made = Made(prepared, tmp_path, model, device="cuda")
    stack = WatchedStack(made)
    while min(map(len, stack.losses)) < NUM_STEPS:
        stack.train_epoch()
    for place in range(len(MEMBERS)):
        expected = train_alone(Made(prepared, tmp_path, model, device="cuda"), place, NUM_STEPS)
        assert stack.losses[place][:NUM_STEPS] == pytest.approx(expected, abs=1e-4), MEMBERS[place]


def test_mixed_precision(tmp_path: Path, prepared: tuple[Path, Path]) -> None:
    """Products are in bfloat16; what comes of it is what each alone comes to."""
    made, alone = (Made(prepared, tmp_path, "LightSANs", enable_amp=True) for _ in range(2))
    stack, seen = stack_of(made), set[torch.dtype]()
    (_, expand), *_ = (named for named in stack.encoder.named_modules() if named[0].endswith("0.expand"))
    expand.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    losses = [loss for loss, _ in stack.train_epoch()]
    assert seen == {torch.bfloat16}
    for place, training in enumerate(alone.trainings):
        with alone.randoms[place].active():
            assert losses[place] == pytest.approx(training.train_epoch()[0], rel=1e-4)


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
        stack = stack_of(made)
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
    losses, expected = (stack_of(one).train_epoch() for one in (made, other))
    assert torch.tensor([loss for loss, _ in losses]).isnan().tolist() == [False, True, False, False]
    for place in (0, 2, 3):
        assert losses[place][0] == pytest.approx(expected[place][0], abs=1e-6)


def test_checkpoints_hold_one_trial(tmp_path: Path, prepared: tuple[Path, Path]) -> None:
    made = Made(prepared, tmp_path, "LightSANs")
    stack_of(made)
    for weight in made.trainings[1].state()["weights"].values():
        assert weight.untyped_storage().nbytes() == weight.nbytes


def test_random_numbers_of_ones_own() -> None:
    torch.manual_seed(7)
    expected = torch.rand(4).tolist()
    own = OwnRandom(7)
    with own.active():
        first = torch.rand(2).tolist()
    torch.rand(100)
    with own.active():
        assert first + torch.rand(2).tolist() == expected
    torch.manual_seed(8)
    outside = torch.rand(1)
    torch.manual_seed(8)
    OwnRandom(9)
    assert torch.equal(torch.rand(1), outside), "nobody else's are used up"
