"""No-op trials of RecBole's exhaustive search. Prints {"trials", "seconds", "distinct"}."""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from recbole.trainer import HyperTuning

num_trials = int(sys.argv[1])


def objective(config_dict: dict, config_file_list: list) -> dict:
    return {
        "model": "none",
        "best_valid_score": 0.5,
        "valid_score_bigger": True,
        "best_valid_result": {"ndcg@10": 0.5},
        "test_result": {"ndcg@10": 0.5},
    }


with tempfile.TemporaryDirectory() as folder:
    space = Path(folder, "hyper.test")
    space.write_text(f"a choice {list(range(num_trials // 10))}\nb choice {list(range(10))}\n")
    with contextlib.redirect_stdout(sys.stderr):
        started = time.perf_counter()
        # early_stop far away: by default it ends 10 trials after the best
        tuning = HyperTuning(objective, algo="exhaustive", early_stop=num_trials + 1, params_file=str(space))
        tuning.run()
        tuning.export_result(output_file=str(Path(folder, "hyper.result")))
        seconds = time.perf_counter() - started
print(json.dumps({"trials": num_trials, "seconds": seconds, "distinct": len(tuning.params2result)}))
