"""A trial of RecBole of one epoch. `recbole_trial.py SETTINGS STARTED EVALUATIONS`: the settings as JSON, the time when
this process was started, and how often to evaluate once more at the end. Prints {"start_s", "epoch_s", "trial_s",
"evaluation_s", "peak_mib"}; `trial_s` counts from the start to the test metrics, `evaluation_s` is a median."""

import json
import resource
import statistics
import sys
import tempfile
import time

settings, started = json.loads(sys.argv[1]), float(sys.argv[2])
num_evaluations = int(sys.argv[3])
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
    train, valid, test = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, train._dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    trainer.eval_collector.data_collect(train)  # as its `fit` does
    start_s = time.time() - started
    epoch_s = seconds(lambda: trainer._train_epoch(train, 0))
    trainer._valid_epoch(valid)
    trainer.evaluate(test, load_best_model=False)
    trial_s = time.time() - started
    evaluations_s = [seconds(lambda: trainer._valid_epoch(valid)) for _ in range(num_evaluations)]
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
told = {
    "start_s": start_s,
    "epoch_s": epoch_s,
    "trial_s": trial_s,
    "evaluation_s": statistics.median(evaluations_s),
    "peak_mib": peak_mib,
}
print(json.dumps(told))
