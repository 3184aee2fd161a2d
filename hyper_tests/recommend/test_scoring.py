"""How models score what comes next, where that goes another way than training."""

from __future__ import annotations

import pytest
import torch

from hyper_tests.recommend.test_models import MAX_LEN, NUM_ITEMS, batch, build, every_model
from hypersweep.recommend.batches import Batch
from hypersweep.recommend.models.gru4rec import GRU


@every_model
def test_the_representation_at_one_position_is_the_encoded_one(name: str) -> None:
    model = build(name).eval()
    item_seq_BL, asked_B = batch().item_seq_BL, torch.tensor([0, 1, 0, 3, 2, 5, 6, 7])[: len(batch().length_B)]
    encoded_BD = model.encode(item_seq_BL, asked_B[:, None]).squeeze(1)
    torch.testing.assert_close(model.represent(item_seq_BL, asked_B), encoded_BD)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize(
    ("lengths", "projected"),
    [
        ([8, 8, 8], NUM_ITEMS + 1),
        ([2, 7, 1, 7, 3, 8], NUM_ITEMS + 1),
        ([8, 2], NUM_ITEMS + 1),
        ([8, 1], 9),  # fewer positions than items
        ([1], 1),
    ],
)
def test_packed_histories_give_what_padded_ones_give(
    lengths: list[int], projected: int, num_layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build("GRU4Rec", num_layers=num_layers).eval()
    length_B = torch.tensor(lengths)
    item_seq_BL = torch.randint(1, NUM_ITEMS + 1, (len(lengths), MAX_LEN)) * (torch.arange(MAX_LEN) < length_B[:, None])
    wanted_BD = model.encode(item_seq_BL, length_B[:, None] - 1).squeeze(1)
    asked = []

    def project(network: GRU, x: torch.Tensor, layer: int = 0) -> torch.Tensor:
        asked.append(len(x))
        return of_the_network(network, x, layer)

    of_the_network = GRU.project
    monkeypatch.setattr(GRU, "project", project)
    torch.testing.assert_close(model.represent(item_seq_BL, length_B - 1), wanted_BD)
    assert asked == [projected, *[sum(lengths)] * (num_layers - 1)]


@every_model
@pytest.mark.parametrize("longest", [4, 5])
def test_scores_are_products_with_the_representation_at_the_last_item(
    name: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of histories of up to 4 items, whose padding is cut, and of up to 5, where a cut one too short would lose one."""
    model = build(name).eval()
    item_seq_BL, length_B = batch().item_seq_BL[:longest], batch().length_B[:longest]
    asked, asked_B = model.ask_next(Batch(item_seq_BL, length_B, length_B))
    hidden_BD = model.represent(asked, asked_B)
    bias = 0 if model.output_bias is None else model.output_bias
    score_BV = model.score(Batch(item_seq_BL, length_B, length_B))
    torch.testing.assert_close(score_BV, hidden_BD @ model.item_embedding.weight[: NUM_ITEMS + 1].T + bias)
    monkeypatch.setattr(type(model), "represent", lambda model, item_seq_BL, asked_B: torch.zeros(longest, 8))
    assert torch.equal(model.score(Batch(item_seq_BL, length_B, length_B)), torch.zeros(longest, NUM_ITEMS + 1) + bias)
