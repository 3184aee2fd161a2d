"""Whole trials of the built-in recommenders that take some ten milliseconds, on data of their own."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyper_tests.recommend.builders import live_trial
from hypersweep.recommend import prepare, run

NUM_USERS, NUM_ITEMS, LENGTH = 40, 12, 9
SETTINGS: dict[str, Any] = {
    "MAX_ITEM_LIST_LENGTH": 6,
    "train_batch_size": 128,
    "hidden_size": 8,
    "embedding_size": 8,
    "inner_size": 8,
    "n_layers": 1,
    "learning_rate": 0.05,
    "epochs": 5,
    "stopping_step": 2,
    "metrics": ["NDCG", "MRR"],
    "valid_metric": "NDCG@10",
    "metric_decimal_place": 17,  # every bit
    "loss_decimal_place": 17,
}


def write_data(path: Path) -> Path:
    """Users go through the items in steps of their own."""
    rows = (
        f"{user},{(user * 7 + time * (1 + user % 3)) % NUM_ITEMS},{1000 * time}"
        for user in range(NUM_USERS)
        for time in range(LENGTH)
    )
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    return path


@dataclass
class Told:
    """What a trial told: its result, its reports, and its epochs' lines in the log, without the seconds."""

    result: Mapping[str, Any] = field(default_factory=dict)
    reports: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    log: str = ""

    @property
    def epochs(self) -> list[str]:
        return [
            re.sub(r", [0-9.]+ s\b", "", line) for line in self.log.splitlines() if re.match("epoch|best epoch", line)
        ]


class ShortTrial:
    """A trial in a folder, to be run again and again."""

    def __init__(self, folder: Path, data: Path, *, model: str, seed: int = 2020, **changed: Any) -> None:
        self.folder = folder
        self.seed = seed
        self.settings = {**SETTINGS, "model": model, "dataset": str(data), **changed}

    @property
    def checkpoints(self) -> list[str]:
        """The names of what the checkpoint folder holds."""
        return sorted(os.listdir(self.folder / "checkpoint"))

    def run(self, on_report: Callable[[int], None] = lambda epoch: None, told: Told | None = None) -> Told:
        """Runs it in this process; `on_report` is called after each report. `told` is filled also if it raises."""
        told = told or Told()
        trial = live_trial(self.folder, self.settings, seed=self.seed, prepared=prepare(self.settings))

        def send_report(epoch: int, metrics: Mapping[str, float]) -> None:
            told.reports.append((epoch, dict(metrics)))
            on_report(epoch)

        trial.send_report = send_report
        log = io.StringIO()
        try:
            with contextlib.redirect_stdout(log):
                told.result = run({}, trial)
        finally:
            told.log = log.getvalue()
        return told
