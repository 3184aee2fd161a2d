"""The runner `recbole` around a stand-in: what it hands over, what it keeps as it was, what it reports."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.runner.stand_in import write_stand_in
from hypersweep.errors import RunnerError, SettingsError, TrialPruned
from hypersweep.runner import LiveTrial
from hypersweep.runner.recbole import complete_settings, keys, run

SETTINGS = {"model": "SASRec", "dataset": "d", "train_neg_sample_args": None, "layer_norm_eps": 1e-12}


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    write_stand_in(tmp_path / "packages")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("HYPERSWEEP_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "recbole"]:
        del sys.modules[name]


def live(tmp_path: Path, **attributes: Any) -> LiveTrial:
    attributes = {"settings": SETTINGS, **attributes}
    return LiveTrial(number=3, seed=7, folder=tmp_path / "trials" / "3", **attributes)


def seen_by(trial: LiveTrial) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads((trial.folder / "seen.json").read_text())
    return seen


def test_what_recbole_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hypersweep", "--learning_rate=9"])
    trial = live(tmp_path)
    result = run({"learning_rate": 1e-05, "mlp_hidden_size": "[64,64]"}, trial)
    seen = seen_by(trial)
    assert result["best_valid_result"] == {"ndcg@10": 0.2}
    assert seen["params"] == {"learning_rate": 1e-05, "mlp_hidden_size": "[64,64]"}  # which it converts itself
    assert seen["config"] == {
        **{"epochs": 2, "valid_metric": "NDCG@10", **SETTINGS, **seen["params"]},
        "seed": 7,
        "checkpoint_dir": str(trial.checkpoint_dir),
        "data_path": str(tmp_path / "dataset"),
    }
    assert (seen["argv"], seen["folder"], seen["loads_pickles"]) == (["hypersweep"], str(trial.folder), "1")
    assert os.listdir(trial.checkpoint_dir) == ["model.pth"]


def test_what_it_changes_is_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (os.getcwd(), dict(os.environ), list(sys.argv), sys.stdout, root.handlers[:], root.level)
    run({}, live(tmp_path))
    assert before == (os.getcwd(), dict(os.environ), list(sys.argv), sys.stdout, root.handlers[:], root.level)
    with pytest.raises(ValueError, match=r"nor \[Nope\] a known dataset name"):
        run({}, live(tmp_path, settings={**SETTINGS, "dataset": "Nope"}))
    assert before == (os.getcwd(), dict(os.environ), list(sys.argv), sys.stdout, root.handlers[:], root.level)


def test_every_validation_is_reported(tmp_path: Path) -> None:
    told: list[tuple[int, Any]] = []
    run({"epochs": 3}, live(tmp_path, send_report=lambda step, metrics: told.append((step, metrics))))
    assert told == [(step, {"ndcg@10": pytest.approx(0.1 * step)}) for step in (1, 2, 3)]


def test_a_trial_can_be_pruned(tmp_path: Path) -> None:
    trial = live(tmp_path, is_prune_asked=lambda: True)
    with pytest.raises(TrialPruned, match=r"^$"):
        run({"epochs": 30}, trial)
    assert trial.last_step == 1


def test_an_attempt_begins_anew(tmp_path: Path) -> None:
    trial = live(tmp_path)
    (trial.checkpoint_dir / "d-SequentialDataset.pth").write_text("of an attempt before")
    run({}, trial)
    assert os.listdir(trial.checkpoint_dir) == ["model.pth"]


@pytest.mark.parametrize(
    ("device", "visible", "asked", "gpu_id"),
    [
        (None, None, None, None),
        (None, None, "1", "1"),
        (None, "4,5", None, "4,5"),
        (None, "4,5", "1", "1"),
        ("cpu", "", "1", ""),
        ("cuda:0", "GPU-5a", "1", "GPU-5a"),
    ],
)
def test_the_device(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str | None,
    visible: str | None,
    asked: str | None,
    gpu_id: str | None,
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    settings = SETTINGS if asked is None else {**SETTINGS, "gpu_id": asked}
    assert complete_settings(settings, live(tmp_path, device=device)).get("gpu_id") == gpu_id


def test_paths_are_absolute_and_data_is_found_as_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = live(tmp_path)
    completed = complete_settings({**SETTINGS, "data_path": "mine", "dataset_save_path": "x/d.pth"}, trial)
    assert (completed["data_path"], completed["dataset_save_path"]) == (f"{tmp_path}/mine", f"{tmp_path}/x/d.pth")
    monkeypatch.setenv("HYPERSWEEP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "datasets" / "d").mkdir(parents=True)
    assert complete_settings(SETTINGS, trial)["data_path"] == f"{tmp_path}/cache/datasets"
    monkeypatch.setenv("HYPERSWEEP_DATA", str(tmp_path / "data"))
    assert complete_settings(SETTINGS, trial)["data_path"] == f"{tmp_path}/data"


def test_the_names_it_knows() -> None:
    assert [key.name for key in keys(SETTINGS)] == [
        *("checkpoint_dir", "dataset", "embedding_size", "epochs", "eval_args", "hidden_size", "learning_rate"),
        *("loss_type", "model", "wandb_project"),
    ]


def test_what_must_be_named() -> None:
    with pytest.raises(SettingsError, match=r"(?s)^settings: 'model' is not set; .*--model …\nsettings: 'dataset' is"):
        keys({})


def test_a_model_that_it_does_not_have() -> None:
    with pytest.raises(SettingsError, match=r"^settings: 'model' is unknown, got 'SASrec'; .* Did you mean 'SASRec'\?"):
        keys({**SETTINGS, "model": ["SASRec", "SASrec"]})


def test_a_python_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "packages" not in Path(path).name])
    with pytest.raises(RunnerError, match=r"--runner recbole: .* has no RecBole; expected .*name it: --python PATH"):
        keys(SETTINGS)
