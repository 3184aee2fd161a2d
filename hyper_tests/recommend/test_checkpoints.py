"""A trial that was cut off goes on as if it had not been, whatever its checkpoint folder holds."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.recommend.short_trials import ShortTrial, Told, write_data
from hypersweep.errors import CheckpointError, TrialPruned
from hypersweep.recommend.checkpoints import read_checkpoint
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.training import Training

every_model = pytest.mark.parametrize("model", CATALOG)
WITH_EARLY_BEST = {"learning_rate": 1.0, "stopping_step": 10}
MakeTrial = Callable[..., ShortTrial]


class Cut(BaseException):
    """Ends a trial as a kill does, as far as that can be within a process."""


@pytest.fixture(scope="module")
def make_trial(tmp_path_factory: pytest.TempPathFactory) -> MakeTrial:
    """Trials in folders of their own."""
    data = write_data(tmp_path_factory.mktemp("data") / "short.csv")

    def make(**changed: Any) -> ShortTrial:
        return ShortTrial(tmp_path_factory.mktemp("trial"), data, **{"model": "LightSANs", **changed})

    return make


def run_cut(trial: ShortTrial, at: int) -> Told:
    """The trial until it has reported so many times."""
    told, count = Told(), itertools.count(1)

    def cut(epoch: int) -> None:
        if next(count) == at:
            raise Cut

    with pytest.raises(Cut, match=r"^$"):
        trial.run(cut, told)
    return told


def assert_same(told: Told, unbroken: Told, *, from_epoch: int = 1) -> None:
    """The same result and reports, and the same lines from an epoch on."""
    assert told.result == unbroken.result
    assert told.reports == unbroken.reports
    assert told.epochs == unbroken.epochs[from_epoch - 1 :]


@every_model
@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5])
def test_a_trial_that_was_cut_goes_on_bit_for_bit(make_trial: MakeTrial, model: str, epoch: int) -> None:
    unbroken = make_trial(model=model, stopping_step=10).run()
    assert len(unbroken.reports) == 5
    trial = make_trial(model=model, stopping_step=10)
    run_cut(trial, epoch)
    told = trial.run()
    assert f"goes on after epoch {epoch}\n" in told.log
    assert_same(told, unbroken, from_epoch=epoch + 1)


@settings(max_examples=20)
@given(
    model=st.sampled_from(sorted(CATALOG)),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(1, 7), max_size=3),
    learner=st.sampled_from(["adam", "adamw", "sgd", "adagrad", "rmsprop"]),
    changed=st.fixed_dictionaries(
        {
            "learning_rate": st.sampled_from([0.0, 1e-30, 0.01, 0.5]).map(lambda rate: rate or 1e-9),
            "eval_step": st.integers(1, 3),
            "epochs": st.integers(1, 7),
            "stopping_step": st.integers(0, 3),
            "shuffle": st.booleans(),
        }
    ),
)
def test_trials_cut_anywhere(
    make_trial: MakeTrial, model: str, seed: int, cuts: list[int], learner: str, changed: dict[str, Any]
) -> None:
    unbroken = make_trial(model=model, seed=seed, learner=learner, **changed).run()
    trial = make_trial(model=model, seed=seed, learner=learner, **changed)
    for cut in cuts:
        if cut <= len(unbroken.reports):
            run_cut(trial, cut)
    told = trial.run()
    assert told.result == unbroken.result
    assert told.reports == unbroken.reports
    assert unbroken.epochs[-1] == told.epochs[-1]


@every_model
def test_a_trial_cut_between_two_epochs_does_the_later_one_again(
    make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """Its validation had been made and its checkpoint not written."""
    unbroken = make_trial(model=model, stopping_step=10).run()
    trial = make_trial(model=model, stopping_step=10)
    replace, count = os.replace, itertools.count(1)

    def cut(source: str, target: str) -> None:
        if next(count) == 3:
            raise Cut
        replace(source, target)

    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(Cut, match=r"^$"):
        trial.run()
    monkeypatch.undo()
    assert_same(trial.run(), unbroken, from_epoch=3)


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Validations that give these scores, by the number of the epoch."""
    epochs = itertools.count(1)
    train_epoch = Training.train_epoch
    evaluate = Training.evaluate

    def counted(self: Training) -> Any:
        self.config = {**self.config, "epoch": next(epochs)}
        return train_epoch(self)

    def score(self: Training, rows: object) -> dict[str, float]:
        found = evaluate(self, rows)  # type: ignore[arg-type]
        if rows is self.splits.valid:
            found["ndcg@10"] = scores[self.config["epoch"] - 1]
        return found

    monkeypatch.setattr(Training, "train_epoch", counted)
    monkeypatch.setattr(Training, "evaluate", score)


