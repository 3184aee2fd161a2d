"""The options of the built-in recommenders: name, default, kind and help, each in one place.

They serve the checking of settings and spaces, help and the documentation. Names and meanings are those of RecBole
1.2.1; the options of a model stand in `models/catalog.py`. Light: the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hypersweep.errors import SettingsError
from hypersweep.recommend import option_kinds as kinds
from hypersweep.recommend.option_kinds import Kind
from hypersweep.runner.contract import Key


@dataclass(frozen=True)
class Option:
    """A setting with its default. One without effect is accepted, for the sake of files written for RecBole. Trials
    that are trained together may differ in one that is free: it changes no shape, and only what each does by itself.
    """

    name: str
    default: Any
    kind: Kind
    help: str
    is_data: bool = False
    has_effect: bool = True
    is_free: bool = False

    def parse(self, value: Any) -> Any:
        """The value in its canonical form; raises `SettingsError`."""
        try:
            return self.kind.parse(value)
        except (ValueError, TypeError) as error:
            raise SettingsError(
                f"settings: {self.name!r} cannot be used, got {value!r}; expected {self.kind.expected}. "
                "Change it or leave it out"
            ) from error

    @property
    def key(self) -> Key:
        return Key(self.name, self.default, self.help, self.is_data, self.has_effect, self.kind.expected)


def parse_settings(options: Iterable[Option], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every option's value, from the settings or by default, in canonical form; names that no option has are left
    to the caller. Raises one `SettingsError` for all that is wrong."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for option in options:
        try:
            values[option.name] = option.parse(settings.get(option.name, option.default))
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError.gather(problems)
    return values


TRAINING_OPTIONS = (
    Option("seed", 2020, kinds.whole(0), "seed of everything random; reaches the trial as its own seed", is_free=True),
    Option("epochs", 300, kinds.whole(1), "at most so many passes over the training rows", is_free=True),
    Option("train_batch_size", 2048, kinds.whole(1), "training rows a step"),
    Option(
        "micro_batch_size",
        None,
        kinds.optional(kinds.whole(1)),
        "rows computed at once; gradients are summed to the whole batch, so the step is the same. Null: chosen",
    ),
    Option("learning_rate", 0.001, kinds.POSITIVE, "learning rate", is_free=True),
    Option("learner", "adam", kinds.LEARNER, "optimiser", is_free=True),
    Option("weight_decay", 0.0, kinds.NOT_NEGATIVE, "weight decay (L2 penalty) of the optimiser", is_free=True),
    Option("clip_grad_norm", None, kinds.optional(kinds.CLIP), "bound on the norm of the gradient", is_free=True),
    Option("enable_amp", False, kinds.FLAG, "matrix products of the training in bfloat16: faster, less exact"),
    Option(
        "compile",
        "auto",
        kinds.one_of("auto", True, False),
        "use torch's compiler; auto: where that pays back within the trial, which it does not on a CPU",
    ),
    Option("cuda_graphs", True, kinds.FLAG, "on CUDA, record a training step once and replay it: the same, faster"),
    Option("shuffle", True, kinds.FLAG, "shuffle the training rows before each epoch"),
    Option("eval_step", 1, kinds.whole(1), "epochs between validations", is_free=True),
    Option(
        "stopping_step",
        10,
        kinds.whole(0),
        "stop at the validation that makes more than so many without a best",
        is_free=True,
    ),
    Option("loss_decimal_place", 4, kinds.whole(0), "decimals of the training loss in the trial's log"),
    Option("loss_type", "CE", kinds.only("CE", "full softmax cross entropy is what is built"), "loss"),
    Option(
        "train_neg_sample_args",
        None,
        kinds.Kind("null (full softmax needs no negative samples)", kinds.one_of(None, "None").parse),
        "negative sampling",
    ),
)

EVALUATION_OPTIONS = (
    Option("eval_args", {}, kinds.LEAVE_ONE_OUT, "evaluation protocol"),
    Option("repeatable", True, kinds.only(True, "the history is not masked"), "items of the history may be ranked"),
    Option("metrics", ["Recall", "MRR", "NDCG", "Hit", "Precision"], kinds.METRICS, "metrics, in the order of the log"),
    Option("topk", [10], kinds.SIZES, "the k of the metrics"),
    Option("valid_metric", "MRR@10", kinds.SCORED_METRIC, "metric of early stopping and of the best checkpoint"),
    Option("metric_decimal_place", 4, kinds.whole(0), "decimals of the metrics"),
    Option("eval_batch_size", 4096, kinds.whole(1), "rows ranked at once, at most"),
)

MODEL_OPTIONS = (
    Option("MAX_ITEM_LIST_LENGTH", 50, kinds.whole(1), "a history is cut to its last so many items"),
    Option("transform", None, kinds.one_of(None, "mask_itemseq"), "BERT4Rec's masking; the model knows it itself"),
)


def _data(name: str, default: Any, kind: Kind, help: str) -> Option:
    return Option(name, default, kind, help, is_data=True)


DATA_OPTIONS = (
    _data(
        "dataset", "sample", kinds.TEXT, "a name below data_path, a path, or sample, sample:ml-1m, sample:amazon-books"
    ),
    _data("data_path", None, kinds.optional(kinds.TEXT), "folder of data sets; by default HYPERSWEEP_DATA, or dataset"),
    _data("field_separator", None, kinds.optional(kinds.SEPARATOR), "separator of columns; tab, in .csv files a comma"),
    _data("encoding", None, kinds.one_of(None, "utf-8", "utf8", "ascii"), "of the file; others: iconv -t utf-8"),
    _data("USER_ID_FIELD", "user_id", kinds.TEXT, "column of the users"),
    _data("ITEM_ID_FIELD", "item_id", kinds.TEXT, "column of the items"),
    _data("RATING_FIELD", "rating", kinds.TEXT, "name of the third column of a ratings.dat"),
    _data("TIME_FIELD", "timestamp", kinds.optional(kinds.TEXT), "column of the times; null: the order of the file"),
    _data("load_col", None, kinds.optional(kinds.COLUMNS), "columns to read; by default those that are needed"),
    _data("unload_col", None, kinds.optional(kinds.COLUMNS), "columns not to read"),
    _data("unused_col", None, kinds.optional(kinds.COLUMNS), "columns to drop after the filters"),
    _data("rm_dup_inter", None, kinds.one_of(None, "first", "last"), "which of repeated user-item pairs to keep"),
    _data("val_interval", None, kinds.optional(kinds.VALUE_FILTERS), "keep rows with values in these intervals"),
    _data("user_inter_num_interval", None, kinds.optional(kinds.INTERVALS), "keep users with so many interactions"),
    _data("item_inter_num_interval", None, kinds.optional(kinds.INTERVALS), "keep items with so many interactions"),
    _data("normalize_all", None, kinds.optional(kinds.FLAG), "scale times to 0…1 before they are compared"),
    _data("normalize_field", None, kinds.optional(kinds.TEXTS), "the same, if it lists the column of the times"),
    _data(
        "time_order",
        "float32",
        kinds.one_of("float32", "exact"),
        "float32: times less than about 64 s apart keep the order of the file, as in RecBole; exact: the true order",
    ),
)


def find_conflicts(values: Mapping[str, Any]) -> list[str]:
    """What is wrong between options that are each right; only those are compared that `values` holds."""
    problems = _find_column_conflicts(values)
    if values.get("normalize_all") and values.get("normalize_field"):
        problems.append(
            f"settings: 'normalize_all' and 'normalize_field' are both set, got {values['normalize_field']!r}; "
            "expected one of them. Remove one"
        )
    if {"valid_metric", "metrics", "topk"} <= values.keys():
        scored = [f"{metric}@{k}" for metric in values["metrics"] for k in values["topk"]]
        if values["valid_metric"] not in scored:
            problems.append(
                f"settings: 'valid_metric' is not computed, got {values['valid_metric']!r}; expected one of "
                f"{', '.join(scored)}. Change it, or 'metrics' and 'topk'"
            )
    if {"hidden_size", "n_heads"} <= values.keys() and values["hidden_size"] % values["n_heads"]:
        problems.append(
            f"settings: 'hidden_size' cannot be shared by the heads, got {values['hidden_size']} for "
            f"{values['n_heads']} heads; expected a multiple of 'n_heads'. Change one of them"
        )
    if {"mask_ratio", "MAX_ITEM_LIST_LENGTH"} <= values.keys():
        ratio, max_len = values["mask_ratio"], values["MAX_ITEM_LIST_LENGTH"]
        if int(ratio * max_len) < 1:
            problems.append(
                f"settings: 'mask_ratio' masks nothing, got {ratio} of {max_len} items; expected "
                "mask_ratio * MAX_ITEM_LIST_LENGTH >= 1. Raise one of them"
            )
    return problems


def _find_column_conflicts(values: Mapping[str, Any]) -> list[str]:
    """Columns that are needed and yet not to be read, or not to be used."""
    if not {option.name for option in DATA_OPTIONS} <= values.keys():
        return []
    ids = [values["USER_ID_FIELD"], values["ITEM_ID_FIELD"]]
    needed = list(dict.fromkeys([*ids, *filter(None, [values["TIME_FIELD"]]), *(values["val_interval"] or {})]))
    loaded, unloaded, unused = (values[name] for name in ("load_col", "unload_col", "unused_col"))
    lacking = {
        "load_col": [] if loaded is None else [column for column in needed if column not in loaded],
        "unload_col": [column for column in needed if column in (unloaded or ())],
        "unused_col": [column for column in ids if column in (unused or ())],
    }
    problems = [
        f"settings: {name!r} leaves out columns that are needed, got {values[name]!r}; expected {', '.join(columns)} "
        "to be there. Change it, or USER_ID_FIELD, ITEM_ID_FIELD, TIME_FIELD, val_interval"
        for name, columns in lacking.items()
        if columns
    ]
    if loaded and unloaded:
        problems.append(
            f"settings: 'unload_col' stands beside 'load_col', got {unloaded!r}; expected one of them. Remove one"
        )
    return problems
