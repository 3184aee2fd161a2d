"""Reading interactions: RecBole's atomic `.inter` files, MovieLens' `ratings.dat`, and CSV with a header.

The only importer of polars here: `prepare` runs it in a process of its own, since polars starts threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hypersweep.errors import DataError, did_you_mean
from hypersweep.recommend.interactions import Codes, Interactions, Numbers


def read_interactions(path: Path, settings: Mapping[str, Any]) -> Interactions:
    """The columns that the data settings need; raises `DataError` with the line of the first wrong value.

    Blank lines are skipped. An empty or malformed value is an error in any column that is read.
    """
    user, item, time = settings["USER_ID_FIELD"], settings["ITEM_ID_FIELD"], settings["TIME_FIELD"]
    number_fields = list(dict.fromkeys([*([time] if time else []), *(settings["val_interval"] or {})]))
    fields = list(dict.fromkeys([user, item, *number_fields]))
    table = _read_movielens(path, settings) if path.suffix == ".dat" else _read_delimited(path, settings)
    _check_columns(path, fields, table.columns)
    is_first_line_data = path.suffix == ".dat"
    table = table.select(fields).with_row_index("line", offset=1 if is_first_line_data else 2)
    table = table.filter(~pl.all_horizontal(pl.col(fields).is_null()))
    user_N, user_tokens = _encode(path, table, user)
    item_N, item_tokens = _encode(path, table, item)
    numbers = {field: _read_numbers(path, table, field) for field in number_fields}
    return Interactions(user_N, item_N, user_tokens, item_tokens, numbers)


def _read_delimited(path: Path, settings: Mapping[str, Any]) -> pl.DataFrame:
    """All columns as text, named without their types (`user_id:token` is `user_id`)."""
    separator = settings["field_separator"] or ("," if path.suffix == ".csv" else "\t")
    table = _read_texts(path, separator, has_header=True, quote='"' if path.suffix == ".csv" else None)
    names = [name.strip().partition(":")[0] for name in table.columns]
    if len(set(names)) < len(names):
        raise DataError(f"{path}:1: a column stands there twice, got {names!r}; expected each once. Rename one")
    table.columns = names
    return table


def _read_movielens(path: Path, settings: Mapping[str, Any]) -> pl.DataFrame:
    """`user::item::rating::time`: with the separator `:`, every other column is empty."""
    table = _read_texts(path, ":", has_header=False, quote=None)
    if table.width != 7:
        raise DataError(
            f"{path}:1: the line has not four fields, got {table.width // 2 + 1}; expected user::item::rating::time. "
            "Check the file"
        )
    table = table.select(table.columns[::2])
    table.columns = [
        settings["USER_ID_FIELD"],
        settings["ITEM_ID_FIELD"],
        settings["RATING_FIELD"],
        settings["TIME_FIELD"] or "timestamp",
    ]
    return table


def _read_texts(path: Path, separator: str, *, has_header: bool, quote: str | None) -> pl.DataFrame:
    try:
        return pl.read_csv(
            path, separator=separator, has_header=has_header, quote_char=quote, infer_schema=False, raise_if_empty=True
        )
    except pl.exceptions.NoDataError as error:
        raise DataError(f"{path}: the file is empty; expected a header and rows. Check the file") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path}: the file cannot be read, {str(error).splitlines()[0]}; expected columns separated by "
            f"{separator!r}, as many in each line. Check the file, or set field_separator"
        ) from error


def _check_columns(path: Path, fields: Sequence[str], columns: Sequence[str]) -> None:
    missing = [field for field in fields if field not in columns]
    if missing:
        raise DataError(
            f"{path}:1: there is no column {missing[0]!r}, got {', '.join(columns)}; expected {', '.join(fields)}."
            f"{did_you_mean(missing[0], columns)} Set USER_ID_FIELD, ITEM_ID_FIELD, TIME_FIELD (null: the order of the "
            "file), val_interval or field_separator to what the file has"
        )


def _encode(path: Path, table: pl.DataFrame, field: str) -> tuple[Codes, Sequence[str]]:
    """The column as codes 0, 1, … in the order of first appearance, and their tokens."""
    _check_values(path, table, field, table[field].is_null(), "empty", "an id")
    tokens = table.select(pl.col(field).unique(maintain_order=True)).with_row_index("code")
    coded = table.select(field).join(tokens, on=field, how="left", maintain_order="left")
    return coded["code"].to_numpy().astype(np.int64), tokens[field].to_list()


def _read_numbers(path: Path, table: pl.DataFrame, field: str) -> Numbers:
    numbers = table[field].str.strip_chars().cast(pl.Float64, strict=False)
    is_wrong = numbers.is_null() | ~numbers.is_finite().fill_null(False)
    _check_values(path, table, field, is_wrong, "no number", "a finite number")
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def _check_values(path: Path, table: pl.DataFrame, field: str, is_wrong: pl.Series, what: str, expected: str) -> None:
    if is_wrong.any():
        line, value = table.filter(is_wrong).select("line", field).row(0)
        count = int(is_wrong.sum())
        raise DataError(
            f"{path}:{line}: {field!r} is {what}, got {value or ''!r}; expected {expected}. Mend the line"
            + (f" (and {count - 1} more like it)" if count > 1 else "")
        )
