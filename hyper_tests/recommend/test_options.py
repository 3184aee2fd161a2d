from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import SettingsError
from hypersweep.recommend import keys, prepare, run
from hypersweep.recommend.models.catalog import CATALOG, find_models, find_options
from hypersweep.recommend.options import DATA_OPTIONS, find_conflicts, parse_settings

ALL_OPTIONS = {option.name: option for option in find_options(tuple(CATALOG.values()))}


def parse(name: str, value: Any) -> Any:
    return ALL_OPTIONS[name].parse(value)


def test_defaults_are_recboles() -> None:
    (entry,) = find_models({})
    values = parse_settings(find_options([entry]), {})
    assert entry.name == "LightSANs"
    wanted: dict[str, Any] = {
        "epochs": 300,
        "train_batch_size": 2048,
        "eval_batch_size": 4096,
        "learning_rate": 0.001,
        "stopping_step": 10,
        "eval_step": 1,
        "valid_metric": "mrr@10",
        "topk": (10,),
        "metrics": ("recall", "mrr", "ndcg", "hit", "precision"),
        "MAX_ITEM_LIST_LENGTH": 50,
        "seed": 2020,
        "weight_decay": 0.0,
        "k_interests": 5,
        "hidden_dropout_prob": 0.5,
    }
    assert {name: values[name] for name in wanted} == wanted
    assert find_conflicts(values) == []


def test_every_default_is_canonical() -> None:
    for option in ALL_OPTIONS.values():
        parsed = option.parse(option.default)
        assert option.parse(parsed) == parsed
        assert option.help


@pytest.mark.parametrize(
    ("name", "value", "parsed"),
    [
        ("hidden_size", 64.0, 64),
        ("learning_rate", 1, 1.0),
        ("topk", 5, (5,)),
        ("topk", [10, 5, 10], (10, 5)),
        ("metrics", "NDCG", ("ndcg",)),
        ("valid_metric", "NDCG@5", "ndcg@5"),
        ("user_inter_num_interval", [5, 10], "[5,10]"),
        ("val_interval", {"rating": "[3,inf)"}, {"rating": "[3,inf)"}),
        ("val_interval", None, None),
        ("train_neg_sample_args", "None", "None"),
        ("clip_grad_norm", {"max_norm": 5}, {"max_norm": 5.0}),
        ("field_separator", "\t", "\t"),
        ("val_interval", {"rating": [3, 5], "genre": ["sf"]}, {"rating": "[3,5]", "genre": ["sf"]}),
        ("load_col", {"inter": ["user_id", "item_id"]}, ["user_id", "item_id"]),
        ("load_col", {"inter": "*"}, None),
        ("learner", "AdamW", "adamw"),
        ("discretization", {}, None),
    ],
)
def test_canonical_form(name: str, value: Any, parsed: Any) -> None:
    assert repr(parse(name, value)) == repr(parsed)


