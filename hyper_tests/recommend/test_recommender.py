from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from hyper_tests.recommend.short_trials import NUM_ITEMS, ShortTrial, write_data
from hypersweep.errors import CheckpointError, DataError
from hypersweep.recommend.batches import Splits
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.preparation import prepare_data
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.recommender import Recommender


@pytest.fixture
def trial(tmp_path: Path) -> ShortTrial:
    return ShortTrial(tmp_path / "trial", write_data(tmp_path / "short.csv"), model="GRU4Rec")


def best_of(trial: ShortTrial) -> Path:
    return trial.folder / "checkpoint" / "best.pt"


@pytest.mark.parametrize("model", CATALOG)
def test_it_recommends_what_the_trial_was_scored_for(tmp_path: Path, model: str) -> None:
    """The test hits, counted again: each user's last item among the three that follow the others."""
    data_path = write_data(tmp_path / "short.csv")
    trial = ShortTrial(tmp_path / "trial", data_path, model=model, metrics=["Hit", "NDCG"], topk=[3, 10])
    told = trial.run()
    recommender = Recommender(best_of(trial))
    data = PreparedData.load(prepare_data(trial.settings))
    splits = Splits(data, max_len=100, device=torch.device("cpu"))
    batch = splits.batch(splits.test, torch.arange(len(splits.test)))
    items = ["", *recommender.items]
    hits = []
    for row, length, target in zip(batch.item_seq_BL.tolist(), batch.length_B, batch.target_B, strict=True):
        found = recommender.recommend([items[number] for number in row[:length]], k=3)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        hits.append(items[int(target)] in [item for item, _ in found])
    assert sum(hits) / len(hits) == pytest.approx(told.result["test_result"]["hit@3"])


def test_more_than_all_items(trial: ShortTrial) -> None:
    trial.run()
    found = Recommender(str(best_of(trial))).recommend(["3"], k=100)
    assert sorted(int(item) for item, _ in found) == list(range(NUM_ITEMS))


@pytest.mark.parametrize(
    ("history", "message"),
    [([], r"history: it is empty, got \[\]"), (["3", "33"], "history: an item is unknown, got '33'")],
)
def test_histories_that_cannot_be(trial: ShortTrial, history: list[str], message: str) -> None:
    trial.run()
    with pytest.raises(DataError, match=message):
        Recommender(best_of(trial)).recommend(history)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"best\.pt: the checkpoint cannot be read, got FileNotFoundError"):
        Recommender(tmp_path / "best.pt")


@pytest.mark.parametrize("missing", ["items", "item_embedding.weight"])
def test_a_checkpoint_of_another_form(trial: ShortTrial, missing: str) -> None:
    trial.run()
    content = torch.load(best_of(trial), weights_only=True)
    for part in (content, content["weights"]):
        part.pop(missing, None)
    torch.save(content, best_of(trial))
    with pytest.raises(CheckpointError, match=f"does not hold the best weights .*{re.escape(missing)}"):
        Recommender(best_of(trial))