def test_the_last_and_the_best_epoch_are_kept_and_in_the_end_the_best_weights(
    make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.1, 0.2])
    trial = make_trial(epochs=6)
    kept: list[list[str]] = []
    trial.run(lambda epoch: kept.append(trial.checkpoints))
    assert [[int(name[6:10]) for name in names] for names in kept] == [[1], [2], [2, 3], [4], [4, 5], [4, 6]]
    assert trial.checkpoints == ["best.pt"]


@every_model
def test_what_the_checkpoint_of_a_finished_trial_holds(make_trial: MakeTrial, model: str) -> None:
    trial = make_trial(model=model)
    told = trial.run()
    best = torch.load(trial.folder / "checkpoint" / "best.pt", weights_only=True)
    assert list(best) == ["trial", "epoch", "validations", "valid", "test", "weights", "items"]
    assert best["trial"]["model"] == model
    assert best["trial"]["seed"] == 2020
    assert best["trial"]["learning_rate"] == 0.05
    assert best["validations"] == told.reports
    assert best["valid"] == dict(told.reports)[best["epoch"]] == told.result["best_valid_result"]
    assert best["test"] == told.result["test_result"]
    assert best["weights"]["item_embedding.weight"].shape == (12 + 1 + (model == "BERT4Rec"), 8)
    assert sorted(best["items"], key=int) == [str(item) for item in range(12)]


