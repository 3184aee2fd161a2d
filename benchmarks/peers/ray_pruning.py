"""Recorded curves replayed through Ray Tune's ASHA, its scheduler alone. Prints {rule: what `replay.measure` gives}."""

import json
import random
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from benchmarks.replay import measure


class Scheduled:
    """One experiment: what Tune's loop tells the scheduler, and nothing else."""

    def __init__(self, factor: int, brackets: int, rng: random.Random) -> None:
        np.random.seed(rng.randrange(2**32))  # it draws the brackets
        self.scheduler = AsyncHyperBandScheduler(
            metric="score", mode="max", max_t=27, grace_period=1, reduction_factor=factor, brackets=brackets
        )
        self.trials: dict[int, SimpleNamespace] = {}

    def report(self, number: int, step: int, score: float) -> bool:
        if number not in self.trials:
            self.trials[number] = SimpleNamespace(trial_id=str(number))
            self.scheduler.on_trial_add(None, self.trials[number])
        result = {"training_iteration": step, "score": score}
        return self.scheduler.on_trial_result(None, self.trials[number], result) == TrialScheduler.STOP

    def finish(self, number: int) -> None:
        """It stops a trial at its last step by itself."""


RULES = {
    "ASHA, factor 3": (3, 1),
    "ASHA, factor 4": (4, 1),
    "ASHA, factor 3, three brackets": (3, 3),
}

told = {
    rule: [asdict(spent) for spent in measure(lambda rng, arguments=arguments: Scheduled(*arguments, rng))]
    for rule, arguments in RULES.items()
}
print(json.dumps(told))
