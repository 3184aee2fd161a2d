"""Reading interactions: RecBole's atomic `.inter` files, MovieLens' `ratings.dat`, and CSV or TSV with a header, each
also compressed (`.gz`).

The only importer of polars here: `prepare` runs it in a process of its own, since polars starts threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hypersweep.errors import DataError, did_you_mean
from hypersweep.recommend.damage import find_damage
from hypersweep.recommend.filters import are_wanted
from hypersweep.recommend.interactions import Codes, Interactions, Numbers
from hypersweep.recommend.sources import find_format

_SEPARATORS = {".inter": "\t", ".dat": "::", ".csv": ",", ".tsv": "\t"}
_QUOTED = (".csv", ".tsv")
_NO_SEPARATOR = "\x01"  # stands in no text: a line is one column


def read_interactions(path: Path, settings: Mapping[str, Any]) -> Interactions:
    """The columns that the data settings need; raises `DataError` with the line of the first wrong value.

    Blank lines are skipped. An empty or malformed value is an error in any column that is read. Rows that
    `val_interval` excludes are left out already, if nothing comes before it: most of the work is with the others' ids.
    """
    user, item = settings["USER_ID_FIELD"], settings["ITEM_ID_FIELD"]
    wanted = settings["val_interval"] or {}
    text_fields = [field for field, values in wanted.items() if isinstance(values, list)]
    number_fields = [field for field in (settings["TIME_FIELD"], *wanted) if field and field not in text_fields]
    fields = list(dict.fromkeys([user, item, *number_fields, *text_fields]))
    table = _read_columns(path, fields, settings)
    num_read = table.height
    for field in (user, item):
        _check_values(path, table, field, table[field].is_null(), "empty", "an id")
    numbers = {}
    for field in dict.fromkeys(number_fields):
        numbers[field] = _read_numbers(path, table, field)
        if field not in (user, item):
            table = table.drop(field)  # its text is half of its memory
    listed = {field: table[field].is_in(wanted[field]).fill_null(False).to_numpy() for field in text_fields}
    if wanted and settings["rm_dup_inter"] is None:
        is_wanted = are_wanted(wanted, numbers, listed)
        table = table.filter(pl.Series(is_wanted))
        numbers = {field: column[is_wanted] for field, column in numbers.items()}
        listed = {field: column[is_wanted] for field, column in listed.items()}
    user_N, user_tokens = _encode(table, user)
    item_N, item_tokens = _encode(table, item)
    return Interactions(user_N, item_N, user_tokens, item_tokens, numbers, listed, num_read)


def _read_columns(path: Path, fields: Sequence[str], settings: Mapping[str, Any]) -> pl.DataFrame:
    """The fields as text, and the `line` of each row that is not blank. All columns are read, so that a row with too
    many is seen."""
    form = find_format(path)
    separator = _SEPARATORS[form] if form == ".dat" else settings["field_separator"] or _SEPARATORS[form]
    quote = '"' if form in _QUOTED else None
    if len(separator.encode()) == 1:
        table = _read_texts(path, separator, quote)
        table.columns = _clean_names(path, table.columns)
    else:
        table = _split_lines(path, separator, _movielens_names(settings) if form == ".dat" else None)
    _check_columns(path, fields, table.columns)
    line = pl.int_range(pl.len(), dtype=pl.UInt32).alias("line") + (1 if form == ".dat" else 2)
    table = table.select(line, *fields).filter(~pl.all_horizontal(pl.col(fields).is_null()))
    if not table.height:
        raise DataError(f"{path}: there are no rows; expected some below the header. Check the file")
    return table


def _movielens_names(settings: Mapping[str, Any]) -> list[str]:
    """The columns of `user::item::rating::time`, which has no header."""
    time = settings["TIME_FIELD"] or "timestamp"
    return [settings["USER_ID_FIELD"], settings["ITEM_ID_FIELD"], settings["RATING_FIELD"], time]


def _read_texts(path: Path, separator: str, quote: str | None, *, has_header: bool = True) -> pl.DataFrame:
    try:
        return pl.read_csv(
            path,
            separator=separator,
            has_header=has_header,
            quote_char=quote,
            infer_schema=False,
            raise_if_empty=True,
            glob=False,
        )
    except pl.exceptions.NoDataError as error:
        raise DataError(f"{path}: the file is empty; expected rows. Check the file") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        found = find_damage(path, separator, quote)
        where, what = found or (str(path), str(error).partition("\n")[0])
        raise DataError(
            f"{where}: the file cannot be read, {what}; expected UTF-8 text in columns separated by {separator!r}, as "
            "many in each line. Mend the file, or set field_separator"
        ) from error


def _split_lines(path: Path, separator: str, names: list[str] | None) -> pl.DataFrame:
    """Columns with a separator of several characters; the first line is the header unless there are names."""
    lines = _read_texts(path, _NO_SEPARATOR, None, has_header=False).to_series()
    is_header = names is None
    if names is None:
        names = _clean_names(path, (lines[0] or "").split(separator))
    num_found = lines.str.count_matches(separator, literal=True) + 1
    is_wrong = (num_found != len(names)).fill_null(False)  # null: a blank line
    if is_wrong.any():
        line = int(is_wrong.arg_max() or 0)
        raise DataError(
            f"{path}:{line + 1}: the line has {num_found[line]} columns, got {lines[line]!r}; expected {len(names)}, "
            f"separated by {separator!r}. Mend the line, or set field_separator"
        )
    columns = lines.slice(int(is_header)).str.splitn(separator, len(names)).struct.unnest()
    columns.columns = names
    return columns.with_columns(pl.all().replace("", None))


def _clean_names(path: Path, header: Sequence[str]) -> list[str]:
    """The names of a header without RecBole's types: `user_id:token` is `user_id`."""
    if any("\0" in name for name in header):
        raise DataError(f"{path}:1: the header is no UTF-8 text, got {header[0]!r}; expected it. Convert it with iconv")
    names = [name.strip().partition(":")[0] for name in header]
    if len(set(names)) < len(names):
        raise DataError(f"{path}:1: a column stands there twice, got {names!r}; expected each once. Rename one")
    return names


def _check_columns(path: Path, fields: Sequence[str], columns: Sequence[str]) -> None:
    missing = [field for field in fields if field not in columns]
    if missing:
        raise DataError(
            f"{path}:1: there is no column {missing[0]!r}, got {', '.join(columns)}; expected {', '.join(fields)}."
            f"{did_you_mean(missing[0], columns)} Set USER_ID_FIELD, ITEM_ID_FIELD, TIME_FIELD (null: the order of the "
            "file), val_interval or field_separator to what the file has"
        )


def _encode(table: pl.DataFrame, field: str) -> tuple[Codes, Sequence[str]]:
    """The column as codes 0, 1, … in the order of first appearance, and their tokens."""
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