def test_a_trial_that_had_ended_gives_its_result_again(make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller was killed before it heard of it."""
    trial = make_trial()
    told = trial.run()

    def fail(self: Training) -> None:
        raise AssertionError

    monkeypatch.setattr(Training, "train_epoch", fail)
    again = trial.run()
    assert (again.result, again.reports) == (told.result, told.reports)
    assert "had ended with epoch" in again.log


def test_a_diverged_trial_ends_with_the_best_weights_before(make_trial: MakeTrial) -> None:
    trial = make_trial(learning_rate=1e30)
    told = trial.run()
    best = torch.load(trial.folder / "checkpoint" / "best.pt", weights_only=True)
    assert str(told.result["best_valid_score"]) == str(best["valid"]["ndcg@10"]) == "nan"
    assert all(bool(weight.isfinite().all()) for weight in best["weights"].values())
    assert str(trial.run().result) == str(told.result)


def test_a_pruned_trial_leaves_its_checkpoint(make_trial: MakeTrial) -> None:
    def prune(epoch: int) -> None:
        if epoch == 2:
            raise TrialPruned

    trial = make_trial()
    with pytest.raises(TrialPruned, match=r"^$"):
        trial.run(prune)
    assert "epoch-0002.pt" in trial.checkpoints


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"seed": 7}, "seed is 2020 there, 7 here"),
        ({"learning_rate": 0.1}, "learning_rate is 0.05 there, 0.1 here"),
        ({"model": "BERT4Rec"}, "model is 'LightSANs' there, 'BERT4Rec' here"),
        ({"rm_dup_inter": "last"}, "data is 'short-"),
        ({"epochs": 4}, "epochs is 5 there, 4 here"),
    ],
)
@pytest.mark.parametrize("is_ended", [False, True])
def test_the_checkpoint_of_another_trial_is_not_used(
    make_trial: MakeTrial, changed: dict[str, Any], reason: str, is_ended: bool
) -> None:
    other = make_trial()
    if is_ended:
        other.run()
    else:
        run_cut(other, 3)
    unbroken = make_trial(**changed).run()
    trial = make_trial(**changed)
    shutil.copytree(other.folder / "checkpoint", trial.folder / "checkpoint")
    told = trial.run()
    assert_same(told, unbroken)
    assert f"the checkpoint is of another trial ({reason}" in told.log
    assert trial.checkpoints == ["best.pt"]


@pytest.mark.parametrize("name", ["torch", "hypersweep", "device", "format"])
def test_the_checkpoint_of_another_version_or_machine_is_not_used(make_trial: MakeTrial, name: str) -> None:
    trial = make_trial()
    unbroken = trial.run()
    path = trial.folder / "checkpoint" / "best.pt"
    content = torch.load(path, weights_only=True)
    content["trial"][name] = "other"
    torch.save(content, path)
    told = trial.run()
    assert_same(told, unbroken)
    assert f"({name} is 'other' there, " in told.log


def damage(path: Path, kind: str, share: float) -> None:
    content = bytearray(path.read_bytes())
    place = int(share * len(content))
    if kind == "cut":
        del content[place:]
    elif kind == "flipped":
        content[place % len(content)] ^= 0x10
    elif kind == "zeroed":
        content[place:] = bytes(len(content) - place)
    else:
        content = bytearray(b"no checkpoint")
    path.write_bytes(content)


@pytest.fixture(scope="module")
def cut_and_ended(make_trial: MakeTrial) -> tuple[ShortTrial, ShortTrial, Told]:
    """A trial that was cut some epochs after its best, and one that had ended, with what it told."""
    for seed in range(100):
        cut, ended = make_trial(seed=seed, **WITH_EARLY_BEST), make_trial(seed=seed, **WITH_EARLY_BEST)
        run_cut(cut, 4)
        if cut.checkpoints == ["epoch-0002.pt", "epoch-0004.pt"]:
            return cut, ended, ended.run()
    pytest.fail("no seed has its best epoch of four in the second")


@settings(max_examples=30)
@given(
    name=st.sampled_from(["epoch-0002.pt", "epoch-0004.pt", "best.pt"]),
    kind=st.sampled_from(["cut", "flipped", "flipped", "zeroed", "replaced"]),
    share=st.floats(0, 1, exclude_max=True),
)
def test_a_damaged_checkpoint_changes_nothing(
    make_trial: MakeTrial, cut_and_ended: tuple[ShortTrial, ShortTrial, Told], name: str, kind: str, share: float
) -> None:
    """Either the damage is found and the trial starts from its beginning, or it is where nothing stands."""
    cut, ended, unbroken = cut_and_ended
    trial = make_trial(seed=cut.seed, **WITH_EARLY_BEST)
    shutil.copytree((ended if name == "best.pt" else cut).folder / "checkpoint", trial.folder / "checkpoint")
    damage(trial.folder / "checkpoint" / name, kind, share)
    told = trial.run()
    assert (told.result, told.reports) == (unbroken.result, unbroken.reports)
    if "It is not used" in told.log:
        assert told.epochs == unbroken.epochs
    else:
        assert kind in ("flipped", "zeroed")
    assert trial.checkpoints == ["best.pt"]


def test_a_trial_goes_on_without_checkpoints_where_none_can_be_written(make_trial: MakeTrial) -> None:
    unbroken = make_trial().run()
    trial = make_trial()
    (trial.folder / "checkpoint").mkdir()
    for name in ("best.pt", *(f"epoch-{epoch:04d}.pt" for epoch in range(1, 6))):
        (trial.folder / "checkpoint" / name).mkdir()
    told = trial.run()
    assert_same(told, unbroken)
    assert told.log.count("no checkpoint can be written (Is a directory)") == 1


@pytest.mark.parametrize("text", ["", "no zip"])
def test_what_is_no_checkpoint(tmp_path: Path, text: str) -> None:
    path = tmp_path / "best.pt"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"best.pt: the checkpoint cannot be read, got \w+: .*; expected a file"):
        read_checkpoint(path)


def test_a_file_of_other_content_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match="says of no trial"):
        read_checkpoint(tmp_path / "best.pt")
