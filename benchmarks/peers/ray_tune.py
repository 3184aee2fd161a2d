"""No-op trials of Ray Tune, a grid. Prints {"trials", "seconds", "distinct"}; the start of Ray is not counted."""

import json
import sys
import tempfile
import time

import ray
from ray import tune

num_trials = int(sys.argv[1])
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
with tempfile.TemporaryDirectory() as folder:
    started = time.perf_counter()
    results = tune.Tuner(
        lambda config: {"score": 0.5},
        param_space={"a": tune.grid_search(list(range(num_trials // 10))), "b": tune.grid_search(list(range(10)))},
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    ).fit()
    seconds = time.perf_counter() - started
    distinct = len({(result.config["a"], result.config["b"]) for result in results})
print(json.dumps({"trials": num_trials, "seconds": seconds, "distinct": distinct}))
