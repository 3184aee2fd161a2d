from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from hyper_tests.recommend.builders import examples_of, loss_of_step, splits_of
from hypersweep.recommend.batches import Batch
from hypersweep.recommend.models.bert4rec import MASKS_AT_RANDOM, BERT4Rec
from hypersweep.recommend.models.catalog import CATALOG, find_models, find_options
from hypersweep.recommend.models.next_item import NextItemModel
from hypersweep.recommend.options import parse_settings
from hypersweep.recommend.step import plan_step, train_step
from hypersweep.recommend.training import build_model

NUM_ITEMS = 9
MAX_LEN = 8
SMALL = {
    "hidden_size": 8,
    "embedding_size": 8,
    "inner_size": 12,
    "MAX_ITEM_LIST_LENGTH": MAX_LEN,
    "initializer_range": 0.5,
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "dropout_prob": 0.0}
every_model = pytest.mark.parametrize("name", CATALOG)
every_transformer = pytest.mark.parametrize("name", [name for name in CATALOG if name != "GRU4Rec"])


def build(name: str, **settings: Any) -> NextItemModel:
    torch.manual_seed(1)
    (entry,) = find_models({"model": name})
    config = parse_settings(find_options([entry]), {**SMALL, **NO_DROPOUT, **settings})
    return build_model(entry, config, vocab_size=NUM_ITEMS + 1)


def bert4rec(**settings: Any) -> BERT4Rec:
    model = build("BERT4Rec", **settings)
    assert isinstance(model, BERT4Rec)
    return model


def batch() -> Batch:
    """Histories of lengths 1 to 8."""
    splits = splits_of([[1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2]], max_len=MAX_LEN)
    return splits.batch(splits.train, torch.arange(len(splits.train)))


@every_transformer
def test_initial_weights_of_transformers(name: str) -> None:
    model = build(name, hidden_size=64, inner_size=64, initializer_range=0.1)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            assert module.weight.std().item() == pytest.approx(0.1, rel=0.15)
        if isinstance(module, nn.Linear):
            assert not module.bias.any()
        if isinstance(module, nn.LayerNorm):
            assert bool((module.weight == 1).all()) and not module.bias.any()
    assert model.item_embedding.weight[0].all()  # the padding row is drawn too
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("_interests"):
            assert parameter.std().item() == pytest.approx(1, rel=0.15)


def test_initial_weights_of_gru4rec() -> None:
    """Glorot and Bengio's: their standard deviation is sqrt(2 / (rows + columns)), be they normal or uniform."""
    torch.manual_seed(1)
    (entry,) = find_models({"model": "GRU4Rec"})
    config = parse_settings(find_options([entry]), {"embedding_size": 64, "hidden_size": 128, "num_layers": 2})
    weights = build_model(entry, config, vocab_size=300).state_dict()
    for name in ("item_embedding.weight", "gru.weight_ih_l0", "gru.weight_hh_l0"):
        std = (2 / sum(weights[name].shape)) ** 0.5
        assert weights[name].std().item() == pytest.approx(std, rel=0.05)
        is_uniform = name.startswith("gru")
        assert (weights[name].abs().max().item() < 1.75 * std) is is_uniform
    assert weights["item_embedding.weight"][0].all()
    for name, fan_in in {"gru.weight_ih_l1": 128, "gru.weight_hh_l1": 128, "output.weight": 128}.items():
        assert weights[name].abs().max().item() == pytest.approx(fan_in**-0.5, rel=0.02)
        assert weights[name].std().item() == pytest.approx((3 * fan_in) ** -0.5, rel=0.05)
    assert weights["output.bias"].any()
    assert not [name for name in weights if name.startswith("gru") and "bias" in name]


@every_model
def test_the_last_layer_may_be_asked_at_any_positions(name: str) -> None:
    model = build(name).eval()
    item_seq_BL = batch().item_seq_BL
    all_BL = torch.arange(MAX_LEN).expand_as(item_seq_BL)
    full = model.encode(item_seq_BL, all_BL)
    asked = torch.randint(MAX_LEN, (len(item_seq_BL), 3))
    torch.testing.assert_close(model.encode(item_seq_BL, asked), full.gather(1, asked[:, :, None].expand(-1, -1, 8)))


