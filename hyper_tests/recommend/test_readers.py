from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("d.tsv", CSV.replace(",", "\t")),
    ],
    ids=["inter", "crlf", "bom", "no newline at the end", "blank lines", "dat", "csv", "tsv"],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_formats(tmp_path: Path, name: str, text: str, end: str) -> None:
    content = gzip.compress(text.encode()) if end else text
    rows = read(tmp_path, content, name + end, val_interval={"rating": "[0,inf)"})
    assert rows.num_read == 3
    assert listed(rows) == [("b", "x", 20.0, 3.0), ("a", "x", 10.0, 4.5), ("b", "y", 10.0, 1.0)]
    assert list(rows.user_tokens) == ["b", "a"]


@pytest.mark.parametrize("separator", [";", "|", " ", "::", "||", "§", " , "])
def test_any_separator(tmp_path: Path, separator: str) -> None:
    for name in ("d.inter", "d.csv"):
        text = INTER.replace("\t", separator).replace("\n", "\n\n", 1)
        rows = read(tmp_path, text, name, field_separator=separator, val_interval={"rating": "[0,inf)"})
        assert listed(rows) == [("b", "x", 20.0, 3.0), ("a", "x", 10.0, 4.5), ("b", "y", 10.0, 1.0)]


def test_columns_that_are_not_needed_may_be_missing(tmp_path: Path) -> None:
    text = "item_id:token,who:token\nx,a\ny,a\n"
    rows = read(tmp_path, text, field_separator=",", USER_ID_FIELD="who", TIME_FIELD=None)
    assert listed(rows) == [("a", "x"), ("a", "y")]
    assert rows.numbers == {}


def test_ids_stay_texts(tmp_path: Path) -> None:
    text = "user_id\titem_id\ttimestamp\n01\tNA\t1\n1\tnull\t2\n"
    assert listed(read(tmp_path, text)) == [("01", "NA", 1.0), ("1", "null", 2.0)]


def test_rows_outside_the_intervals_are_left_out_before_ids_are_numbered(tmp_path: Path) -> None:
    rows = read(tmp_path, INTER, val_interval={"rating": "[4,inf)"})
    assert (listed(rows), list(rows.user_tokens), rows.num_read) == ([("a", "x", 10.0, 4.5)], ["a"], 3)


def test_duplicates_are_dropped_before_the_intervals(tmp_path: Path) -> None:
    """RecBole's order: of two equal pairs the first stays, and may then lie outside."""
    assert len(read(tmp_path, INTER, val_interval={"rating": "[4,inf)"}, rm_dup_inter="first")) == 3


def test_tokens_in_val_interval(tmp_path: Path) -> None:
    text = "user_id\titem_id\ttimestamp\tgenre\na\tx\t1\tsf\nb\tx\t1\t\nc\tx\t1\tcrime\n"
    rows = read(tmp_path, text, val_interval={"genre": ["sf", "noir"], "item_id": ["x"]})
    assert listed(rows) == [("a", "x", 1.0)]
    rows = read(tmp_path, text, val_interval={"genre": ["sf", "noir"]}, rm_dup_inter="last")
    assert rows.listed["genre"].tolist() == [True, False, False]


LINES = st.lists(
    st.tuples(*(st.text("ab1 é", min_size=1, max_size=3) for _ in range(2)), st.integers(0, 99)), min_size=1
)


@given(LINES)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, int]]) -> None:
    text = "\n".join(["user_id,item_id,timestamp", *(f"{user},{item},{time}" for user, item, time in lines)])
    rows = read(tmp_path_factory.mktemp("read"), text, "d.csv")
    assert listed(rows) == lines
    firsts = [list(dict.fromkeys(line[place] for line in lines)) for place in (0, 1)]
    assert [list(rows.user_tokens), list(rows.item_tokens)] == firsts


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
        (INTER + "a\tb\t1\t2\t3\n", r"d\.inter:5: .*read, 5 columns after 4 in .*; expected .* separated by '\\t'"),
        (INTER.replace("item_id", "itemid"), r"d\.inter:1: there is no column 'item_id', .* Did you mean 'itemid'\?"),
        (INTER.replace("item_id", "user_id"), r"d\.inter:1: a column stands there twice"),
        (INTER.replace("timestamp", "time"), r"no column 'timestamp', .*TIME_FIELD \(null: the order of the file\)"),
        (INTER.replace("rating", "stars"), r"no column 'rating', got user_id, item_id, stars, timestamp"),
        (INTER.replace("\t", ","), r"d\.inter:1: there is no column 'item_id', got user_id; .*field_separator"),
        ("", r"d\.inter: the file is empty"),
        (
            b"user_id\titem_id\ttimestamp\trating\n\xff\xfe\t1\t2\t3\n",
            r"d\.inter:2: .* byte 0xff is no UTF-8; expected",
        ),
        (INTER.encode("utf-16"), r"d\.inter:1: the header is no UTF-8 text, .*; expected it\. Convert it with iconv"),
        (INTER.splitlines()[0] + "\n\n", r"d\.inter: there are no rows; expected some below the header"),
        (INTER.replace("\n", "\r"), r"d\.inter: there are no rows"),
    ],
)
def test_errors(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, val_interval={"rating": "[0,inf)"})


def test_a_ratings_file_of_another_shape(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"ratings\.dat:1: the line has 3 columns, got '1::2::3'; expected 4, separated"
    ):
        read(tmp_path, "1::2::3\n", "ratings.dat")
    with pytest.raises(DataError, match=r"ratings\.dat:3: the line has 5 columns, got '1::2::3::4::5'"):
        read(tmp_path, "1::2::3::4\n\n1::2::3::4::5\n", "ratings.dat")
    with pytest.raises(DataError, match=r"ratings\.dat:2: 'timestamp' is no number, got 'x'"):
        read(tmp_path, "1::2::3::4\n1::2::3::x\n", "ratings.dat")
    with pytest.raises(DataError, match=r"ratings\.dat:1: 'user_id' is empty"):
        read(tmp_path, "::2::3::4\n", "ratings.dat")


def test_a_csv_file_with_a_quote_that_is_not_closed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.csv: the file cannot be read, "):
        read(tmp_path, CSV.replace('two"', "two"), "d.csv")


def test_a_row_with_too_many_columns_behind_quotes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.csv: the file cannot be read, found more fields"):
        read(tmp_path, CSV + "a,b,c,1,2,3\n", "d.csv")


def test_a_compressed_file_that_is_cut_short(tmp_path: Path) -> None:
    content = gzip.compress((INTER * 500).encode())
    with pytest.raises(DataError, match=r"d\.inter\.gz:[0-9]+: the file cannot be read, .*end-of-stream"):
        read(tmp_path, content[:-20], "d.inter.gz")
