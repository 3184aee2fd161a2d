from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hyper_tests.recommend.builders import live_trial, splits_of
from hyper_tests.recommend.small_trainings import make_training
from hypersweep.errors import SettingsError, TrialPruned
from hypersweep.recommend import prepare, run
from hypersweep.recommend.batches import Batch, Splits
from hypersweep.recommend.evaluation import evaluate
from hypersweep.recommend.learners import OPTIMIZERS
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.models.next_item import Examples, NextItemModel
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.training import Training

SETTINGS = {
    "MAX_ITEM_LIST_LENGTH": 8,
    "train_batch_size": 1024,
    "hidden_size": 16,
    "inner_size": 16,
    "epochs": 2,
    "learning_rate": 0.005,
    "metrics": ["NDCG", "Hit"],
    "topk": [10, 5],
    "valid_metric": "NDCG@10",
}
every_model = pytest.mark.parametrize("model", CATALOG)


def train(folder: Path, params: dict[str, Any], seed: int = 2020, **settings: Any) -> dict[str, Any]:
    """A trial of its own each time: one that goes on would find its checkpoint."""
    own = folder / f"trial-{len(list(folder.iterdir()))}"
    trial = live_trial(own, {**SETTINGS, **settings}, seed=seed, prepared=prepare({**SETTINGS, **settings}))
    return dict(run(params, trial))


@pytest.mark.parametrize(
    ("model", "wanted"), [("SASRec", [[8, 7], [6, 5], [4, 3]]), ("GRU4Rec", [[8, 5], [7, 4], [6, 3]])]
)
def test_what_is_scored_together(model: str, wanted: list[list[int]]) -> None:
    """Similar lengths where padding costs something, all lengths where it does not."""
    training = make_training(model, eval_batch_size=2)
    training.splits = splits_of([list(range(1, 4 + length)) for length in range(2, 8)], max_len=9, num_items=11)
    found = []

    def score(batch: Batch) -> Tensor:
        found.append(batch.length_B.tolist())
        return torch.zeros(len(batch.length_B), 12)

    training.model.score = score  # type: ignore[method-assign]
    training.evaluate(training.splits.valid)
    assert found == wanted


@every_model
def test_the_result(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    reports: list[tuple[int, dict[str, float]]] = []
    trial = live_trial(tmp_path, {**SETTINGS, "model": model}, prepared=prepare(SETTINGS))
    trial.send_report = lambda step, metrics: reports.append((step, dict(metrics)))
    result = run({"learning_rate": 0.01}, trial)
    names = ["ndcg@10", "ndcg@5", "hit@10", "hit@5"]
    assert list(result) == ["model", "best_valid_score", "valid_score_bigger", "best_valid_result", "test_result"]
    assert result["model"] == model
    assert result["valid_score_bigger"] is True
    assert list(result["best_valid_result"]) == list(result["test_result"]) == names
    assert result["best_valid_score"] == result["best_valid_result"]["ndcg@10"]
    assert all(value == round(value, 4) for value in result["test_result"].values())
    assert [step for step, _ in reports] == [1, 2]
    assert max(metrics["ndcg@10"] for _, metrics in reports) == result["best_valid_score"]
    log = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in log] == [model, "epoch 1", "epoch 2", log[-1].partition(":")[0]]
    assert "train loss" in log[1] and "valid ndcg@10" in log[1]


@every_model
def test_the_seed_decides_everything(tmp_path: Path, model: str) -> None:
    first = train(tmp_path, {"model": model}, epochs=1)
    assert train(tmp_path, {"model": model}, epochs=1) == first
    assert train(tmp_path, {"model": model}, seed=1, epochs=1) != first


@every_model
def test_it_beats_popularity(tmp_path: Path, model: str) -> None:
    learned = train(
        tmp_path,
        {
            "model": model,
            "epochs": 10 if model == "BERT4Rec" else 5,
            "learning_rate": 0.01,
            "train_batch_size": 256,
            "initializer_range": 0.1,
            "ft_ratio": 1.0,
            "hidden_dropout_prob": 0.0,
            "attn_dropout_prob": 0.0,
            "dropout_prob": 0.0,
        },
    )
    assert learned["test_result"]["hit@10"] > 3 * popularity_hit()


def popularity_hit() -> float:
    """The hit@10 on the sample of ranking all items by how often they are a target of training rows."""
    splits = Splits(PreparedData.load(prepare({})), max_len=8, device=torch.device("cpu"))
    count_V = torch.bincount(splits.item_T[splits.train.target_at_N], minlength=splits.num_items + 1).float()

    def score(batch: Batch) -> Tensor:
        return count_V.expand(len(batch.target_B), -1)

    found = evaluate(score, splits, splits.test, metrics=("hit",), topk=(10,), decimals=4, batch_size=4096)
    assert found["hit@10"] > 0.04
    return found["hit@10"]


