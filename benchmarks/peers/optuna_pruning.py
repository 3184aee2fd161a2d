"""Recorded curves replayed through Optuna's pruners. Prints {rule: what `replay.measure` gives}."""

import json
import random
from collections.abc import Callable
from dataclasses import asdict

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from benchmarks.replay import measure


class Study:
    """One study, its trials by ask and tell."""

    def __init__(self, pruner: BasePruner, rng: random.Random) -> None:
        name = str(rng.random())  # decides on the brackets of Hyperband
        self.study = optuna.create_study(direction="maximize", pruner=pruner, study_name=name)
        self.trials: dict[int, optuna.Trial] = {}
        self.bests: dict[int, float] = {}

    def report(self, number: int, step: int, score: float) -> bool:
        if number not in self.trials:
            self.trials[number] = self.study.ask()
        trial = self.trials[number]
        self.bests[number] = max(score, self.bests.get(number, score))
        trial.report(score, step)
        is_stopped = trial.should_prune()
        if is_stopped:
            self.study.tell(trial, state=TrialState.PRUNED)
        return is_stopped

    def finish(self, number: int) -> None:
        trial = self.trials[number]
        if trial.study.get_trials(deepcopy=False)[trial.number].state == TrialState.RUNNING:
            self.study.tell(trial, self.bests[number])


RULES: dict[str, Callable[[], BasePruner]] = {
    "median": MedianPruner,
    "successive halving, factor 3": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "successive halving, factor 4": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
    "Hyperband, factor 3": lambda: HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3),
}

optuna.logging.set_verbosity(optuna.logging.ERROR)
told = {
    rule: [asdict(spent) for spent in measure(lambda rng, make_pruner=make_pruner: Study(make_pruner(), rng))]
    for rule, make_pruner in RULES.items()
}
print(json.dumps(told))
