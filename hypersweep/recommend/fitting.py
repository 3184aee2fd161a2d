"""A trial of the built-in runner: training to early stopping, then the test metrics of the best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from hypersweep import __version__
from hypersweep.errors import SettingsError
from hypersweep.recommend.batches import Splits
from hypersweep.recommend.checkpoints import Checkpoints
from hypersweep.recommend.early_stopping import EarlyStopping
from hypersweep.recommend.lanes import MapParts, map_in_turn, open_lanes
from hypersweep.recommend.models.catalog import find_models, find_options
from hypersweep.recommend.options import find_conflicts, parse_settings
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.training import Metrics, Training, build_model, is_compiled
from hypersweep.runner.contract import LiveTrial
from hypersweep.trial import Params


def run_trial(params: Params, trial: LiveTrial) -> Mapping[str, Any]:
    """See `hypersweep.recommend.run`. Deterministic on a CPU, given the seed."""
    config = read_config(params, trial)
    device = find_device(trial)
    with nullcontext(map_in_turn) if is_compiled(config) else open_lanes(device) as map_parts:
        torch.manual_seed(trial.seed)
        data = PreparedData.load(find_prepared(trial))
        splits = Splits(data, max_len=config["MAX_ITEM_LIST_LENGTH"], device=device)
        return build_fit(config, trial, data, splits, map_parts).run()


def read_config(params: Params, trial: LiveTrial) -> dict[str, Any]:
    """Every option's value; raises `SettingsError` for those that cannot be used, or not together."""
    settings = {**trial.settings, **params}
    config = parse_settings(find_options(find_models(settings)), settings)
    problems = find_conflicts(config)
    if problems:
        raise SettingsError.gather(problems)
    return config


def find_device(trial: LiveTrial) -> torch.device:
    return torch.device(trial.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def build_fit(
    config: Mapping[str, Any], trial: LiveTrial, data: PreparedData, splits: Splits, map_parts: MapParts
) -> Fit:
    """The trial with fresh weights, drawn from torch's random numbers."""
    (entry,) = find_models(config)
    device = splits.item_T.device
    model = build_model(entry, config, vocab_size=splits.num_items + 1).to(device)
    trial.log(
        f"{entry.name}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters, "
        f"{len(splits.train):,} training, {len(splits.valid):,} validation, {len(splits.test):,} test rows, "
        f"{splits.num_items:,} items, {device}, {torch.get_num_threads()} threads"
    )
    checkpoints = Checkpoints(trial.checkpoint_dir, describe_trial(config, trial.seed, data, device), trial.log)
    training = Training(model, splits, config, map_parts)
    return Fit(training, config, checkpoints, trial, read_items=lambda: data.read_tokens()[1])


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


def find_prepared(trial: LiveTrial) -> Path:
    """The prepared folder; a trial that was started by hand has none yet."""
    if trial.prepared is not None:
        return trial.prepared
    from hypersweep.recommend.preparation import prepare_data

    return prepare_data(trial.settings)


class Fit:
    """The way from fresh weights, or from where the checkpoints stand, to the result. `config` holds every option's
    value; `trial` is told the number of epochs done and the validation metrics, also of epochs done before a resume.
    `read_items` gives the items' ids, which the weights are kept with."""

    def __init__(
        self,
        training: Training,
        config: Mapping[str, Any],
        checkpoints: Checkpoints,
        trial: LiveTrial,
        *,
        read_items: Callable[[], list[str]],
    ) -> None:
        self.training = training
        self.config = config
        self.checkpoints = checkpoints
        self.trial = trial
        self.read_items = read_items
        self.epoch = 0
        self.validations: list[tuple[int, Metrics]] = []
        self.stopping = EarlyStopping(config["stopping_step"])
        self.nan_metrics = {f"{metric}@{k}": math.nan for metric in config["metrics"] for k in config["topk"]}
        self.best_epoch, self.best_valid, self.best_weights = 0, self.nan_metrics, training.copy_weights()

    def run(self) -> dict[str, Any]:
        """Trains until early stopping ends it, `epochs` are done, or the loss is not finite (diverged: every metric
        of the result is NaN)."""
        result = self.begin()
        while result is None:
            result = self.go_on(*self.training.train_epoch())
        return result

    def begin(self) -> dict[str, Any] | None:
        """Goes to where the checkpoints stand; gives the result if nothing is left to train."""
        ended = self.checkpoints.read_best()
        if ended is not None:
            self.trial.log(f"had ended with epoch {ended['epoch']} as the best: its result stands")
            self._judge_again(ended["validations"])
            return self._result(ended["valid"], ended["test"])
        self._resume()
        return self._end() if self._is_over else None

    def go_on(self, loss: float, seconds: float) -> dict[str, Any] | None:
        """What follows the training of an epoch, which gave this; gives the result if it was the last."""
        self.epoch += 1
        line = f"epoch {self.epoch}: train loss {loss:.{self.config['loss_decimal_place']}f}, {seconds:.2f} s"
        if not math.isfinite(loss):
            best = f"best score before: {self.stopping.best_score}"
            self.trial.log(f"{line}: diverged, so the result is nan ({best})")
            return self._keep(self.nan_metrics, self.nan_metrics)
        self._finish_epoch(line)
        return self._end() if self._is_over else None

    @property
    def _is_over(self) -> bool:
        return self.epoch >= self.config["epochs"] or self.stopping.should_stop

    def _end(self) -> dict[str, Any]:
        self.training.model.load_state_dict(self.best_weights)
        valid, test = self.best_valid, self.training.evaluate(self.training.splits.test)
        self.trial.log(f"best epoch {self.best_epoch}: valid {valid}, test {test}")
        return self._keep(valid, test)

    def _keep(self, valid: Metrics, test: Metrics) -> dict[str, Any]:
        self.checkpoints.write_best(
            {
                "epoch": self.best_epoch,
                "validations": self.validations,
                "valid": valid,
                "test": test,
                "weights": self.best_weights,
                "items": self.read_items(),
            }
        )
        return self._result(valid, test)

    def _finish_epoch(self, line: str) -> None:
        """The epoch's validation if it is due, its line in the log, its checkpoint, its report."""
        is_due = self.epoch % min(self.config["eval_step"], self.config["epochs"]) == 0
        if is_due:
            started = time.perf_counter()
            valid = self.training.evaluate(self.training.splits.valid)
            if self._judge(self.epoch, valid):
                self.best_weights = self.training.copy_weights()
            metric = self.config["valid_metric"]
            best = " (best)" if self.best_epoch == self.epoch else ""
            line += f"; valid {metric} {valid[metric]}{best}, {time.perf_counter() - started:.2f} s"
        self.trial.log(line)
        self.checkpoints.write_epoch(
            {
                "epoch": self.epoch,
                "best_epoch": self.best_epoch,
                "validations": self.validations,
                **self.training.state(),
            }
        )
        if is_due:
            self.trial.report(self.epoch, valid)

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
            self.trial.report(epoch, valid)

    def _resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        last = self.checkpoints.read_last()
        if last is None:
            return
        self.training.restore(last.state)
        self.epoch = last.state["epoch"]
        if last.best_weights is not None:
            self.best_weights = dict(last.best_weights)
        self.trial.log(f"goes on after epoch {self.epoch}")
        self._judge_again(last.state["validations"])

    def _result(self, valid: Metrics, test: Metrics) -> dict[str, Any]:
        return {
            "model": self.config["model"],
            "best_valid_score": valid[self.config["valid_metric"]],
            "valid_score_bigger": True,
            "best_valid_result": valid,
            "test_result": test,
        }
