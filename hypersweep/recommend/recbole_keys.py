"""RecBole's other settings, so that its files work unchanged: those without effect here, and those that are refused
unless they have the one value that is built.

Where the value of a setting changes no number of the models that are built, it is without effect. Light: the standard
library only.
"""

from __future__ import annotations

from hypersweep.recommend import option_kinds as kinds
from hypersweep.recommend.options import Option

_WITHOUT_EFFECT = (
    # where it runs: hypersweep's own options say it
    *("gpu_id", "use_gpu", "worker", "ip", "port", "offset", "local_rank"),
    # what it prints and keeps: the trial's log and folder
    *("state", "show_progress", "verbose", "log_wandb", "wandb_project", "config_file", "checkpoint_dir"),
    *("save_dataset", "dataset_save_path", "save_dataloaders", "dataloaders_save_path"),
    "reproducibility",  # always
    # of gradient scaling, and of a loss that other models use
    *("enable_scaler", "require_pow"),
    # features besides users, items and times, which these models do not use
    *("seq_separator", "seq_len", "numerical_features", "additional_feat_suffix", "preload_weight"),
    "filter_inter_by_user_or_item",
    # labels and negative samples
    *("LABEL_FIELD", "threshold", "NEG_PREFIX"),
    # names of columns that RecBole adds
    *("ITEM_LIST_LENGTH_FIELD", "LIST_SUFFIX", "POSITION_FIELD"),
    # knowledge graphs
    *("HEAD_ENTITY_ID_FIELD", "TAIL_ENTITY_ID_FIELD", "RELATION_ID_FIELD", "ENTITY_ID_FIELD", "kg_reverse_r"),
    *("entity_kg_num_interval", "relation_kg_num_interval", "alias_of_entity_id", "alias_of_relation_id"),
)

WITHOUT_EFFECT = tuple(
    Option(name, None, kinds.ANYTHING, "RecBole's, without effect here", has_effect=False) for name in _WITHOUT_EFFECT
)

REFUSED = (
    Option(
        "valid_metric_bigger", True, kinds.only(True, "of these metrics bigger is better"), "direction of the score"
    ),
    Option("nproc", 1, kinds.only(1, "a trial runs in one process"), "processes of a trial"),
    Option("world_size", -1, kinds.one_of(-1, 1), "processes of a trial"),
    Option("neg_sampling", None, kinds.unset("RecBole's old name of train_neg_sample_args"), "negative sampling"),
    Option("training_neg_sample_num", None, kinds.unset("as neg_sampling"), "negative sampling"),
    Option("alias_of_user_id", None, kinds.unset("only USER_ID_FIELD numbers users"), "other columns of users"),
    Option("alias_of_item_id", None, kinds.unset("only ITEM_ID_FIELD numbers items"), "other columns of items"),
    Option("discretization", None, kinds.unset("columns are not discretized"), "discretization of columns"),
    Option("benchmark_filename", None, kinds.unset("data that is split already is not read"), "split data files"),
)