def test_eval_args_are_filled_in() -> None:
    full = parse("eval_args", {})
    assert full == {"split": {"LS": "valid_and_test"}, "group_by": "user", "order": "TO", "mode": "full"}
    assert parse("eval_args", {"split": {"LS": "valid_and_test"}, "mode": {"valid": "full", "test": "full"}}) == full
    assert parse("eval_args", {"group_by": None, "mode": {"test": "full"}}) == full  # grouped by user all the same


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "a whole number >= 1"),
        ("epochs", "many", "a whole number >= 1"),
        ("epochs", True, "a whole number >= 1"),
        ("epochs", None, "a whole number >= 1"),
        ("epochs", 2.5, "a whole number >= 1"),
        ("learning_rate", 0, "a number > 0"),
        ("learning_rate", math.nan, "a number > 0"),
        ("weight_decay", -1, "a number >= 0"),
        ("hidden_dropout_prob", 1.0, "a number >= 0 and < 1"),
        ("mask_ratio", 0, "a number > 0 and <= 1"),
        ("ft_ratio", 1.5, "a number from 0 to 1"),
        ("hidden_act", "gelo", "'gelu' or 'relu'"),
        ("metrics", ["NDCG", "AUC"], "a list of recall, mrr, ndcg, hit, precision"),
        ("topk", [], "a whole number >= 1 or a list of them"),
        ("valid_metric", "NDCG", "one of recall, mrr, ndcg, hit, precision with its k"),
        ("valid_metric", "AUC@10", "one of recall, mrr, ndcg, hit, precision with its k"),
        ("loss_type", "BPR", "'CE' (full softmax"),
        ("train_neg_sample_args", {"distribution": "uniform"}, "null (full softmax"),
        ("eval_args", {"split": {"RS": [0.8, 0.1, 0.1]}}, "{split: {LS: valid_and_test}"),
        ("eval_args", {"mode": "uni100"}, "{split: {LS: valid_and_test}"),
        ("eval_args", {"order": "RO"}, "{split: {LS: valid_and_test}"),
        ("eval_args", {"odrer": "TO"}, "{split: {LS: valid_and_test}"),
        ("repeatable", False, "True (the history"),
        ("val_interval", {"rating": "[3;inf"}, "a mapping of columns to intervals"),
        ("val_interval", "[3,inf)", "a mapping of columns to intervals"),
        ("item_inter_num_interval", "10", "intervals such as [3,inf)"),
        ("clip_grad_norm", {"norm_type": 2}, "{max_norm: 5.0}"),
        ("field_separator", "", "a text, as in"),
        ("field_separator", "\n", "a text, as in"),
        ("encoding", "latin-1", "None or 'utf-8'"),
        ("load_col", {"inter": ["user_id"], "item": ["item_id", "genre"]}, "{inter: [column, …]} (other files"),
        ("load_col", {"item": "*"}, "{inter: [column, …]}"),
        ("unused_col", ["rating"], "{inter: [column, …]}"),
        ("val_interval", {"rating": []}, "a mapping of columns to intervals"),
        ("val_interval", {"rating": ["4", 5, "6"]}, "a mapping of columns to intervals"),
        ("learner", "sparse_adam", "one of adam, adamw"),
        ("valid_metric_bigger", False, "True (of these metrics bigger is better)"),
        ("alias_of_item_id", ["item_id_list"], "null (only ITEM_ID_FIELD numbers items)"),
        ("benchmark_filename", ["train", "valid", "test"], "null (data that is split already is not read)"),
        ("neg_sampling", {"uniform": 1}, "null (RecBole's old name of train_neg_sample_args)"),
        ("nproc", 2, "1 (a trial runs in one process)"),
        ("time_order", "float64", "'float32' or 'exact'"),
        ("rm_dup_inter", "any", "None or 'first' or 'last'"),
        ("model", "SASrec", "'LightSANs' or 'BERT4Rec' or 'SASRec' or 'GRU4Rec'"),
    ],
)
def test_what_is_refused(name: str, value: Any, expected: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"^settings: '{name}' cannot be used, got .*; expected {re.escape(expected)}"
    ):
        parse(name, value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"(?s)'epochs'.*\n.*'learning_rate'"):
        parse_settings(ALL_OPTIONS.values(), {"epochs": 0, "learning_rate": -1})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"hidden_size": 64, "n_heads": 3}, "'hidden_size' cannot be shared"),
        ({"mask_ratio": 0.2, "MAX_ITEM_LIST_LENGTH": 4}, "'mask_ratio' masks nothing"),
        ({"valid_metric": "mrr@5", "metrics": ("mrr",), "topk": (10,)}, "'valid_metric' is not computed"),
        ({"normalize_all": True, "normalize_field": ("timestamp",)}, "'normalize_all' and 'normalize_field'"),
    ],
)
def test_conflicts(values: dict[str, Any], problem: str) -> None:
    (found,) = find_conflicts(values)
    assert problem in found
    for name in values:
        assert find_conflicts({other: value for other, value in values.items() if other != name}) == []


def test_keys_are_those_of_the_model() -> None:
    lightsans, bert4rec = ({key.name for key in keys({"model": model})} for model in ("LightSANs", "BERT4Rec"))
    assert {key.name for key in keys({})} == lightsans
    assert lightsans - bert4rec == {"k_interests"}
    assert bert4rec - lightsans == {"mask_ratio", "ft_ratio"}
    assert {key.name for key in keys({"model": ["LightSANs", "BERT4Rec"]})} == lightsans | bert4rec
    assert {key.name for key in keys({"model": "SASRec"})} == lightsans & bert4rec
    gru4rec = {key.name for key in keys({"model": "GRU4Rec"})}
    assert gru4rec - lightsans == {"dropout_prob", "num_layers"}


