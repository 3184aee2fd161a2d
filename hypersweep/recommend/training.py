"""A trial of the built-in runner: training to early stopping, then the test metrics of the best checkpoint."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from hypersweep.errors import SettingsError
from hypersweep.recommend.batches import Rows, Splits
from hypersweep.recommend.early_stopping import EarlyStopping
from hypersweep.recommend.evaluation import evaluate
from hypersweep.recommend.models.catalog import CatalogEntry, find_models, find_options
from hypersweep.recommend.models.next_item import Examples, NextItemModel
from hypersweep.recommend.options import find_conflicts, parse_settings
from hypersweep.recommend.prepared import PreparedData
from hypersweep.runner.contract import LiveTrial
from hypersweep.trial import Params

_OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "adam": partial(Adam, fused=True),
    "adamw": partial(AdamW, fused=True),
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
}
_CPU_POSITIONS, _GPU_POSITIONS = 12_800, 262_144  # of a micro-batch: what fits a CPU's cache, what fills a GPU
Metrics = dict[str, float]


def run_trial(params: Params, trial: LiveTrial) -> Mapping[str, Any]:
    """See `hypersweep.recommend.run`. Deterministic on a CPU, given the seed and the number of threads."""
    settings = {**trial.settings, **params}
    (entry,) = find_models(settings)
    config = parse_settings(find_options([entry]), settings)
    problems = find_conflicts(config)
    if problems:
        raise SettingsError.gather(problems)
    device = torch.device(trial.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.manual_seed(trial.seed)
    splits = Splits(PreparedData.load(_prepared(trial)), max_len=config["MAX_ITEM_LIST_LENGTH"], device=device)
    model = build_model(entry, config, vocab_size=splits.num_items + 1).to(device)
    print(
        f"{entry.name}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters, "
        f"{len(splits.train):,} training, {len(splits.valid):,} validation, {len(splits.test):,} test rows, "
        f"{splits.num_items:,} items, {device}, {torch.get_num_threads()} threads",
        flush=True,
    )
    return {"model": entry.name, **Training(model, splits, config).run(trial.report)}


def _prepared(trial: LiveTrial) -> Path:
    """The prepared folder; a trial that was started by hand has none yet."""
    if trial.prepared is not None:
        return trial.prepared
    from hypersweep.recommend.preparation import prepare_data

    return prepare_data(trial.settings)


def build_model(entry: CatalogEntry, config: Mapping[str, Any], *, vocab_size: int) -> NextItemModel:
    """The model with fresh weights; `vocab_size` counts the items and the padding."""
    module, _, name = entry.location.partition(":")
    model_class = getattr(importlib.import_module(module), name)
    arguments = {option.name: config[option.name] for option in entry.options if option.has_effect}
    model: NextItemModel = model_class(vocab_size=vocab_size, max_len=config["MAX_ITEM_LIST_LENGTH"], **arguments)
    return model


def train_step(
    model: NextItemModel,
    optimizer: Optimizer,
    examples: Examples,
    *,
    micro_batch_size: int,
    clip: Mapping[str, Any] | None = None,
) -> float | None:
    """One step on the mean loss of the predictions that count in the whole batch, summed up in micro-batches.

    Returns the loss before the step, and makes no step if it is not finite; None, and no step, if nothing counts.
    """
    num_counted = int((examples.target_BM > 0).sum())
    if num_counted == 0:
        return None
    optimizer.zero_grad()
    total = torch.zeros((), device=examples.target_BM.device)
    for part in examples.split(micro_batch_size):
        loss: Tensor = model.sum_loss(part) / num_counted
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    mean_loss = float(total)
    if math.isfinite(mean_loss):
        if clip:
            clip_grad_norm_(model.parameters(), **clip)
        optimizer.step()
    return mean_loss


class Training:
    """One model's way from fresh weights to its result. `config` holds every option's value."""

    def __init__(self, model: NextItemModel, splits: Splits, config: Mapping[str, Any]) -> None:
        self.model = model
        self.splits = splits
        self.config = config
        num_positions = _CPU_POSITIONS if splits.item_T.device.type == "cpu" else _GPU_POSITIONS
        self.micro_batch_size = config["micro_batch_size"] or max(1, num_positions // splits.max_len)
        self.optimizer = _OPTIMIZERS[config["learner"]](
            model.parameters(), lr=config["learning_rate"], weight_decay=config["weight_decay"]
        )

    def run(self, report: Callable[[int, Metrics], None]) -> dict[str, Any]:
        """Trains until early stopping ends it, `epochs` are done, or the loss is not finite (diverged: every metric
        of the result is NaN). `report` gets the number of epochs done and the validation metrics."""
        stopping = EarlyStopping(self.config["stopping_step"])
        eval_step = min(self.config["eval_step"], self.config["epochs"])
        best_epoch, best_valid, best_weights = 0, self._nan_metrics(), self._copy_weights()
        for epoch in range(1, self.config["epochs"] + 1):
            loss, seconds = self._train_epoch()
            line = f"epoch {epoch}: train loss {loss:.{self.config['loss_decimal_place']}f}, {seconds:.2f} s"
            if not math.isfinite(loss):
                print(f"{line}: diverged, so the result is nan (best score before: {stopping.best_score})", flush=True)
                return self._result(self._nan_metrics(), self._nan_metrics())
            if epoch % eval_step:
                print(line, flush=True)
                continue
            started = time.perf_counter()
            valid = self._evaluate(self.splits.valid)
            score = valid[self.config["valid_metric"]]
            if stopping.update(score):
                best_epoch, best_valid, best_weights = epoch, valid, self._copy_weights()
            seconds = time.perf_counter() - started
            best = " (best)" if best_epoch == epoch else ""
            print(f"{line}; valid {self.config['valid_metric']} {score}{best}, {seconds:.2f} s", flush=True)
            report(epoch, valid)
            if stopping.should_stop:
                break
        self.model.load_state_dict(best_weights)
        test = self._evaluate(self.splits.test)
        print(f"best epoch {best_epoch}: valid {best_valid}, test {test}", flush=True)
        return self._result(best_valid, test)

    def _train_epoch(self) -> tuple[float, float]:
        """The mean loss of the epoch's steps, and its seconds; ends at the first loss that is not finite."""
        started = time.perf_counter()
        self.model.train()
        rows = self.splits.train
        order_N = torch.randperm(len(rows)) if self.config["shuffle"] else torch.arange(len(rows))
        losses = []
        order_N = order_N.to(self.splits.item_T.device)
        for start in range(0, len(rows), batch_size := self.config["train_batch_size"]):
            batch = self.splits.batch(rows, order_N[start : start + batch_size])
            loss = train_step(
                self.model,
                self.optimizer,
                self.model.make_examples(batch),
                micro_batch_size=self.micro_batch_size,
                clip=self.config["clip_grad_norm"],
            )
            if loss is not None:
                losses.append(loss)
                if not math.isfinite(loss):
                    break
        return sum(losses) / max(1, len(losses)), time.perf_counter() - started

    def _evaluate(self, rows: Rows) -> Metrics:
        self.model.eval()
        return evaluate(
            self.model.score,
            self.splits,
            rows,
            metrics=self.config["metrics"],
            topk=self.config["topk"],
            decimals=self.config["metric_decimal_place"],
            batch_size=self.config["eval_batch_size"],
        )

    def _copy_weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def _nan_metrics(self) -> Metrics:
        return {f"{metric}@{k}": math.nan for metric in self.config["metrics"] for k in self.config["topk"]}

    def _result(self, valid: Metrics, test: Metrics) -> dict[str, Any]:
        return {
            "best_valid_score": valid[self.config["valid_metric"]],
            "valid_score_bigger": True,
            "best_valid_result": valid,
            "test_result": test,
        }
