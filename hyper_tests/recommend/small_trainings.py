"""Models and data that are small enough to train for a few steps in a moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from hyper_tests.recommend.builders import splits_of
from hypersweep.recommend.batches import Splits
from hypersweep.recommend.models.catalog import find_models, find_options
from hypersweep.recommend.models.next_item import NextItemModel
from hypersweep.recommend.options import parse_settings
from hypersweep.recommend.training import Training, build_model

SMALL: Mapping[str, Any] = {
    "hidden_size": 8,
    "embedding_size": 8,
    "inner_size": 12,
    "MAX_ITEM_LIST_LENGTH": 8,
    "train_batch_size": 6,
    "micro_batch_size": 4,
    "initializer_range": 0.5,
    "learning_rate": 0.01,
}
NO_DROPOUT: Mapping[str, Any] = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "dropout_prob": 0.0}


def small_splits(device: str = "cpu") -> Splits:
    histories = [[(user * step) % 11 + 1 for step in range(1, 4 + user)] for user in range(1, 9)]
    return splits_of(histories, max_len=8, num_items=11, device=device)


def make_model(name: str, settings: Mapping[str, Any]) -> tuple[NextItemModel, dict[str, Any]]:
    torch.manual_seed(1)
    (entry,) = find_models({"model": name})
    config = parse_settings(find_options([entry]), {**SMALL, "model": name, **settings})
    return build_model(entry, config, vocab_size=12), config


def make_training(name: str, *, device: str = "cpu", **settings: Any) -> Training:
    model, config = make_model(name, settings)
    return Training(model.to(device), small_splits(device), config)
