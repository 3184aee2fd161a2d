"""A trial of the built-in recommenders up to a validation: `python -m benchmarks.own_trial SETTINGS DEVICE EVALUATIONS
EPOCHS`, the settings as JSON. Prints {"epoch_s", "evaluation_s", "peak_mib"}: the last of so many epochs, the median of
so many evaluations, and the peak of the process (not of the device)."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from typing import Any

import torch

from hypersweep.recommend import prepare
from hypersweep.recommend.batches import Splits
from hypersweep.recommend.lanes import open_lanes
from hypersweep.recommend.models.catalog import find_models, find_options
from hypersweep.recommend.options import parse_settings
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.training import Training, build_model


def measure(settings: dict[str, Any], device: torch.device, num_evaluations: int, num_epochs: int) -> dict[str, float]:
    (entry,) = find_models(settings)
    config = parse_settings(find_options([entry]), settings)
    torch.manual_seed(config["seed"])
    splits = Splits(PreparedData.load(prepare(settings)), max_len=config["MAX_ITEM_LIST_LENGTH"], device=device)
    model = build_model(entry, config, vocab_size=splits.num_items + 1).to(device)
    with open_lanes(device) as map_parts:
        training = Training(model, splits, config, map_parts)
        epochs_s = [training.train_epoch()[1] for _ in range(num_epochs)]
        evaluations_s = []
        for _ in range(num_evaluations):
            begun = time.perf_counter()
            training.evaluate(splits.valid)
            evaluations_s.append(time.perf_counter() - begun)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"epoch_s": epochs_s[-1], "evaluation_s": statistics.median(evaluations_s), "peak_mib": peak_mib}


if __name__ == "__main__":
    settings, device, *numbers = sys.argv[1:]
    print(json.dumps(measure(json.loads(settings), torch.device(device), *map(int, numbers))))