@pytest.mark.parametrize(
    ("name", "takes_part"), [("LightSANs", True), ("BERT4Rec", False), ("SASRec", False), ("GRU4Rec", False)]
)
def test_whether_padded_positions_take_part(name: str, takes_part: bool) -> None:
    model = build(name).eval()
    before = model.score(batch())
    with torch.no_grad():
        model.item_embedding.weight[0] += torch.arange(8.0)
    changed = (model.score(batch()) - before)[:, 1:].abs().amax(dim=1) > 1e-6
    is_padded = batch().length_B < MAX_LEN
    assert changed.equal(is_padded & takes_part)


@pytest.mark.parametrize(("name", "looks_ahead"), [("BERT4Rec", True), ("SASRec", False), ("GRU4Rec", False)])
def test_whether_a_position_sees_what_follows(name: str, looks_ahead: bool) -> None:
    model = build(name).eval()
    item_seq_BL = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    asked_BM = torch.arange(MAX_LEN)[None]
    before = model.encode(item_seq_BL, asked_BM)
    item_seq_BL[0, 5] = 9
    changed_L = (model.encode(item_seq_BL, asked_BM) - before).abs().amax(dim=2)[0] > 1e-6
    assert changed_L.tolist() == [looks_ahead] * 5 + [True] * 3


@every_transformer
def test_options_reach_the_model(name: str) -> None:
    """Every option with an effect reaches the model."""
    weights = build(name, n_layers=3, inner_size=20).state_dict()
    assert "attentions.2.query.weight" in weights
    assert weights["feed_forwards.0.expand.weight"].shape == (20, 8)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_parts_of_similar_lengths_have_every_row_once_and_no_needless_padding(size: int) -> None:
    examples = examples_of(bert4rec(ft_ratio=1.0), batch())
    parts = list(examples.split(size, is_cut=True))
    found = []
    for part in parts:
        assert len(part.target_BM) <= size
        assert part.item_seq_BL[:, -4:].any()
        assert part.item_seq_BL.shape[1] % 4 == 0 or part.item_seq_BL.shape == examples.item_seq_BL.shape
        for row, asked, target in zip(part.item_seq_BL, part.asked_BM, part.target_BM, strict=True):
            found.append((row[row > 0].tolist(), asked.tolist(), target.tolist()))
    wanted = [
        (row[row > 0].tolist(), asked.tolist(), target.tolist())
        for row, asked, target in zip(examples.item_seq_BL, examples.asked_BM, examples.target_BM, strict=True)
    ]
    assert sorted(found) == sorted(wanted)
    assert sum(part.item_seq_BL.numel() for part in parts) <= examples.item_seq_BL.numel()
    assert [part.item_seq_BL.shape[1] for part in examples.split(size, is_cut=False)] == [MAX_LEN] * len(parts)


@every_model
def test_cutting_the_padding_is_what_a_model_that_ignores_it_may_do(name: str) -> None:
    model = build(name).eval()
    examples = examples_of(model, batch())
    whole = sum(model.sum_loss(part).item() for part in examples.split(2, is_cut=False))
    cut = sum(model.sum_loss(part).item() for part in examples.split(2, is_cut=model.ignores_padding))
    assert model.ignores_padding is (name != "LightSANs")
    assert cut == pytest.approx(whole, rel=1e-5)


@every_model
@pytest.mark.parametrize("micro_batch_size", [1, 3, 100])
def test_micro_batches_make_the_same_step(name: str, micro_batch_size: int) -> None:
    def weights_after_steps(size: int) -> tuple[list[float], dict[str, torch.Tensor]]:
        model = build(name, mask_ratio=0.5, ft_ratio=0.0) if name == "BERT4Rec" else build(name)
        model.double().train()  # so that the order of the sums does not matter
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        torch.manual_seed(2)
        losses = [loss_of_step(model, optimizer, examples_of(model, batch()), size) for _ in range(3)]
        return losses, model.state_dict()

    losses, weights = weights_after_steps(micro_batch_size)
    whole_losses, whole_weights = weights_after_steps(1000)
    assert losses == pytest.approx(whole_losses, abs=1e-5)
    for weight_name, weight in weights.items():
        torch.testing.assert_close(weight, whole_weights[weight_name], rtol=1e-9, atol=1e-9)


def test_gradients_are_clipped() -> None:
    model = build("LightSANs")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    step = plan_step(model, examples_of(model, batch()), micro_batch_size=3)
    train_step(model, optimizer, step, clip={"max_norm": 0.01})
    moved = torch.cat([(weight - before[name]).flatten() for name, weight in model.state_dict().items()])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_a_loss_that_is_not_finite_makes_no_step() -> None:
    model = build("LightSANs")
    with torch.no_grad():
        model.item_embedding.weight[5] = math.nan
    before = model.state_dict()["attentions.0.query.weight"].clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    assert math.isnan(loss_of_step(model, optimizer, examples_of(model, batch()), 2))
    assert torch.equal(model.state_dict()["attentions.0.query.weight"], before)


