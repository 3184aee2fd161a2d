"""`prepare`: checks the settings, then reads, filters and orders the data, once for all trials and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypersweep.errors import DataError, SettingsError
from hypersweep.recommend.filters import Sequences, drop_duplicates, keep_core, keep_values, order_by_time
from hypersweep.recommend.interactions import Interactions
from hypersweep.recommend.models.catalog import CATALOG, find_models, find_options
from hypersweep.recommend.options import DATA_OPTIONS, EVALUATION_OPTIONS, find_conflicts, parse_settings
from hypersweep.recommend.prepared import find_folder, write_prepared
from hypersweep.recommend.sample import generate
from hypersweep.recommend.sources import FileSource, Source, find_source

# The source's identity stands for the first two; the others do not change what the prepared data holds.
_NOT_IN_KEY = ("dataset", "data_path", "load_col", "unload_col", "unused_col")
_ROWS_FOR_VALIDATION = 4


def prepare_data(settings: Mapping[str, Any]) -> Path:
    """See `hypersweep.recommend.prepare`. A second call with the same file and data settings writes nothing."""
    check_settings(settings)
    data_settings = parse_settings(DATA_OPTIONS, settings)
    source = find_source(data_settings["dataset"], data_settings["data_path"])
    relevant = {name: value for name, value in data_settings.items() if name not in _NOT_IN_KEY}
    content_key = {**source.identity, "settings": relevant}
    folder = find_folder(source.name, content_key)
    if not folder.is_dir():
        sequences = build_sequences(source, data_settings)
        description = {
            **content_key,
            "num_users": len(sequences.user_tokens),
            "num_items": len(sequences.item_tokens),
            "num_interactions": len(sequences.item_T),
        }
        write_prepared(folder, sequences, description)
    return folder


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises one `SettingsError` for every fixed setting that no trial could use.

    Settings that the space may still vary are compared with each other only where both are fixed; a model that is
    not named may be any.
    """
    models = find_models(settings) if "model" in settings else tuple(CATALOG.values())
    options = [option for option in find_options(models) if option.name in settings]
    compared = {option.name: option for option in (*EVALUATION_OPTIONS, *DATA_OPTIONS, *options)}
    values = parse_settings(compared.values(), settings)
    problems = find_conflicts(values)
    if problems:
        raise SettingsError.gather(problems)


def build_sequences(source: Source, settings: Mapping[str, Any]) -> Sequences:
    """The whole way from the source to every user's items in order; raises `DataError` if nothing is left."""
    rows = _read(source, settings)
    rows = drop_duplicates(rows, settings["rm_dup_inter"], settings["TIME_FIELD"])
    rows = keep_values(rows, settings["val_interval"])
    num_valued = len(rows)
    rows = keep_core(rows, settings["user_inter_num_interval"], settings["item_inter_num_interval"])
    where = source.path if isinstance(source, FileSource) else source.name
    if not len(rows):
        raise DataError(
            f"{where}: nothing is left after the filters, got {rows.num_read} rows, {num_valued} in val_interval, 0 in "
            "user_inter_num_interval and item_inter_num_interval; expected at least one. Widen the intervals"
        )
    sequences = order_by_time(rows, settings)
    longest = max(sequences.offset_U[1:] - sequences.offset_U[:-1])
    if longest < _ROWS_FOR_VALIDATION:
        raise DataError(
            f"{where}: there is nothing to validate on, got at most {longest} interactions a user; expected a user "
            f"with {_ROWS_FOR_VALIDATION} or more. Take more data, or widen the intervals"
        )
    return sequences


def _read(source: Source, settings: Mapping[str, Any]) -> Interactions:
    if not isinstance(source, FileSource):
        return generate(source.name, settings)
    from hypersweep.recommend.readers import read_interactions  # polars starts threads: only when it is needed

    return read_interactions(source.path, settings)
