"""A trial of each built-in model and its parts beside RecBole's: the same data, settings and machine.

`python -m benchmarks.recommend --quick` prints the section for histories of five items, for development.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, find_python
from benchmarks.report import format_table
from hypersweep.recommend import prepare
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.sources import FileSource, find_source

TITLE = "Training the built-in models"
TEXT = """\
MovieLens-100K (ratings of 3 and more, users and items with ten and more), histories of {max_len} items, batches of
4,096, everything else by default, one seed, no GPU. `epoch` is the first epoch, `evaluation` the full ranking of all
validation rows (the median of {num_evaluations}), `start` the time from the command to the first training step (the
data had been parsed by an earlier run; RecBole parses it each time), `trial` that from the command to the test metrics
of one epoch, ours with its log and checkpoints, `memory` the peak of the training process.
The two run one after the other for each model, with the threads that they choose. Nothing is compiled in any trial, and
a sweep's later trials start from a process that has imported everything, and map the prepared data.
"""
GOALS = {
    "epoch": "10 × (LightSANs, BERT4Rec, SASRec)",
    "evaluation": "5 ×",
    "start": "2 s",
    "memory": "below RecBole's",
}
NUM_EVALUATIONS = 9
MAX_TRIAL_S = 300
SETTINGS: dict[str, Any] = {
    "dataset": "ml-100k",
    "MAX_ITEM_LIST_LENGTH": 50,
    "train_batch_size": 4096,
    "val_interval": {"rating": "[3,inf)"},
    "user_inter_num_interval": "[10,inf)",
    "item_inter_num_interval": "[10,inf)",
}


def measure_section(max_len: int = 50) -> str:
    settings = {**SETTINGS, "MAX_ITEM_LIST_LENGTH": max_len}
    prepare(settings)
    rows = [row for model in CATALOG for row in measure_model({**settings, "model": model})]
    goals = format_table(["measure", "goal"], list(GOALS.items()))
    names = ["model", "measure", "RecBole 1.2.1", "hypersweep", "RecBole / hypersweep"]
    text = TEXT.format(max_len=max_len, num_evaluations=NUM_EVALUATIONS)
    return f"{text}\n{format_table(names, rows)}\n\n{goals}"


def measure_model(settings: dict[str, Any]) -> Iterator[Sequence[str]]:
    """A row for each measure."""
    print(f"{settings['model']} …", file=sys.stderr)
    ours = {**measure_trial(settings), **measure_own(settings)}
    theirs = measure_recbole({**settings, "train_neg_sample_args": None})
    for measure, name, form in (
        ("epoch", "epoch_s", "{:.1f} s"),
        ("evaluation", "evaluation_s", "{:.3f} s"),
        ("start", "start_s", "{:.1f} s"),
        ("trial", "trial_s", "{:.1f} s"),
        ("memory", "peak_mib", "{:.0f} MiB"),
    ):
        numbers = [form.format(told[name]) for told in (theirs, ours)]
        yield [settings["model"], measure, *numbers, f"{theirs[name] / ours[name]:.1f}"]


def measure_own(settings: dict[str, Any], *, device: str = "cpu", num_epochs: int = 1) -> dict[str, float]:
    numbers = [str(NUM_EVALUATIONS), str(num_epochs)]
    return run_json([sys.executable, "-m", "benchmarks.own_trial", json.dumps(settings), device, *numbers])


def measure_recbole(settings: dict[str, Any]) -> dict[str, float]:
    python, script = find_python("recbole"), ROOT / "benchmarks" / "peers" / "recbole_trial.py"
    source = find_source(settings["dataset"], None)
    assert isinstance(source, FileSource)
    settings = {**settings, "data_path": str(source.path.parent.parent)}
    arguments = [json.dumps(settings), repr(time.time()), str(NUM_EVALUATIONS)]
    with tempfile.TemporaryDirectory() as folder:  # for the logs it writes where it is started
        return run_json([python, script, *arguments], folder)


def run_json(command: Sequence[str | Path], folder: str | Path = ROOT) -> dict[str, float]:
    """What a command's last line tells."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def measure_trial(settings: dict[str, Any]) -> dict[str, float]:
    """Seconds from the command until the trial says in its log what it is about to train, and until the end."""
    with tempfile.TemporaryDirectory() as folder:
        space, config, out = Path(folder, "hyper.test"), Path(folder, "settings.yaml"), Path(folder, "out")
        space.write_text("learning_rate choice [0.001]\n")
        config.write_text(json.dumps({**settings, "epochs": 1}))
        command = [sys.executable, "-m", "hypersweep", "run", "--space", space, "--config", config, "--out", out]
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not any(" parameters, " in log.read_text() for log in out.rglob("log.txt")):
                if process.poll() is not None or time.perf_counter() - begun > MAX_TRIAL_S:
                    raise RuntimeError("no trial has started")
                time.sleep(0.005)
            start_s = time.perf_counter() - begun
            if process.wait(MAX_TRIAL_S):
                raise RuntimeError("the trial has failed")
            return {"start_s": start_s, "trial_s": time.perf_counter() - begun}
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    print(measure_section(5 if "--quick" in sys.argv[1:] else 50))
