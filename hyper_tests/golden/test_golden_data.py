"""The data pipeline and the metrics against what RecBole 1.2.1 makes of the same file.

The folder is `HYPERSWEEP_GOLDEN` or this one; every `data/DATASET_….json` is a test, on the data set of that name in
`HYPERSWEEP_DATA`. Rows are compared by hash, metrics by a scoring rule that stands in the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hypersweep.recommend import prepare
from hypersweep.recommend.batches import Batch, Rows, Splits
from hypersweep.recommend.evaluation import evaluate
from hypersweep.recommend.prepared import PreparedData

FOLDER = Path(os.environ.get("HYPERSWEEP_GOLDEN") or Path(__file__).parent) / "data"
FILES = sorted(FOLDER.glob("*.json"))
SPLITS = ("train", "valid", "test")


def test_golden_data_is_found() -> None:
    assert FILES, f"{FOLDER} holds no file"


class Prepared:
    """A data set prepared as a golden file says."""

    def __init__(self, path: Path, data_dir: Path) -> None:
        self.golden = json.loads(path.read_text())
        protocol = self.golden["protocol"]
        settings: dict[str, Any] = {
            "dataset": path.stem.partition("_")[0],
            "data_path": str(data_dir),
            "normalize_all": protocol["normalize_all"],
        }
        if protocol.get("k_core") is not None:
            core = f"[{protocol['k_core']},inf)"
            settings |= {"user_inter_num_interval": core, "item_inter_num_interval": core}
        if protocol.get("min_rating") is not None:
            settings["val_interval"] = {"rating": f"[{protocol['min_rating']},inf)"}
        data = PreparedData.load(prepare(settings))
        self.splits = Splits(data, max_len=protocol["max_len"], device=torch.device("cpu"))
        user_tokens, item_tokens = data.read_tokens()
        self.user_tokens = [int(token) for token in user_tokens]
        self.item_tokens = [0, *(int(token) for token in item_tokens)]
        self.user_T = torch.arange(len(user_tokens)).repeat_interleave(torch.from_numpy(data.offset_U).diff()).tolist()

    def rows(self, split: str) -> Rows:
        rows: Rows = getattr(self.splits, split)
        return rows

    def tokens(self, split: str) -> list[tuple[int, list[int], int]]:
        """The rows as (user, history, target), sorted as the file says."""
        rows = self.rows(split)
        batch = self.splits.batch(rows, torch.arange(len(rows)))
        columns = (rows.target_at_N, batch.item_seq_BL, batch.length_B, batch.target_B)
        found = [
            (
                self.user_tokens[self.user_T[at]],
                [self.item_tokens[item] for item in history[:length]],
                self.item_tokens[target],
            )
            for at, history, length, target in zip(*(column.tolist() for column in columns), strict=True)
        ]
        return sorted(found, key=lambda row: (row[0], len(row[1]), row[1], row[2]))


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def prepared(request: pytest.FixtureRequest, data_dir: Path) -> Prepared:
    name = request.param.stem.partition("_")[0]
    if not (data_dir / name).is_dir():
        pytest.skip(f"{data_dir} has no data set {name}")
    return Prepared(request.param, data_dir)


def test_golden_counts(prepared: Prepared) -> None:
    golden = prepared.golden
    assert len(prepared.user_tokens) == golden["n_users"]
    assert prepared.splits.num_items == golden["n_items"]
    assert len(prepared.splits.item_T) == golden["n_interactions"]
    assert [len(prepared.rows(split)) for split in SPLITS] == [golden[f"n_{split}"] for split in SPLITS]


def test_golden_first_test_rows(prepared: Prepared) -> None:
    first = [list(row) for row in prepared.tokens("test")[: len(prepared.golden["first_test_rows"])]]
    assert first == prepared.golden["first_test_rows"]


@pytest.mark.parametrize("split", SPLITS)
def test_golden_rows(prepared: Prepared, split: str) -> None:
    lines = [f"{user}\t{' '.join(map(str, history))}\t{target}" for user, history, target in prepared.tokens(split)]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == prepared.golden["sha256"][split]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_golden_metrics(prepared: Prepared, split: str) -> None:
    rule = prepared.golden["score"]
    pattern = r"score\(user, item\) = \(item_token \* (\d+) \+ last_history_item_token \* multiplier\) mod (\d+)"
    found = re.fullmatch(pattern, rule["rule"])
    assert found is not None, "the scoring rule has changed"
    factor, modulus = int(found[1]), int(found[2])
    token_V = torch.tensor(prepared.item_tokens)

    def score(batch: Batch) -> Tensor:
        last_B1 = batch.item_seq_BL.gather(1, batch.length_B[:, None] - 1)
        score_BV: Tensor = (token_V * factor + token_V[last_B1] * rule["multiplier"]) % modulus
        return score_BV

    wanted = prepared.golden[split]
    metrics = list(dict.fromkeys(name.partition("@")[0] for name in wanted))
    topk = list(dict.fromkeys(int(name.partition("@")[2]) for name in wanted))
    got = evaluate(
        score, prepared.splits, prepared.rows(split), metrics=metrics, topk=topk, decimals=4, batch_size=4096
    )
    assert list(got.items()) == list(wanted.items())
