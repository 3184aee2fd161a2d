"""Every setting that RecBole 1.2.1 reads for these models is honoured, without effect and listed, or refused by name.

`golden/recbole_keys.json` holds the names as RecBole's own lists, property files and code have them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import SettingsError
from hypersweep.recommend import keys, prepare
from hypersweep.recommend.models.catalog import CATALOG, find_options
from hypersweep.recommend.recbole_keys import REFUSED
from hypersweep.runner.contract import Key
from hypersweep.settings import check_keys, load_settings

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = json.loads((GOLDEN / "recbole_keys.json").read_text())

# Read by RecBole's code as well, but no setting of these models: what it sets itself …
ITS_OWN = {
    *("CROP_ITEM_SEQ", "CROP_ITEM_SEQ_LEN", "INVERSE_ITEM_SEQ", "REORDER_ITEM_SEQ", "MASK_INDEX", "MASK_ITEM_SEQ"),
    *("POS_ITEMS", "NEG_ITEMS", "MODEL_INPUT_TYPE", "MODEL_TYPE", "device", "eval_type", "single_spec"),
    *("valid_neg_sample_args", "test_neg_sample_args"),
}
# … and the settings of other models, trainers and metrics, which are unknown here.
OF_OTHERS = {
    *("beta", "eta", "m_step", "n_dec_epochs", "n_enc_epochs", "pretrain_epochs", "save_step", "warm_up_step"),
    *("train_kg_step", "train_rec_step", "kge_interval", "reg_weight", "tail_ratio"),
    *("convert_token_to_onehot", "token_num_threshold", "lgb_num_boost_round", "lgb_params"),
    *("xgb_early_stopping_rounds", "xgb_model", "xgb_nthread", "xgb_num_boost_round", "xgb_params", "xgb_silent"),
    "xgb_verbose_eval",
}


def keys_of(model: str) -> dict[str, Key]:
    return {key.name: key for key in keys({"model": model})}


@pytest.mark.parametrize("source", [f"{part}/{name}" for part in ("arguments", "properties") for name in NAMES[part]])
def test_every_general_name_is_known(source: str) -> None:
    part, _, name = source.partition("/")
    for model in CATALOG:
        assert set(NAMES[part][name]) - keys_of(model).keys() == set()


@pytest.mark.parametrize("model", CATALOG)
def test_every_name_of_a_model_is_known(model: str) -> None:
    assert set(NAMES["models"][model]) - keys_of(model).keys() == set()


def test_every_name_in_the_code_is_known_or_explained() -> None:
    known = {name for model in CATALOG for name in keys_of(model)}
    assert set(NAMES["code"]) - known == ITS_OWN | OF_OTHERS


@pytest.mark.parametrize("option", REFUSED, ids=lambda option: option.name)
def test_what_is_refused_says_why_and_passes_at_its_default(option: Any) -> None:
    assert option.parse(option.default) == option.default
    with pytest.raises(SettingsError, match=rf"'{option.name}' cannot be used, got 'x'; expected .*\. Change it or"):
        option.parse("x")


@pytest.mark.parametrize(
    ("name", "model", "without_effect"),
    [
        ("ml-1m_seq.yaml", "LightSANs", ["embedding_size"]),
        ("amazon-books_seq.yaml", "BERT4Rec", ["embedding_size"]),
    ],
)
def test_published_files_work_unchanged(
    name: str, model: str, without_effect: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERSWEEP_CACHE", str(tmp_path / "cache"))
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    lines += [f"u{user}\ti{item}\t{3 + item % 3}\t{1_500_000_000 + item}" for user in range(10) for item in range(10)]
    lines += [f"u{user}\ti{item}\t2.5\t1500000000" for user in range(10) for item in range(10, 20)]
    (tmp_path / "d.inter").write_text("\n".join(lines))
    loaded = load_settings([GOLDEN / "seeds" / name], [f"dataset={tmp_path / 'd.inter'}", f"model={model}"])
    names = ["seq_separator", "NEG_PREFIX", "ITEM_LIST_LENGTH_FIELD", "LIST_SUFFIX", "POSITION_FIELD"]
    assert check_keys(loaded, keys(loaded.values)) == names + without_effect
    description = json.loads((prepare(loaded.values) / "description.json").read_text())
    assert (description["num_users"], description["num_items"], description["num_interactions"]) == (10, 10, 100)


def test_a_number_without_a_dot_is_a_number(tmp_path: Path) -> None:
    """YAML 1.1 takes it for text; RecBole does not, and its own files are full of them."""
    (tmp_path / "a.yaml").write_text("learning_rate: 1e-3\nlayer_norm_eps: 1e-12\nclip_grad_norm: {max_norm: 5e0}\n")
    loaded = load_settings([tmp_path / "a.yaml"], ["weight_decay=1E-5"])
    options = {option.name: option for option in find_options([CATALOG["LightSANs"]])}
    parsed = {name: options[name].parse(value) for name, value in loaded.values.items()}
    assert parsed == {
        "learning_rate": 0.001,
        "layer_norm_eps": 1e-12,
        "clip_grad_norm": {"max_norm": 5.0},
        "weight_decay": 1e-5,
    }
