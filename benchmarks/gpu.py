"""The models of the two published sweeps on a CUDA device, on generated data of the published sizes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.environments import ROOT
from benchmarks.recommend import measure_own
from benchmarks.report import format_table
from hypersweep.recommend import prepare
from hypersweep.settings import load_settings

TITLE = "On a GPU"
TEXT = """\
Generated data of the published sizes (`sample:…`), the published settings. `epoch` is the third: by then the steps are
recorded as CUDA graphs, but for `no graphs`. `float32` is the default, `bfloat16` is `enable_amp`. `the sweep` has the
twelve trials of the published one, to early stopping, all in; together is `--batch-trials auto`.
"""
NOT_MEASURED = "Not measured: there was no CUDA device. The goals are for one H200; published is a TITAN V."
EPOCHS = (("LightSANs", "lightsans-ml-1m", "1 s", "76 s"), ("BERT4Rec", "bert4rec-amazon-books", "4 s", "255 s"))
WAYS: Mapping[str, Mapping[str, Any]] = {
    "no graphs": {"cuda_graphs": False},
    "float32": {},
    "bfloat16": {"enable_amp": True},
}
SWEEPS: Mapping[str, Sequence[str]] = {"one by one": (), "together": ("--batch-trials", "auto")}


def measure_section() -> str:
    is_there = torch.cuda.is_available()
    rows = []
    for model, example, goal, published in EPOCHS:
        for way, changed in WAYS.items():
            measured = f"{measure_epoch(model, example, changed):.2f} s" if is_there else "open"
            rows.append([f"{model}, epoch, {way}", goal, published, measured])
    for way, options in SWEEPS.items():
        measured = f"{measure_sweep('lightsans-ml-1m', options) / 60:.1f} min" if is_there else "open"
        rows.append([f"LightSANs, the sweep, {way}", "10 min", "27 h 45 min", measured])
    where = f"One {torch.cuda.get_device_name()}." if is_there else NOT_MEASURED
    return f"{where}\n\n{TEXT}\n{format_table(['measure', 'goal', 'published', 'measured'], rows)}"


def measure_epoch(model: str, example: str, changed: Mapping[str, Any]) -> float:
    settings = {**load_settings([ROOT / "examples" / example / "hyper.yaml"], []).values, **changed}
    settings |= {"model": model, "dataset": f"sample:{example.partition('-')[2]}"}
    prepare(settings)
    return measure_own(settings, device="cuda", num_epochs=3)["epoch_s"]


def measure_sweep(example: str, options: Sequence[str]) -> float:
    """Seconds from the command to its return."""
    with tempfile.TemporaryDirectory() as folder:
        space, dataset = ROOT / "examples" / example / "hyper.test", f"sample:{example.partition('-')[2]}"
        command = [sys.executable, "-m", "hypersweep", "run", "--space", space, "--dataset", dataset, "--gpus", "0"]
        begun = time.perf_counter()
        subprocess.run([*command, "--out", Path(folder), *options], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - begun
