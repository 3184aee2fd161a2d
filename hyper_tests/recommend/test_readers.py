from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import DataError
from hypersweep.recommend.interactions import Interactions
from hypersweep.recommend.options import DATA_OPTIONS, parse_settings
from hypersweep.recommend.readers import read_interactions

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nb\tx\t3\t20\na\tx\t4.5\t10\nb\ty\t1\t1e1\n"
DAT = "b::x::3::20\na::x::4.5::10\nb::y::1::10\n"
CSV = 'user_id,title,item_id,rating,timestamp\nb,"one, two",x,3,20\na,-,x,4.5,10\nb,-,y,1,10\n'


def read(tmp_path: Path, text: str | bytes, name: str = "d.inter", **settings: Any) -> Interactions:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_interactions(path, parse_settings(DATA_OPTIONS, settings))


def listed(rows: Interactions) -> list[tuple[object, ...]]:
    users = [rows.user_tokens[code] for code in rows.user_N]
    items = [rows.item_tokens[code] for code in rows.item_N]
    return list(zip(users, items, *(column.tolist() for column in rows.numbers.values()), strict=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.inter", INTER),
        ("d.inter", INTER.replace("\n", "\r\n")),
        ("d.inter", "\ufeff" + INTER),
        ("d.inter", INTER.rstrip()),
        ("d.inter", INTER + "\n\n"),
        ("ratings.dat", DAT),
        ("d.csv", CSV),
    ],
    ids=["inter", "crlf", "bom", "no newline at the end", "blank lines", "dat", "csv"],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    rows = read(tmp_path, text, name, val_interval={"rating": "[0,inf)"})
    assert listed(rows) == [("b", "x", 20.0, 3.0), ("a", "x", 10.0, 4.5), ("b", "y", 10.0, 1.0)]
    assert list(rows.user_tokens) == ["b", "a"]


def test_columns_that_are_not_needed_may_be_missing(tmp_path: Path) -> None:
    text = "item_id:token,who:token\nx,a\ny,a\n"
    rows = read(tmp_path, text, field_separator=",", USER_ID_FIELD="who", TIME_FIELD=None)
    assert listed(rows) == [("a", "x"), ("a", "y")]
    assert rows.numbers == {}


def test_ids_stay_texts(tmp_path: Path) -> None:
    text = "user_id\titem_id\ttimestamp\n01\tNA\t1\n1\tnull\t2\n"
    assert listed(read(tmp_path, text)) == [("01", "NA", 1.0), ("1", "null", 2.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INTER.replace("4.5", "4,5"), r"d\.inter:3: 'rating' is no number, got '4,5'; expected a finite number"),
        (INTER.replace("4.5", "inf"), r"d\.inter:3: 'rating' is no number, got 'inf'"),
        (INTER.replace("4.5", ""), r"d\.inter:3: 'rating' is no number, got ''"),
        (INTER.replace("1e1", "today"), r"d\.inter:4: 'timestamp' is no number, got 'today'"),
        (INTER.replace("\n", "\n\n", 2).replace("1e1", "?"), r"d\.inter:6: 'timestamp' is no number, got '\?'"),
        (INTER.replace("a\t", "\t"), r"d\.inter:3: 'user_id' is empty, got ''; expected an id"),
        (INTER.replace("b\t", "\t"), r"d\.inter:2: 'user_id' is empty, .*\(and 1 more like it\)"),
        (INTER.replace("b\ty\t1\t1e1", "b"), r"d\.inter:4: 'item_id' is empty"),
        (INTER + "a\tb\t1\t2\t3\n", r"d\.inter: the file cannot be read, .*; expected columns separated by '\\t'"),
        (INTER.replace("item_id", "itemid"), r"d\.inter:1: there is no column 'item_id', .* Did you mean 'itemid'\?"),
        (INTER.replace("item_id", "user_id"), r"d\.inter:1: a column stands there twice"),
        (INTER.replace("timestamp", "time"), r"no column 'timestamp', .*TIME_FIELD \(null: the order of the file\)"),
        (INTER.replace("rating", "stars"), r"no column 'rating', got user_id, item_id, stars, timestamp"),
        (INTER.replace("\t", ","), r"d\.inter:1: there is no column 'item_id', got user_id; .*field_separator"),
        ("", r"d\.inter: the file is empty"),
        (b"user_id\titem_id\ttimestamp\trating\n\xff\xfe\t1\t2\t3\n", r"d\.inter: the file cannot be read"),
    ],
)
def test_errors(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, val_interval={"rating": "[0,inf)"})


def test_a_ratings_file_of_another_shape(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ratings\.dat:1: the line has not four fields, got 3; expected user::item"):
        read(tmp_path, "1::2::3\n", "ratings.dat")
    with pytest.raises(DataError, match=r"ratings\.dat:2: 'timestamp' is no number, got 'x'"):
        read(tmp_path, "1::2::3::4\n1::2::3::x\n", "ratings.dat")
