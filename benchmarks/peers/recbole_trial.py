"""A trial of RecBole up to its first validation. `recbole_trial.py SETTINGS STARTED STEPS EVALUATIONS`: the settings as
JSON, the time when this process was started, after how many steps of the epoch to stop, and how often to evaluate.
Prints {"start_s", "step_s", "num_steps", "evaluation_s", "peak_mib"}; `num_steps` are those of a whole epoch."""

import itertools
import json
import resource
import statistics
import sys
import tempfile
import time

settings, started = json.loads(sys.argv[1]), float(sys.argv[2])
max_steps, num_evaluations = map(int, sys.argv[3:])
sys.argv[1:] = []  # RecBole reads it

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402


def seconds(work: object) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


with tempfile.TemporaryDirectory() as folder:
    settings = {**settings, "checkpoint_dir": folder, "use_gpu": False, "show_progress": False, "state": "ERROR"}
    config = Config(model=settings["model"], dataset=settings["dataset"], config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    train, valid, _ = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, train._dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    trainer.eval_collector.data_collect(train)  # as its `fit` does
    start_s = time.time() - started
    batches = list(itertools.islice(train, max_steps))
    step_s = seconds(lambda: trainer._train_epoch(batches, 0)) / len(batches)
    evaluations_s = [seconds(lambda: trainer._valid_epoch(valid)) for _ in range(num_evaluations)]
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
told = {
    "start_s": start_s,
    "step_s": step_s,
    "num_steps": len(train),
    "evaluation_s": statistics.median(evaluations_s),
    "peak_mib": peak_mib,
}
print(json.dumps(told))
