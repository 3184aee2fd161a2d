"""RecBole 1.2.1 itself as the runner, in an environment of its own that is made at the first use."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.environments import find_python
from hyper_tests.processes import environment, start_hypersweep, wait_until
from hypersweep import Study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="RecBole's pins need Python 3.11 or older"),
]

SPACE = "learning_rate choice [0.001, 0.003]\n"
SETTINGS = """
model: SASRec
dataset: ml-100k
MAX_ITEM_LIST_LENGTH: 5
load_col: {inter: [user_id, item_id, rating, timestamp]}
unused_col: {inter: [rating]}
val_interval: {rating: "[4,inf)"}
user_inter_num_interval: "[20,inf)"
item_inter_num_interval: "[20,inf)"
normalize_all: false
train_neg_sample_args: ~
eval_args: {split: {'LS': 'valid_and_test'}, mode: full, order: TO}
valid_metric: NDCG@10
epochs: 1
train_batch_size: 1024
n_layers: 1
hidden_size: 16
inner_size: 32
layer_norm_eps: 1e-12
"""
RUN_TIMEOUT_S = 300.0


@pytest.fixture(scope="module")
def python() -> str:
    return str(find_python("recbole"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hyper.test").write_text(SPACE)
    (tmp_path / "recbole.yaml").write_text(SETTINGS)
    return tmp_path


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hypersweep", *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )


def finished(folder: Path) -> int:
    with Study(folder) as study:
        return study.counts()["finished"] or 0


def test_a_sweep_goes_on_after_an_interrupt(folder: Path, python: str, data_dir: Path) -> None:
    """And the built-in recommenders take the same two files."""
    words = ("run", "--config", "recbole.yaml")
    process = start_hypersweep(*words, "--runner", "recbole", "--python", python, cwd=folder)
    with process:
        wait_until(lambda: (folder / "hyper.sweep").exists() and finished(folder), "a trial", RUN_TIMEOUT_S)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, finished(folder)) == (130, 1), err
    resumed = call("resume", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "'model': 'SASRec', 'best_valid_score': 0." in resumed.stdout
    with Study(folder) as study:
        trials = list(study.trials("finished"))
        for recorded in trials:
            assert recorded.result is not None
            assert list(recorded.result.valid) == ["recall@10", "mrr@10", "ndcg@10", "hit@10", "precision@10"]
            trial_folder = study.place.trial_folder(recorded.trial.number)
            log = (trial_folder / "log.txt").read_text()
            assert "epoch 0 evaluating" in log
            assert "\x1b" not in log
            assert json.loads((trial_folder / "recbole.yaml").read_text())["seed"] == 2020
        assert [recorded.trial.params for recorded in trials] == [{"learning_rate": 0.001}, {"learning_rate": 0.003}]
    ours = call(*words, "--runner", "recommend", "--out", "ours", cwd=folder)
    assert ours.returncode == 0, ours.stderr
    assert [line.split(":")[0] for line in (folder / "ours/hyper.result").read_text().splitlines()] == [
        line.split(":")[0] for line in (folder / "hyper.result").read_text().splitlines()
    ]


def test_its_errors_are_told_in_its_own_words(folder: Path, python: str, data_dir: Path) -> None:
    (folder / "hyper.test").write_text("dataset choice ['no-such-data']\n")
    done = call("run", "--config", "recbole.yaml", "--runner", "recbole", "--python", python, cwd=folder)
    assert done.returncode == 1
    assert "nor [no-such-data] a known dataset name." in done.stderr


@pytest.mark.parametrize(
    ("space", "hint"),
    [("learning_rat choice [0.1]", "'learning_rate'"), ("model choice ['SASRec', 'LightSAN']", "'LightSANs'")],
)
def test_what_it_does_not_know_is_told_before_the_first_trial(folder: Path, python: str, space: str, hint: str) -> None:
    (folder / "hyper.test").write_text(f"{space}\n")
    done = call("run", "--config", "recbole.yaml", "--runner", "recbole", "--python", python, cwd=folder)
    assert done.returncode == 2
    assert f"Did you mean {hint}?" in done.stderr
    assert not (folder / "hyper.sweep").exists()


def test_the_golden_names_are_those_of_its_own_lists(python: str) -> None:
    code = "import json, recbole.utils as u; print(json.dumps({n: getattr(u, n + '_arguments') for n in %r}))"
    golden = json.loads((Path(__file__).parents[1] / "golden" / "recbole_keys.json").read_text())["arguments"]
    done = subprocess.run([python, "-c", code % list(golden)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == golden
