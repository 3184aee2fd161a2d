"""The models against RecBole 1.2.1's own numbers: weights in, evaluation scores and the losses of five steps out.

The folder is `HYPERSWEEP_GOLDEN` or this one; every pair `models/NAME.json` and `.npz` of a model that is built is a
test. What stands in the files decides everything: sizes, layers, heads, inputs.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hyper_tests.recommend.builders import loss_of_step
from hypersweep.recommend.batches import Batch
from hypersweep.recommend.models import products
from hypersweep.recommend.models.catalog import CATALOG, find_models, find_options
from hypersweep.recommend.models.next_item import Examples, NextItemModel
from hypersweep.recommend.options import parse_settings
from hypersweep.recommend.training import build_model

FOLDER = Path(os.environ.get("HYPERSWEEP_GOLDEN") or Path(__file__).parent) / "models"
FILES = [path for path in sorted(FOLDER.glob("*.json")) if json.loads(path.read_text())["model"] in CATALOG]

# RecBole's names of weights (as regular expressions), and ours
RENAMED = [
    (r"^gru_layers", "gru"),
    (r"trm_encoder\.layer\.(\d+)\.multi_head_attention\.", r"attentions.\1."),
    (r"trm_encoder\.layer\.(\d+)\.feed_forward\.", r"feed_forwards.\1."),
    (r"attpooling_(key|value)\.theta", r"\1_interests"),
    (r"pos_q_linear", "position_query"),
    (r"pos_k_linear", "position_key"),
    (r"pos_ln", "position_norm"),
    (r"dense_1", "expand"),
    (r"dense_2", "contract"),
    (r"dense", "output"),
    (r"^LayerNorm", "input_norm"),
    (r"LayerNorm", "norm"),
    (r"output_ffn", "output"),
    (r"output_ln", "output_norm"),
]


@pytest.fixture(params=["products as they are large or small", "all by oneDNN"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models of the files are small."""
    if request.param == "all by oneDNN":
        monkeypatch.setattr(products, "_LEAST_STEPS", 0)


def test_golden_models_are_found() -> None:
    assert FILES, f"{FOLDER} holds no file of {', '.join(CATALOG)}"


def rename(name: str) -> str:
    for pattern, ours in RENAMED:
        name = re.sub(pattern, ours, name)
    return name


def load(path: Path) -> tuple[NextItemModel, dict[str, Tensor], list[float]]:
    """The model with the file's weights, the file's other arrays, and its losses."""
    described = json.loads(path.read_text())
    arrays = {name: torch.from_numpy(array) for name, array in np.load(path.with_suffix(".npz")).items()}
    (entry,) = find_models(described)
    options = find_options([entry])
    config = parse_settings(options, {name: described[name] for name in described.keys() & {o.name for o in options}})
    model = build_model(entry, config, vocab_size=described["n_items"])
    weights = {rename(name[2:]): array for name, array in arrays.items() if name.startswith("w:")}
    model.load_state_dict(weights)
    return model, arrays, described["losses"]


def examples_of(model: NextItemModel, arrays: dict[str, Tensor]) -> Examples:
    """The batch that RecBole trained on: for BERT4Rec the masks it drew, for others what the rows say."""
    if "masked_seq" in arrays:
        asked_BM = arrays["masked_index"]
        return Examples(arrays["masked_seq"], asked_BM, arrays["masked_target"] * (asked_BM > 0))
    return model.make_examples(batch_of(arrays), model.draw_kind())


def batch_of(arrays: dict[str, Tensor]) -> Batch:
    return Batch(arrays["item_seq"], arrays["item_length"], arrays["target"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_scores(path: Path) -> None:
    model, arrays, _ = load(path)
    model.eval()
    score_BV = model.score(batch_of(arrays))
    np.testing.assert_allclose(score_BV.numpy(), arrays["scores"].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("micro_batch_size", [1000, 2])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_losses(path: Path, micro_batch_size: int) -> None:
    model, arrays, golden_losses = load(path)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    examples = examples_of(model, arrays)
    losses = [loss_of_step(model, optimizer, examples, micro_batch_size) for _ in golden_losses]
    np.testing.assert_allclose(losses, golden_losses, rtol=0, atol=1e-5)
    np.testing.assert_allclose(losses, arrays["losses"].numpy(), rtol=0, atol=1e-5)
