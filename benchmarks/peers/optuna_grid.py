"""No-op trials of Optuna: SQLite storage, grid sampler. Prints {"trials", "seconds", "distinct"}."""

import json
import sys
import tempfile
import time
from pathlib import Path

import optuna

num_trials = int(sys.argv[1])
optuna.logging.set_verbosity(optuna.logging.WARNING)
with tempfile.TemporaryDirectory() as folder:
    grid = {"a": list(range(num_trials // 10)), "b": list(range(10))}
    started = time.perf_counter()
    study = optuna.create_study(
        storage=f"sqlite:///{Path(folder, 'study.db')}", sampler=optuna.samplers.GridSampler(grid, seed=1)
    )

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_int("a", 0, num_trials)
        trial.suggest_int("b", 0, 10)
        return 0.5

    study.optimize(objective, n_trials=num_trials)
    seconds = time.perf_counter() - started
    distinct = len({tuple(sorted(trial.params.items())) for trial in study.get_trials(deepcopy=False)})
print(json.dumps({"trials": num_trials, "seconds": seconds, "distinct": distinct}))