def test_bert4rec_masks_the_last_items_of_a_fine_tuning_batch() -> None:
    examples = examples_of(bert4rec(ft_ratio=1.0), batch())
    rows = batch()
    wanted = rows.item_seq_BL.clone()
    wanted[torch.arange(len(wanted)), rows.length_B - 1] = NUM_ITEMS + 1
    assert torch.equal(examples.item_seq_BL, wanted)
    assert torch.equal(examples.asked_BM, (rows.length_B - 1)[:, None])
    last = rows.item_seq_BL.gather(1, examples.asked_BM)
    assert torch.equal(examples.target_BM[1:], last[1:])
    assert examples.target_BM[0].tolist() == [0]  # a masked first item never counts


@pytest.mark.parametrize(("mask_ratio", "max_asked"), [(0.25, 2), (0.6, 4), (1.0, 8)])
def test_bert4rec_masks_at_random(mask_ratio: float, max_asked: int) -> None:
    model = bert4rec(mask_ratio=mask_ratio, ft_ratio=0.0)
    rows, mask, num_masked, num_items = batch(), NUM_ITEMS + 1, 0, 0
    for _ in range(200):
        examples = examples_of(model, rows)
        for before, after, asked, target in zip(
            rows.item_seq_BL.tolist(),
            examples.item_seq_BL.tolist(),
            examples.asked_BM.tolist(),
            examples.target_BM.tolist(),
            strict=True,
        ):
            masked = [place for place, item in enumerate(after) if item == mask]
            assert all(before[place] > 0 for place in masked)  # no padding is masked
            assert [item for item in after if item != mask] == [
                b for b, a in zip(before, after, strict=True) if a != mask
            ]
            counted = {place: item for place, item in zip(asked, target, strict=True) if item}
            assert len(asked) == max_asked
            assert sorted(counted) == [place for place in masked[-max_asked:] if place > 0]
            assert all(before[place] == item for place, item in counted.items())
            num_masked += len(masked)
            num_items += sum(item > 0 for item in before)
    assert num_masked / num_items == pytest.approx(mask_ratio, abs=0.03)


def test_bert4rec_draws_one_way_of_masking_for_the_whole_batch() -> None:
    model = bert4rec(ft_ratio=0.5, mask_ratio=0.5)
    torch.manual_seed(1)
    widths = [examples_of(model, batch()).asked_BM.shape[1] for _ in range(400)]
    assert set(widths) == {1, 4}
    assert widths.count(1) / 400 == pytest.approx(0.5, abs=0.1)


def test_bert4rec_draws_masks_from_the_generator_that_is_given() -> None:
    model, state = bert4rec(), torch.get_rng_state()
    first, again, other = (
        model.make_examples(batch(), MASKS_AT_RANDOM, torch.Generator().manual_seed(seed)).item_seq_BL
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_bert4rec_does_not_train_on_the_rows_own_target() -> None:
    rows = batch()
    torch.manual_seed(5)
    examples = examples_of(bert4rec(), rows)
    torch.manual_seed(5)
    other = examples_of(bert4rec(), Batch(rows.item_seq_BL, rows.length_B, rows.target_B % NUM_ITEMS + 1))
    assert torch.equal(examples.target_BM, other.target_BM)


def test_bert4rec_appends_the_mask_and_always_drops_the_oldest() -> None:
    item_seq_BL = torch.tensor([[1, 0, 0, 0], [1, 2, 0, 0], [1, 2, 3, 4]])
    asked = bert4rec(MAX_ITEM_LIST_LENGTH=5).ask_next(Batch(item_seq_BL, torch.tensor([1, 2, 4]), torch.ones(3)))
    mask = NUM_ITEMS + 1
    assert asked[0].tolist() == [[mask, 0, 0, 0], [2, mask, 0, 0], [2, 3, 4, mask]]
    assert asked[1].tolist() == [0, 1, 3]


def test_a_batch_in_which_nothing_counts_makes_no_step() -> None:
    model = bert4rec(ft_ratio=1.0)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    first_only = Batch(torch.tensor([[3] + [0] * 7]), torch.tensor([1]), torch.tensor([4]))
    step = plan_step(model, examples_of(model, first_only), micro_batch_size=2)
    assert train_step(model, optimizer, step).tolist() == [0, 0], "no loss that counts"
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
