"""The built-in runner `recommend`: sequential recommenders in torch, trained and scored as RecBole 1.2.1 does.

Light: torch, numpy and polars are imported by what `run` and `prepare` call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypersweep.recommend.capacity import count_fitting
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


def run_batch(batch: Sequence[tuple[Params, LiveTrial]]) -> Iterator[tuple[int, Any]]:
    """Trains several models of one shape as one; each comes to what it would alone, but for rounding."""
    from hypersweep.recommend.together import run_trials

    return run_trials(batch)


def batch_free(settings: Mapping[str, Any]) -> Sequence[str] | None:
    """What does not change the shape of a model, nor of its steps; None for a model that cannot be one of several, as
    compiled ones cannot."""
    models, compiled = find_models(settings), settings.get("compile")
    is_compiled = True in (compiled if isinstance(compiled, (list, tuple)) else (compiled,))
    if is_compiled or not all(entry.is_stackable for entry in models):
        return None
    return [option.name for option in find_options(models) if option.is_free]


def batch_size(settings: Mapping[str, Any], memory_bytes: int) -> int:
    """How many trials are trained together on a GPU of so much memory, as far as can be said before."""
    return count_fitting(settings, memory_bytes)


run.keys = keys  # type: ignore[attr-defined]
run.prepare = prepare  # type: ignore[attr-defined]
run.run_batch = run_batch  # type: ignore[attr-defined]
run.batch_free = batch_free  # type: ignore[attr-defined]
run.batch_size = batch_size  # type: ignore[attr-defined]
run.preload = (  # type: ignore[attr-defined]
    "hypersweep.recommend.together",
    *(entry.location.partition(":")[0] for entry in CATALOG.values()),
)
