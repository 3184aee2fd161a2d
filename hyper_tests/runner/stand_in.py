"""A stand-in for RecBole with its entry and its habits, for tests that must be quick. `test_recbole_itself` has the
real one."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "__init__.py": "",
    "properties/overall.yaml": "epochs: 300\nlearning_rate: 0.001  # (float)\neval_args:\n  split: {}\n",
    "properties/model/SASRec.yaml": "hidden_size: 64\nloss_type: 'CE'",
    "model.py": "size = config['embedding_size']\nother = config.wandb_project\nconfig.lower()\n",
    "quick_start/__init__.py": "from recbole.quick_start.quick_start import objective_function\n",
    "quick_start/quick_start.py": """
import io, json, logging, os, sys
from pathlib import Path

class tune:
    @staticmethod
    def report(metrics, *, checkpoint=None):  # as in newer versions: those of RecBole's call do not fit
        raise AssertionError("outside of a session")

class Trainer:
    def __init__(self, config, model):
        self.config = config

    def fit(self, train_data, valid_data, verbose=True, saved=True, callback_fn=None):
        for epoch in range(self.config["epochs"]):
            if verbose:
                logging.getLogger().info("epoch %d", epoch)
            callback_fn(epoch, 0.1 * (epoch + 1))
        return 0.1 * self.config["epochs"], {"ndcg@10": 0.1 * self.config["epochs"]}

def get_trainer(model_type, model_name):
    return Trainer

def objective_function(config_dict=None, config_file_list=None, saved=True):
    (path,) = config_file_list
    config = {"epochs": 2, "valid_metric": "NDCG@10", **json.loads(Path(path).read_text()), **config_dict}
    if config["dataset"] != "d":
        raise ValueError(f"Neither [x] exists in the device nor [{config['dataset']}] a known dataset name.")
    logging.basicConfig(level=logging.INFO, handlers=[logging.StreamHandler()])
    os.environ["CUDA_VISIBLE_DEVICES"] = str(config.get("gpu_id", "0"))
    sys.stdout = io.StringIO()
    seen = {"argv": sys.argv, "config": config, "params": config_dict, "folder": os.getcwd(),
            "loads_pickles": os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")}
    Path("seen.json").write_text(json.dumps(seen))
    Path(config["checkpoint_dir"], "model.pth").touch()
    score, valid = get_trainer(None, None)(config, None).fit(None, None, verbose=False, saved=saved)
    tune.report(**valid)
    return {"model": config["model"], "best_valid_score": score, "valid_score_bigger": True,
            "best_valid_result": valid, "test_result": valid}
""",
}


def write_stand_in(folder: Path) -> None:
    """The package `recbole` below a folder."""
    for name, text in FILES.items():
        path = folder / "recbole" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
