"""Whole trials that are trained as one: each comes to its own end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.processes import start_hypersweep, wait_until
from hyper_tests.recommend.builders import live_trial
from hyper_tests.recommend.short_trials import SETTINGS, write_data
from hypersweep import resume, sweep
from hypersweep.errors import SettingsError, TrialPruned
from hypersweep.recommend import batch_free, batch_size, prepare, run
from hypersweep.recommend.together import run_trials
from hypersweep.runner.contract import LiveTrial
from hypersweep.study import Study

Points = Sequence[tuple[int, Mapping[str, Any]]]


class Trials:
    """Live trials in a folder, with what they log and report."""

    def __init__(self, folder: Path, points: Points, **changed: Any) -> None:
        folder.mkdir(exist_ok=True)
        data = folder / "data.csv"
        settings = {**SETTINGS, "dataset": str(data if data.exists() else write_data(data)), **changed}
        self.logs: list[list[str]] = []
        self.reports: list[list[int]] = []
        self.batch: list[tuple[Mapping[str, Any], LiveTrial]] = []
        for number, (seed, params) in enumerate(points):
            trial = live_trial(folder / str(number), settings, seed=seed, prepared=prepare(settings))
            trial.number = number
            self.logs.append([])
            self.reports.append([])
            trial.write_line = self.logs[-1].append
            trial.send_report = lambda step, metrics, told=self.reports[-1]: told.append(step)  # type: ignore[misc]
            self.batch.append((params, trial))

    def run_together(self) -> dict[int, Any]:
        return dict(run_trials(self.batch))

    def run_alone(self) -> dict[int, Any]:
        return {trial.number: run(params, trial) for params, trial in self.batch}


def num_epochs(log: list[str]) -> int:
    return sum(line.startswith("epoch ") for line in log)


def test_each_stops_when_it_would_alone(tmp_path: Path) -> None:
    points: Points = [
        (1, {"learning_rate": 0.01, "stopping_step": 0}),
        (2, {"learning_rate": 0.003, "epochs": 2}),
        (3, {"learner": "sgd", "learning_rate": 0.5}),
    ]
    alone, together = (Trials(tmp_path / name, points) for name in ("alone", "together"))
    expected, found = alone.run_alone(), together.run_together()
    assert together.reports == alone.reports
    assert len({len(steps) for steps in together.reports}) > 1, "not all at once"
    for number, result in found.items():
        assert result["model"] == "LightSANs"
        for part in ("best_valid_result", "test_result"):
            assert result[part] == pytest.approx(expected[number][part], abs=0.02)
        assert num_epochs(together.logs[number]) == num_epochs(alone.logs[number]) == len(together.reports[number])
        assert (together.batch[number][1].checkpoint_dir / "best.pt").exists()


def test_one_is_pruned_and_the_others_go_on(tmp_path: Path) -> None:
    trials = Trials(tmp_path, [(1, {}), (2, {}), (3, {})], epochs=4, stopping_step=10)
    trials.batch[1][1].is_prune_asked = lambda: len(trials.reports[1]) == 2
    ends = trials.run_together()
    assert isinstance(ends[1], TrialPruned)
    assert trials.reports == [[1, 2, 3, 4], [1, 2], [1, 2, 3, 4]]
    assert all(ends[number]["best_valid_score"] > 0 for number in (0, 2))


def test_params_that_cannot_be_used_fail_one(tmp_path: Path) -> None:
    trials = Trials(tmp_path, [(1, {}), (2, {"learning_rate": -1}), (3, {})], epochs=1)
    ends = trials.run_together()
    assert isinstance(ends[1], SettingsError)
    assert "learning_rate" in str(ends[1])
    assert trials.reports == [[1], [], [1]]


def test_one_that_diverges(tmp_path: Path) -> None:
    ends = Trials(tmp_path, [(1, {}), (2, {"learning_rate": 1e30, "learner": "sgd"})], epochs=3).run_together()
    assert math.isnan(ends[1]["best_valid_score"])
    assert ends[0]["best_valid_score"] > 0


class Stopped(BaseException):
    pass


@pytest.mark.parametrize("then", ["together", "alone"])
def test_interrupted_trials_go_on_from_their_checkpoints(tmp_path: Path, then: str) -> None:
    points: Points = [(1, {}), (2, {"learning_rate": 0.01}), (3, {"epochs": 2})]
    unbroken = Trials(tmp_path / "unbroken", points, epochs=4, stopping_step=10).run_together()
    broken = Trials(tmp_path / "broken", points, epochs=4, stopping_step=10)

    def stop(step: int, metrics: Mapping[str, float]) -> None:
        if step == 3:
            raise Stopped

    broken.batch[1][1].send_report = stop
    ends: dict[int, Any] = {}
    with pytest.raises(Stopped):
        ends.update(run_trials(broken.batch))
    again = Trials(tmp_path / "broken", points, epochs=4, stopping_step=10)
    found = again.run_together() if then == "together" else again.run_alone()
    assert any(line.startswith("goes on after epoch 3") for line in again.logs[1])
    assert again.logs[2][-1].startswith("had ended with epoch")
    for number, result in unbroken.items():
        assert found[number]["test_result"] == pytest.approx(result["test_result"], abs=0.02)


def test_what_may_differ() -> None:
    free = batch_free({"model": "LightSANs"})
    assert free is not None
    assert {"learning_rate", "hidden_dropout_prob", "seed", "weight_decay"} <= set(free)
    assert not {"k_interests", "hidden_size", "train_batch_size", "MAX_ITEM_LIST_LENGTH", "hidden_act"} & set(free)
    assert batch_free({"model": "GRU4Rec"}) is batch_free({"model": ["SASRec", "GRU4Rec"]}) is None
    assert batch_free({"model": ["SASRec", "BERT4Rec"]}) is not None
    assert batch_free({"compile": True}) is batch_free({"compile": ["auto", True]}) is None
    assert batch_free({"compile": "auto"}) == batch_free({"compile": False}) == free


def test_how_many_fit() -> None:
    gib = 1 << 30
    sizes = [batch_size({"hidden_size": size, "train_batch_size": 4096}, 80 * gib) for size in (64, 128, [64, 256])]
    assert sizes == sorted(sizes, reverse=True)
    assert 4 < sizes[0] < 40
    assert batch_size({"train_batch_size": 4096}, gib) == 1
    assert batch_size({"train_batch_size": 1}, 80 * gib) == 32, "no more, however small"


SPACE = "learning_rate choice [0.001, 0.01, 0.03, 0.1]\nk_interests choice [2, 3, 4]\n"
SWEEP = {**SETTINGS, "metric_decimal_place": 4, "epochs": 8, "stopping_step": 1}


def make_sweep(folder: Path) -> Path:
    folder.mkdir()
    (folder / "hyper.test").write_text(SPACE)
    (folder / "hyper.yaml").write_text(json.dumps({**SWEEP, "dataset": str(write_data(folder / "data.csv"))}))
    return folder


def scores(folder: Path) -> list[float]:
    with Study(folder) as study:
        results = [recorded.result for recorded in study.trials("finished")]
    return [float(str(result.score)) for result in results if result]


@pytest.mark.slow
def test_a_sweep_comes_to_the_same_also_after_a_kill(tmp_path: Path) -> None:
    alone, together, killed = (make_sweep(tmp_path / name) for name in ("alone", "together", "killed"))
    for folder, size in ((alone, 1), (together, 4)):
        sweep(folder / "hyper.test", pool="inline", threads=1, batch_trials=size).close()
    with start_hypersweep("run", "--threads", "1", "--batch-trials", "4", cwd=killed) as process:
        wait_until(lambda: [*killed.glob("hyper.sweep/trials/00/0003/checkpoint/epoch-*.pt")], "a checkpoint")
        process.kill()
        process.communicate()
    with resume(killed, pool="inline") as study:
        assert study.counts()["finished"] == 12
    expected = scores(alone)
    assert len(set(expected)) > 6
    assert scores(together) == pytest.approx(expected, abs=0.03)
    assert scores(killed) == pytest.approx(expected, abs=0.03)
    epochs = []
    for number in range(12):
        log = (together / f"hyper.sweep/trials/00/{number:04d}/log.txt").read_text()
        assert log.startswith("hypersweep: runs together with ")
        epochs.append(log.count("\nepoch "))
    assert len(set(epochs)) > 1, "not all leave the batch at once"
