"""A trial of the built-in runner: training to early stopping, then the test metrics of the best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from hypersweep import __version__
from hypersweep.errors import SettingsError
from hypersweep.recommend.batches import Splits
from hypersweep.recommend.checkpoints import Checkpoints
from hypersweep.recommend.early_stopping import EarlyStopping
from hypersweep.recommend.lanes import open_lanes
from hypersweep.recommend.models.catalog import find_models, find_options
from hypersweep.recommend.options import find_conflicts, parse_settings
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.training import Metrics, Training, build_model
from hypersweep.runner.contract import LiveTrial
from hypersweep.trial import Params


def run_trial(params: Params, trial: LiveTrial) -> Mapping[str, Any]:
    """See `hypersweep.recommend.run`. Deterministic on a CPU, given the seed."""
    settings = {**trial.settings, **params}
    (entry,) = find_models(settings)
    config = parse_settings(find_options([entry]), settings)
    problems = find_conflicts(config)
    if problems:
        raise SettingsError.gather(problems)
    device = torch.device(trial.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.manual_seed(trial.seed)
    data = PreparedData.load(_prepared(trial))
    splits = Splits(data, max_len=config["MAX_ITEM_LIST_LENGTH"], device=device)
    model = build_model(entry, config, vocab_size=splits.num_items + 1).to(device)
    print(
        f"{entry.name}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters, "
        f"{len(splits.train):,} training, {len(splits.valid):,} validation, {len(splits.test):,} test rows, "
        f"{splits.num_items:,} items, {device}, {torch.get_num_threads()} threads",
        flush=True,
    )
    checkpoints = Checkpoints(trial.checkpoint_dir, describe_trial(config, trial.seed, data, device))
    with open_lanes(device) as map_parts:
        fit = Fit(Training(model, splits, config, map_parts), config, checkpoints, trial.report)
        return fit.run(read_items=lambda: data.read_tokens()[1])


def describe_trial(config: Mapping[str, Any], seed: int, data: PreparedData, device: torch.device) -> dict[str, Any]:
    """All that a trial's numbers depend on: where any of it differs, a checkpoint is of another trial."""
    options = find_options(find_models(config))
    return {
        **{option.name: config[option.name] for option in options if option.has_effect and not option.is_data},
        "seed": seed,
        "data": data.folder.name,
        "num_items": data.num_items,
        "device": device.type,
        "torch": str(torch.__version__),
        "hypersweep": __version__,
    }


def _prepared(trial: LiveTrial) -> Path:
    """The prepared folder; a trial that was started by hand has none yet."""
    if trial.prepared is not None:
        return trial.prepared
    from hypersweep.recommend.preparation import prepare_data

    return prepare_data(trial.settings)


class Fit:
    """The way from fresh weights, or from where the checkpoints stand, to the result. `config` holds every option's
    value; `report` gets the number of epochs done and the validation metrics, also of epochs done before a resume."""

    def __init__(
        self,
        training: Training,
        config: Mapping[str, Any],
        checkpoints: Checkpoints,
        report: Callable[[int, Metrics], None],
    ) -> None:
        self.training = training
        self.config = config
        self.checkpoints = checkpoints
        self.report = report
        self.epoch = 0
        self.validations: list[tuple[int, Metrics]] = []
        self.stopping = EarlyStopping(config["stopping_step"])
        self.nan_metrics = {f"{metric}@{k}": math.nan for metric in config["metrics"] for k in config["topk"]}
        self.best_epoch, self.best_valid, self.best_weights = 0, self.nan_metrics, training.copy_weights()

    def run(self, *, read_items: Callable[[], list[str]]) -> dict[str, Any]:
        """Trains until early stopping ends it, `epochs` are done, or the loss is not finite (diverged: every metric
        of the result is NaN). `read_items` gives the items' ids, which the weights are kept with."""
        ended = self.checkpoints.read_best()
        if ended is not None:
            print(f"had ended with epoch {ended['epoch']} as the best: its result stands", flush=True)
            self._judge_again(ended["validations"])
            return self._result(ended["valid"], ended["test"])
        self._resume()
        while self.epoch < self.config["epochs"] and not self.stopping.should_stop:
            if not self._run_epoch():
                valid = test = self.nan_metrics
                break
        else:
            self.training.model.load_state_dict(self.best_weights)
            valid, test = self.best_valid, self.training.evaluate(self.training.splits.test)
            print(f"best epoch {self.best_epoch}: valid {valid}, test {test}", flush=True)
        self.checkpoints.write_best(
            {
                "epoch": self.best_epoch,
                "validations": self.validations,
                "valid": valid,
                "test": test,
                "weights": self.best_weights,
                "items": read_items(),
            }
        )
        return self._result(valid, test)

    def _run_epoch(self) -> bool:
        """The next epoch, with its validation if it is due; gives whether the loss is finite."""
        self.epoch += 1
        loss, seconds = self.training.train_epoch()
        line = f"epoch {self.epoch}: train loss {loss:.{self.config['loss_decimal_place']}f}, {seconds:.2f} s"
        if not math.isfinite(loss):
            print(f"{line}: diverged, so the result is nan (best score before: {self.stopping.best_score})", flush=True)
            return False
        is_due = self.epoch % min(self.config["eval_step"], self.config["epochs"]) == 0
        if is_due:
            started = time.perf_counter()
            valid = self.training.evaluate(self.training.splits.valid)
            if self._judge(self.epoch, valid):
                self.best_weights = self.training.copy_weights()
            metric = self.config["valid_metric"]
            best = " (best)" if self.best_epoch == self.epoch else ""
            line += f"; valid {metric} {valid[metric]}{best}, {time.perf_counter() - started:.2f} s"
        print(line, flush=True)
        self.checkpoints.write_epoch(
            {
                "epoch": self.epoch,
                "best_epoch": self.best_epoch,
                "validations": self.validations,
                **self.training.state(),
            }
        )
        if is_due:
            self.report(self.epoch, valid)
        return True

    def _judge(self, epoch: int, valid: Metrics) -> bool:
        """Takes the next validation; is it the best so far?"""
        self.validations.append((epoch, valid))
        is_best = self.stopping.update(valid[self.config["valid_metric"]])
        if is_best:
            self.best_epoch, self.best_valid = epoch, valid
        return is_best

    def _judge_again(self, validations: list[tuple[int, Metrics]]) -> None:
        """What was done before a resume is told again, since nobody may have heard it."""
        for epoch, valid in validations:
            self._judge(epoch, valid)
            self.report(epoch, valid)

    def _resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        last = self.checkpoints.read_last()
        if last is None:
            return
        self.training.restore(last.state)
        self.epoch = last.state["epoch"]
        if last.best_weights is not None:
            self.best_weights = dict(last.best_weights)
        print(f"goes on after epoch {self.epoch}", flush=True)
        self._judge_again(last.state["validations"])

    def _result(self, valid: Metrics, test: Metrics) -> dict[str, Any]:
        return {
            "model": self.config["model"],
            "best_valid_score": valid[self.config["valid_metric"]],
            "valid_score_bigger": True,
            "best_valid_result": valid,
            "test_result": test,
        }
