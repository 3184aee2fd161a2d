from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypersweep.errors import DataError, SettingsError
from hypersweep.recommend import prepare
from hypersweep.recommend.prepared import PreparedData


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYPERSWEEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Two users: a takes x, y, z, x and b takes y, x."""
    lines = ["a\tz\t3", "a\tx\t1", "b\ty\t1", "a\ty\t2", "b\tx\t2", "a\tx\t4"]
    path = tmp_path / "tiny" / "tiny.inter"
    path.parent.mkdir()
    path.write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *lines]))
    return {"dataset": "tiny", "data_path": str(tmp_path)}


def written(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.npy"))


def test_what_is_written(settings: dict[str, Any]) -> None:
    data = PreparedData.load(prepare(settings))
    users, items = data.read_tokens()
    assert users == ["a", "b"]
    assert [[items[item - 1] for item in data.item_T[start:end]] for start, end in [(0, 4), (4, 6)]] == [
        ["x", "y", "z", "x"],
        ["y", "x"],
    ]
    assert data.offset_U.tolist() == [0, 4, 6]
    assert data.num_items == 3
    assert isinstance(data.item_T, np.memmap)


def test_a_second_call_reads_and_writes_nothing(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prepare(settings)
    before = folder.stat().st_mtime_ns
    monkeypatch.setattr("hypersweep.recommend.preparation.build_sequences", None)
    assert prepare({**settings, "learning_rate": 0.1, "MAX_ITEM_LIST_LENGTH": 7}) == folder
    assert folder.stat().st_mtime_ns == before


def test_data_settings_and_the_file_are_the_key(settings: dict[str, Any], tmp_path: Path) -> None:
    first = prepare(settings)
    assert prepare({**settings, "time_order": "exact"}) != first
    assert prepare({**settings, "time_order": "float32", "val_interval": None}) == first
    path = tmp_path / "tiny/tiny.inter"
    os.utime(path, ns=(1, 1))
    assert prepare({**settings, "unused_col": {"inter": ["timestamp"]}}) == first
    path.write_text(path.read_text() + "\nb\tz\t9")
    second = prepare(settings)
    assert second != first
    assert json.loads((second / "description.json").read_text())["num_interactions"] == 7


def test_nothing_half_written_is_left(settings: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(DataError, match=r"prepared data cannot be written, disk full; .*HYPERSWEEP_CACHE"):
        prepare(settings)
    assert list((cache / "data").iterdir()) == []


def test_who_comes_second_takes_what_is_there(settings: dict[str, Any], cache: Path) -> None:
    from hypersweep.recommend.filters import Sequences
    from hypersweep.recommend.prepared import write_prepared

    folder = prepare(settings)
    other = Sequences(np.array([1]), np.array([0, 1]), ["u"], ["i"])
    write_prepared(folder, other, {"num_items": 1})
    assert PreparedData.load(folder).num_items == 3
    assert os.listdir(cache / "data") == [folder.name]


def test_several_at_once(settings: dict[str, Any], cache: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        folders = pool.map(prepare, [{**settings, "dataset": "sample"}] * 8)
    assert len(set(folders)) == 1
    assert len(written(cache)) == 2
    assert os.listdir(cache / "data") == [folders[0].name]


def test_a_cache_that_cannot_be_written(settings: dict[str, Any], cache: Path) -> None:
    cache.write_text("a file stands there")
    with pytest.raises(
        DataError, match=rf"{cache}/data: prepared data cannot be written, .*; expected a folder with room"
    ):
        prepare(settings)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"item_inter_num_interval": "[9,inf)"},
            r"tiny\.inter: nothing is left after the filters, got 6 rows, 6 in val",
        ),
        (
            {"val_interval": {"timestamp": "[9,inf)"}},
            r"nothing is left after the filters, got 6 rows, 0 in val_interval",
        ),
        ({"val_interval": {"timestamp": "[2,inf)"}}, r"nothing to validate on, got at most 3 interactions a user"),
        ({"dataset": "other"}, r"'dataset' is not there, got 'other'; expected one of the files .*other/other\.inter"),
        (
            {"dataset": "sample", "val_interval": {"price": "[1,2]"}},
            r"got 'price'; expected intervals of rating or tim",
        ),
        ({"dataset": "sample", "val_interval": {"rating": ["4"]}}, r"got 'rating'; expected intervals of rating or"),
    ],
)
def test_data_that_cannot_be_used(settings: dict[str, Any], changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare({**settings, **changed})


def test_all_wrong_settings_are_told_at_once(settings: dict[str, Any]) -> None:
    wrong = {"epochs": "x", "metrics": ["AUC"], "eval_args": {"order": "RO"}, "k_interests": 0, "time_order": "no"}
    with pytest.raises(SettingsError) as caught:
        prepare({**settings, **wrong})
    assert {line.split("'")[1] for line in str(caught.value).splitlines()} == set(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_size": 10, "n_heads": 4}, "'hidden_size' cannot be shared"),
        ({"valid_metric": "NDCG@20"}, "'valid_metric' is not computed, got 'ndcg@20'"),
        ({"metrics": ["NDCG"]}, "'valid_metric' is not computed, got 'mrr@10'"),
        ({"model": "SASRecF"}, "'model' is unknown"),
        ({"load_col": {"inter": ["user_id", "item_id"]}}, "'load_col' leaves out .* expected timestamp to be there"),
        ({"unload_col": {"inter": ["item_id"]}}, "'unload_col' leaves out columns that are needed, got .'item_id'"),
        ({"unused_col": {"inter": ["user_id"]}}, "'unused_col' leaves out columns .*; expected user_id to be there"),
        ({"load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "val_interval": {"rating": "[3,inf)"}}, "rating"),
        (
            {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "unload_col": {"inter": ["x"]}},
            "'unload_col' stands beside 'load_col'",
        ),
    ],
)
def test_wrong_combinations(settings: dict[str, Any], wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        prepare({**settings, **wrong})


def test_what_the_space_may_still_vary_is_not_compared(settings: dict[str, Any]) -> None:
    assert prepare({**settings, "hidden_size": 9, "mask_ratio": 0.01, "k_interests": 3})


def test_no_torch() -> None:
    code = "import sys, hypersweep.recommend as r; r.prepare({}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"torch", "polars"} & set(loaded)


def test_a_file_needs_no_torch_either(settings: dict[str, Any]) -> None:
    code = f"import sys, hypersweep.recommend as r; r.prepare({settings!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "polars" in loaded
    assert "torch" not in loaded
