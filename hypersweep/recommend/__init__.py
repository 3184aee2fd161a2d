"""The built-in runner `recommend`: sequential recommenders in torch, trained and scored as RecBole 1.2.1 does.

Light: torch, numpy and polars are imported by what `run` and `prepare` call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypersweep.recommend.models.catalog import CATALOG, find_models, find_options
from hypersweep.runner.contract import Key, LiveTrial
from hypersweep.trial import Params


def run(params: Params, trial: LiveTrial) -> Mapping[str, Any]:
    """Trains and scores one model; raises `SettingsError` for values that do not fit each other.

    Prints a line per epoch, reports the validation metrics after each validation with the number of epochs done.
    """
    from hypersweep.recommend.fitting import run_trial

    return run_trial(params, trial)


def prepare(settings: Mapping[str, Any]) -> Path:
    """Checks the fixed settings and returns the folder of the filtered and ordered data, made if it is not there.

    Raises `SettingsError` for all the settings that cannot be used, and `DataError` for the data.
    """
    from hypersweep.recommend.preparation import prepare_data

    return prepare_data(settings)


def keys(settings: Mapping[str, Any]) -> Sequence[Key]:
    """The keys of the model that the settings name, or of all of them if `model` is a list of names."""
    return [option.key for option in find_options(find_models(settings))]


run.keys = keys  # type: ignore[attr-defined]
run.prepare = prepare  # type: ignore[attr-defined]
run.preload = (  # type: ignore[attr-defined]
    "hypersweep.recommend.fitting",
    "torch._dynamo",  # imported by the first optimiser: two seconds of every trial
    *(entry.location.partition(":")[0] for entry in CATALOG.values()),
)
