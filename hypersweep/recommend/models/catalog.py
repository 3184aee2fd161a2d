"""The models that are built, by RecBole's names, with their options. A new model is a file and an entry here.

Light: the standard library only; a model's class is imported when a trial needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypersweep.errors import SettingsError, did_you_mean
from hypersweep.recommend import option_kinds as kinds
from hypersweep.recommend.options import (
    DATA_OPTIONS,
    EVALUATION_OPTIONS,
    MODEL_OPTIONS,
    TRAINING_OPTIONS,
    Option,
)
from hypersweep.recommend.recbole_keys import REFUSED, WITHOUT_EFFECT

DEFAULT_MODEL = "LightSANs"


@dataclass(frozen=True)
class CatalogEntry:
    """`location` is `module:class`; the class takes every option that has an effect as a keyword argument.
    `is_stackable`: several such models can be computed by one call (see `stack`)."""

    name: str
    location: str
    options: tuple[Option, ...]
    is_stackable: bool = True


def _transformer_options(*, dropout: float) -> tuple[Option, ...]:
    return (
        Option("n_layers", 2, kinds.whole(1), "number of layers"),
        Option("n_heads", 2, kinds.whole(1), "number of attention heads; divides hidden_size"),
        Option("hidden_size", 64, kinds.whole(1), "size of the item vectors and of every layer's output"),
        Option("inner_size", 256, kinds.whole(1), "inner size of the feed-forward layers"),
        Option(
            "hidden_dropout_prob", dropout, kinds.DROPOUT, "dropout of inputs and of every layer's output", is_free=True
        ),
        Option("attn_dropout_prob", dropout, kinds.DROPOUT, "dropout of the attention weights", is_free=True),
        Option("hidden_act", "gelu", kinds.one_of("gelu", "relu", "swish", "tanh", "sigmoid"), "activation"),
        Option("layer_norm_eps", 1e-12, kinds.POSITIVE, "epsilon of the layer norms"),
        Option(
            "initializer_range", 0.02, kinds.NOT_NEGATIVE, "standard deviation of the initial weights", is_free=True
        ),
        Option("embedding_size", None, kinds.ANYTHING, "hidden_size is what counts", has_effect=False),
    )


CATALOG: Mapping[str, CatalogEntry] = {
    entry.name: entry
    for entry in (
        CatalogEntry(
            "LightSANs",
            "hypersweep.recommend.models.lightsans:LightSANs",
            (
                Option("k_interests", 5, kinds.whole(1), "number of latent interests that a history is pooled into"),
                *_transformer_options(dropout=0.5),
            ),
        ),
        CatalogEntry(
            "BERT4Rec",
            "hypersweep.recommend.models.bert4rec:BERT4Rec",
            (
                Option("mask_ratio", 0.2, kinds.RATIO, "probability that an item of a training history is masked"),
                Option("ft_ratio", 0.5, kinds.PROBABILITY, "probability that a batch masks only the last items"),
                *_transformer_options(dropout=0.2),
            ),
        ),
        CatalogEntry("SASRec", "hypersweep.recommend.models.sasrec:SASRec", _transformer_options(dropout=0.5)),
        CatalogEntry(
            "GRU4Rec",
            "hypersweep.recommend.models.gru4rec:GRU4Rec",
            (
                Option("embedding_size", 64, kinds.whole(1), "size of the item vectors"),
                Option("hidden_size", 128, kinds.whole(1), "size of the GRU's state"),
                Option("num_layers", 1, kinds.whole(1), "number of layers of the GRU"),
                Option("dropout_prob", 0.3, kinds.DROPOUT, "dropout of the item vectors"),
            ),
            is_stackable=False,  # torch.vmap does not take torch's GRU
        ),
    )
}

_MODEL_OPTION = Option("model", DEFAULT_MODEL, kinds.one_of(*CATALOG), "the model")


def find_models(settings: Mapping[str, Any]) -> Sequence[CatalogEntry]:
    """The model that the settings name (LightSANs by default), or the models if they hold a list.

    Raises `SettingsError` for a name that is not in the catalog.
    """
    named = settings.get("model", DEFAULT_MODEL)
    entries = []
    for name in named if isinstance(named, (list, tuple)) else (named,):
        if not isinstance(name, str) or name not in CATALOG:
            raise SettingsError(
                f"settings: 'model' is unknown, got {name!r}; expected {' or '.join(CATALOG)}."
                f"{did_you_mean(str(name), CATALOG)} Change it"
            )
        entries.append(CATALOG[name])
    return entries


def find_options(models: Sequence[CatalogEntry]) -> Sequence[Option]:
    """All that can be set for the models, each name once; what has an effect on one of them has one."""
    own = [option for entry in models for option in entry.options]
    options = [_MODEL_OPTION, *own, *MODEL_OPTIONS, *TRAINING_OPTIONS, *EVALUATION_OPTIONS, *DATA_OPTIONS]
    merged: dict[str, Option] = {}
    for option in (*options, *REFUSED, *WITHOUT_EFFECT):
        if option.has_effect or option.name not in merged:
            merged[option.name] = option
    return list(merged.values())