def test_params_go_before_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, {"epochs": 1})
    assert "epoch 2" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_size": 30, "n_heads": 4}, "'hidden_size' cannot be shared by the heads, got 30 for 4 heads"),
        ({"hidden_dropout_prob": 1.5}, "'hidden_dropout_prob' cannot be used, got 1.5"),
        ({"model": "BERT4Rec", "MAX_ITEM_LIST_LENGTH": 3}, "'mask_ratio' masks nothing, got 0.2 of 3 items"),
        ({"model": "Bert4rec"}, "'model' is unknown, got 'Bert4rec'"),
    ],
)
def test_combinations_that_cannot_be(tmp_path: Path, params: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        train(tmp_path, params)


def test_a_diverged_model_is_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = train(tmp_path, {"learning_rate": 1e30}, epochs=50)
    assert math.isnan(result["best_valid_score"])
    assert list(result["best_valid_result"]) == list(result["test_result"]) == ["ndcg@10", "ndcg@5", "hit@10", "hit@5"]
    assert all(math.isnan(value) for value in [*result["best_valid_result"].values(), *result["test_result"].values()])
    assert "diverged" in capsys.readouterr().out.splitlines()[-1]


def test_dropout_is_on_in_every_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluation turns it off in between."""
    seen: list[bool] = []
    make_examples = NextItemModel.make_examples

    def watched(self: NextItemModel, batch: Batch, kind: int, generator: torch.Generator | None) -> Examples:
        seen.append(self.training)
        return make_examples(self, batch, kind, generator)

    monkeypatch.setattr(NextItemModel, "make_examples", watched)
    train(tmp_path, {}, epochs=2)
    assert len(seen) > 2
    assert all(seen)


def test_a_stop_ends_it(tmp_path: Path) -> None:
    def stop(step: int, metrics: Any) -> None:
        raise TrialPruned

    trial = live_trial(tmp_path, SETTINGS, prepared=prepare(SETTINGS))
    trial.send_report = stop
    with pytest.raises(TrialPruned):
        run({}, trial)


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> list[int]:
    """Training whose validations give these scores, and whose epochs put their number in a weight; the list gets the
    weights that are tested."""
    tested: list[int] = []
    epochs = iter(range(1, 100))
    remaining = iter(scores)

    def train_epoch(self: Training) -> tuple[float, float]:
        with torch.no_grad():
            self.model.item_embedding.weight.fill_(next(epochs))
        return 1.0, 0.0

    def evaluate(self: Training, rows: object) -> dict[str, float]:
        if rows is self.splits.test:
            tested.append(int(self.model.item_embedding.weight[0, 0]))
            return {"ndcg@10": 0.5}
        return {"ndcg@10": next(remaining)}

    monkeypatch.setattr(Training, "train_epoch", train_epoch)
    monkeypatch.setattr(Training, "evaluate", evaluate)
    return tested


@pytest.mark.parametrize(
    ("scores", "best_epoch"),
    [
        ([0.1, 0.3, 0.3, 0.2, 0.2, 0.2], 3),  # a tie is taken; the third worse one ends it
        ([0.0, 0.0, 0.0], 3),
        ([0.2, 0.1, 0.1], 1),
    ],
)
def test_the_best_checkpoint_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: list[float], best_epoch: int
) -> None:
    tested = scripted(monkeypatch, scores)
    result = train(tmp_path, {}, epochs=min(len(scores), 50), stopping_step=2)
    assert tested == [best_epoch]
    assert result["best_valid_score"] == max(scores)


def test_validation_each_so_many_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[int] = []
    tested = scripted(monkeypatch, [0.1, 0.2, 0.1])
    settings = {**SETTINGS, "epochs": 7, "eval_step": 2}
    trial = live_trial(tmp_path, settings, prepared=prepare(SETTINGS))
    trial.send_report = lambda step, metrics: reports.append(step)
    run({}, trial)
    assert (reports, tested) == ([2, 4, 6], [4])


def test_fewer_epochs_than_a_step_of_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tested = scripted(monkeypatch, [0.1])
    train(tmp_path, {}, epochs=2, eval_step=5)
    assert tested == [2]


@pytest.mark.parametrize("learner", ["adam", "adamw", "sgd", "adagrad", "rmsprop"])
def test_learners(tmp_path: Path, learner: str) -> None:
    result = train(tmp_path, {"learner": learner}, epochs=1, clip_grad_norm={"max_norm": 1.0}, shuffle=False)
    assert result["best_valid_score"] >= 0


def test_a_trial_started_by_hand_prepares_its_data(tmp_path: Path) -> None:
    trial = live_trial(tmp_path, {**SETTINGS, "epochs": 1})
    assert run({}, trial)["model"] == "LightSANs"


@pytest.mark.parametrize(
    ("learner", "optimizer"),
    [
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("sgd", torch.optim.SGD),
        ("adagrad", torch.optim.Adagrad),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_learners_are_those_of_torch(learner: str, optimizer: type[torch.optim.Optimizer]) -> None:
    """To the last bit, and again after their state was taken to another."""
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    options: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.01}
    mine = OPTIMIZERS[learner]([ours], **options)
    wanted = optimizer([theirs], **{**options, **({"fused": True} if learner in ("adam", "adamw") else {})})
    for step in range(4):
        for parameter, used in ((ours, mine), (theirs, wanted)):
            used.zero_grad()
            parameter.pow(3).sum().backward()  # type: ignore[no-untyped-call]
            used.step()
        assert torch.equal(ours, theirs)
        if step == 1:
            state = mine.state_dict()
            mine = OPTIMIZERS[learner]([ours], **options)
            mine.load_state_dict(state)
