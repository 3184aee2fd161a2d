"""The learning curves that pruning is replayed on: `python -m benchmarks.curves` records them anew in `curves.json`.

LightSANs on the generated `sample` data: a whole grid, each combination trained to the end, and its best one again with
other seeds, which tells how much of a score is luck. It takes some minutes; the sweeps lie in `build/curves`, and one
that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT

PATH = ROOT / "benchmarks" / "curves.json"
FOLDER = ROOT / "build" / "curves"
METRIC = "ndcg@10"
SEED = 2020
NUM_SEEDS = 8  # of the best combination, that of the grid included
GRID: Mapping[str, Sequence[float]] = {
    "learning_rate": (0.0003, 0.001, 0.003, 0.01),
    "k_interests": (3, 9),
    "hidden_dropout_prob": (0.0, 0.2, 0.5),
    "hidden_size": (16, 32),
}
SETTINGS = {
    "model": "LightSANs",
    "dataset": "sample",
    "MAX_ITEM_LIST_LENGTH": 10,
    "inner_size": 64,
    "n_layers": 1,
    "attn_dropout_prob": 0.2,
    "train_batch_size": 1024,
    "epochs": 27,
    "stopping_step": 1000,
    "valid_metric": "NDCG@10",
    "metric_decimal_place": 6,
}


@dataclass(frozen=True)
class Curve:
    """What a trial scored after each of its epochs; bigger is better."""

    params: Mapping[str, Any]
    scores: Sequence[float]


def read_curves() -> tuple[list[Curve], list[Curve]]:
    """Those of the grid, and those of its best combination, one for each seed."""
    document = json.loads(PATH.read_text())
    grid, seeds = ([Curve(**curve) for curve in document[part]] for part in ("grid", "seeds"))
    return grid, seeds


def record() -> None:
    grid = record_sweep(FOLDER / "grid", {**GRID, "seed": [SEED]})
    best = max(grid, key=lambda curve: max(curve.scores))
    values = {name: [value] for name, value in best.params.items()}
    seeds = record_sweep(FOLDER / "seeds", {**values, "seed": range(SEED, SEED + NUM_SEEDS)})
    write_curves(grid, seeds)


def record_sweep(folder: Path, values: Mapping[str, Sequence[Any]]) -> list[Curve]:
    """A trial for each combination, in the order of the grid."""
    from hypersweep import Choice, Space, sweep

    folder.mkdir(parents=True, exist_ok=True)
    space = Space([Choice(name, tuple(each)) for name, each in values.items()])
    with sweep(
        space, runner="recommend", settings=SETTINGS, threads=1, seed=SEED, out=folder, if_exists="resume"
    ) as study:
        scores: dict[int, list[float]] = {}
        for number, _, metrics in study.reports():
            scores.setdefault(number, []).append(metrics[METRIC])
        return [
            Curve(dict(recorded.trial.params), scores[recorded.trial.number]) for recorded in study.trials("finished")
        ]


def write_curves(grid: Sequence[Curve], seeds: Sequence[Curve]) -> None:
    """One curve a line."""
    parts = [
        f'"{name}": [\n' + ",\n".join(json.dumps(asdict(curve)) for curve in curves) + "\n]"
        for name, curves in (("grid", grid), ("seeds", seeds))
    ]
    head = ['"command": "python -m benchmarks.curves"', f'"settings": {json.dumps(SETTINGS)}', f'"metric": "{METRIC}"']
    PATH.write_text("{\n" + ",\n".join([*head, *parts]) + "\n}\n")


if __name__ == "__main__":
    record()