@pytest.mark.parametrize("models", [["LightSANs"], ["GRU4Rec"], ["GRU4Rec", "LightSANs"], ["LightSANs", "GRU4Rec"]])
def test_a_key_has_an_effect_if_it_has_one_on_one_of_the_models(models: list[str]) -> None:
    (embedding_size,) = (key for key in keys({"model": models}) if key.name == "embedding_size")
    assert embedding_size.has_effect is ("GRU4Rec" in models)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("LightSANs", {"k_interests": 5, "hidden_dropout_prob": 0.5, "attn_dropout_prob": 0.5}),
        ("BERT4Rec", {"mask_ratio": 0.2, "ft_ratio": 0.5, "hidden_dropout_prob": 0.2, "attn_dropout_prob": 0.2}),
        ("SASRec", {"n_layers": 2, "n_heads": 2, "hidden_size": 64, "inner_size": 256, "hidden_dropout_prob": 0.5}),
        ("GRU4Rec", {"embedding_size": 64, "hidden_size": 128, "num_layers": 1, "dropout_prob": 0.3}),
    ],
)
def test_the_defaults_of_a_model(model: str, wanted: dict[str, Any]) -> None:
    defaults = {key.name: key.default for key in keys({"model": model})}
    assert {name: defaults[name] for name in wanted} == wanted


def test_keys_tell_data_and_effect() -> None:
    found = keys({})
    assert len(found) == len({key.name for key in found})
    assert {key.name for key in found if key.is_data} == {option.name for option in DATA_OPTIONS}
    without_effect = {key.name for key in found if not key.has_effect}
    assert {"embedding_size", "NEG_PREFIX", "gpu_id", "show_progress"} <= without_effect
    assert not {"epochs", "field_separator", "learning_rate", "dataset"} & without_effect


@pytest.mark.parametrize("model", ["SASRecF", "BERT4rec", 4, None])
def test_an_unknown_model(model: Any) -> None:
    with pytest.raises(SettingsError, match=r"'model' is unknown, got .*; expected LightSANs or BERT4Rec or SASRec"):
        keys({"model": model})


def test_an_unknown_model_among_several() -> None:
    with pytest.raises(SettingsError, match=r"got 'BERT4rec'.* Did you mean 'BERT4Rec'\?"):
        keys({"model": ["LightSANs", "BERT4rec"]})


def test_what_the_runner_declares() -> None:
    assert run.keys is keys  # type: ignore[attr-defined]


@pytest.mark.parametrize("learner", ["adam", "adamw", "sgd", "adagrad", "rmsprop"])
def test_what_is_preloaded_starts_no_threads_and_is_all_that_a_trial_imports(tmp_path: Path, learner: str) -> None:
    """Numpy's linear algebra would start threads, if it were not told otherwise."""
    code = """
import importlib, os, sys, threading
from pathlib import Path
import hypersweep.recommend as r
from hyper_tests.recommend.builders import live_trial
for name in r.run.preload: importlib.import_module(name)
before = set(sys.modules)
threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()
settings = {"MAX_ITEM_LIST_LENGTH": 3, "hidden_size": 4, "inner_size": 4, "epochs": 1, "learner": sys.argv[3]}
r.run({}, live_trial(Path(sys.argv[1]), settings, prepared=Path(sys.argv[2])))
print(threads, "polars" in sys.modules, *(set(sys.modules) - before))
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, str(tmp_path), str(prepare({})), learner]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    threads, has_polars, *imported = done.stdout.splitlines()[-1].split()
    assert (threads, has_polars) == ("1", "False")
    assert all(name.startswith("torch.") for name in imported)  # small ones, as torch needs them
    assert not [name for name in imported if name.startswith(("torch._dynamo", "torch._inductor"))]  # a second


def test_the_runner_is_light() -> None:
    code = "import sys, hypersweep.recommend as r; r.keys({}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "hypersweep.recommend.options" in loaded
    assert not {"torch", "numpy", "polars"} & set(loaded)
