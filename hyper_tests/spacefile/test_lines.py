"""The text of a space: what is read, what is refused and how that is told, what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypersweep.errors import SpaceError
from hypersweep.space import Choice, Distribution, Parameter, Space, Value
from hypersweep.spacefile import format_space, load_space, parse_space


def parse_one(line: str) -> Parameter:
    (parameter,) = parse_space(line).parameters
    return parameter


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("k choice [1, 2]", (1, 2)),
        ("k in [1, 2]", (1, 2)),
        ("k choice[1,2]", (1, 2)),
        ("k\tchoice \t[1,\t2]", (1, 2)),
        ("k   choice   [ 1 , 2 ]", (1, 2)),
        ("k choice [1， 2]", (1, 2)),
        ("k choice ['a，b']", ("a，b",)),
        ("k choice [1, 2] # a note, with 'quotes' and [brackets]", (1, 2)),
        ("k choice [1, 2]# a note", (1, 2)),
        ("k choice ['a # b', \"c#\"] # d", ("a # b", "c#")),
        ("k choice [1, 2]   \t", (1, 2)),
        ("k choice [1, 2]\r\n", (1, 2)),
        ("\ufeffk choice [1, 2]", (1, 2)),
        ("# a note\n \t\n  # another\nk choice [1, 2]\n\n", (1, 2)),
        ("k choice [1, 2,]", (1, 2)),
        ("k choice [1, 1.0, True, None, 5e-5, -1, +2, 1_000, 0x10]", (1, 1.0, True, None, 5e-5, -1, 2, 1000, 16)),
        ("k choice ['a b', \"it's\", 'x\\'y', '']", ("a b", "it's", "x'y", "")),
        (r"k choice ['\d', '\\', '\t']", (r"\d", "\\", "\t")),
        ("k choice ['[64, 64]', '[32,32]']", ("[64,64]", "[32,32]")),
        ("k choice [[64, 64], [32], []]", ((64, 64), (32,), ())),
        ("k choice [['a, b', [1]]]", (("a, b", (1,)),)),
        ("k choice ['\u2028', '\x0c', 'é', '日本']", ("\u2028", "\x0c", "é", "日本")),
    ],
)
def test_choices(line: str, values: tuple[Value, ...]) -> None:
    assert Space([parse_one(line)]) == Space([Choice("k", values)])


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("k uniform 0,1", (0, 1)),
        ("k uniform  -0.5， 1e-1 # note", (-0.5, 0.1)),
        ("k quniform 0,1,0.1", (0, 1, 0.1)),
        ("k loguniform -8,0", (-8, 0)),
        ("k qloguniform 0,3,1", (0, 3, 1)),
        ("k normal 0,1", (0, 1)),
        ("k qnormal 0,1,2", (0, 1, 2)),
        ("k lognormal 0,1", (0, 1)),
        ("k qlognormal 0,1,2", (0, 1, 2)),
        ("k randint 10", (10,)),
        ("k randint 5,10", (5, 10)),
        ("k uniformint 5,10", (5, 10)),
    ],
)
def test_distributions(line: str, arguments: tuple[float, ...]) -> None:
    assert parse_one(line) == Distribution("k", line.split()[1], arguments)


def test_parameters_keep_the_order_of_the_file() -> None:
    assert parse_space("b choice [1]\na choice [2]\nc uniform 0,1\n").names == ("b", "a", "c")


LINE_ERRORS = [
    (
        "k",
        r"too few words or blanks in front, got 'k'; expected a name, a kind and its arguments\. Write for example: ",
    ),
    ("k choice", r"too few words or blanks in front, got 'k choice'"),
    ("k [1, 2]", r"too few words or blanks in front, got 'k \[1, 2\]'"),
    (" k choice [1]", r"too few words or blanks in front, got ' k choice \[1\]'"),
    ("\x0c", r"too few words or blanks in front, got '\\x0c'"),
    ("1k choice [1]", r"'1k': no parameter name, got '1k'; expected letters, digits and _, no digit first\. Rename it"),
    ("a-b choice [1]", r"'a-b': no parameter name, got 'a-b'"),
    (
        "k unifrom 0,1",
        r"'k': unknown kind, got 'unifrom'; expected choice, uniform, .* Did you mean 'uniform'\? Use one",
    ),
    ("k CHOICE [1]", r"'k': unknown kind, got 'CHOICE'; expected choice, .* Did you mean 'choice'\?"),
    ("k xyz 1", r"'k': unknown kind, got 'xyz'; expected choice, .*, uniformint\. Use one of these"),
    ("k uniform0,1 2", r"'k': unknown kind, got 'uniform0,1'"),
    ("k choice 1,2", r"'k': no list of values, got '1,2'; expected \[v1, v2, …\]\. Put the values in brackets"),
    ("k choice []", r"'k': the list is empty, got '\[\]'; expected at least one value\. Add one"),
    ("k choice [1, 2", r"'k': the list cannot be read, got '\[1, 2'; expected \[v1, v2, …\]\. Close every bracket and"),
    ("k choice ['a]", r"'k': no value, got \"'a\"; expected"),
    ("k choice [1,,2]", r"'k': the list cannot be read"),
    ("k choice [1] [2]", r"'k': the list cannot be read"),
    ("k choice [1], [2]", r"'k': the list cannot be read"),
    ("k choice " + "[" * 300 + "]" * 300, r"'k': the list cannot be read"),
    ("k choice [adam]", r"'k': no value, got 'adam'; expected a number, True, False, None, a quoted string or a list"),
    ("k choice [1 2]", r"'k': no value, got '1 2'"),
    ("k choice ['a' 'b']", r"'k': no value, got \"'a' 'b'\""),
    ("k choice [r'a', b'b', f'c', u'd']", r"'k': no value, got \"r'a'\".*\n.*got \"b'b'\".*\n.*\"f'c'\".*\n.*\"u'd'\""),
    ("k choice ['''a''']", r"'k': no value, got \"'''a'''\""),
    ("k choice [(1, 2)]", r"'k': no value, got '\(1'.*\n.*got '2\)'"),
    ("k choice [{1}]", r"'k': no value, got '\{1\}'"),
    ("k choice [{'a': 1}]", r"'k': no value, got \"\{'a': 1\}\""),
    ("k choice [1+2j, 3j]", r"'k': no value, got '1\+2j'.*\n.*got '3j'"),
    ("k choice [1-2]", r"'k': no value, got '1-2'"),
    ("k choice [--1]", r"'k': no value, got '--1'"),
    ("k choice [1\r, 2]", r"'k': no value, got '1\\r'"),
    ("k choice [range(3)]", r"'k': no value, got 'range\(3\)'"),
    ("k choice [__import__('os').system('true')]", r"'k': no value, got \"__import__"),
    ("k choice [" + "9" * 5000 + "]", r"'k': no value, got '999"),
    ("k choice [0x" + "f" * 5000 + "]", r"'k': no value, got '0xfff"),
    ("k choice [1e999]", r"'k': a number is not finite, got inf"),
    ("k choice [1, 1]", r"'k': the value 1 stands in the list twice; expected each value once\. Remove one"),
    ("k choice [1, '1']", r"'k': the values 1 and '1' have the same text"),
    (r"k choice ['a\nb']", r"'k': the result log cannot carry the value, got 'a\\nb'"),
    ("k choice ['a, b:c']", r"'k': the result log cannot carry the value, got 'a, b:c'"),
    ("k uniform 0", r"'k': uniform has 1 arguments, got '0'; expected uniform low,high\. Mend the line"),
    ("k uniform 0,b", r"'k': no number, got 'b'; expected uniform low,high\. Write numbers with commas between them"),
    ("k uniform 0 1", r"'k': no number, got '0 1'"),
    ("k uniform [0,1]", r"'k': no number, got '\[0'.*\n.*got '1\]'"),
    ("k uniform 0,True", r"'k': no number, got 'True'"),
    ("k uniform 0,(1)", r"'k': no number, got '\(1\)'"),
    ("k uniform 1,0", r"'k': low >= high, got '1,0'"),
    ("k quniform 0,1,0", r"'k': q <= 0, got '0,1,0'"),
]


@pytest.mark.parametrize(("line", "message"), LINE_ERRORS, ids=[line[:40] for line, _ in LINE_ERRORS])
def test_what_is_wrong_with_a_line(line: str, message: str) -> None:
    with pytest.raises(SpaceError, match=rf"^some/hyper\.test:2: {message}"):
        parse_space(f"fine choice [1]\n{line}\n", "some/hyper.test")


def test_a_name_stands_once() -> None:
    message = r"^hyper\.test:3: the parameter stands in line 1 already, got 'k'; expected each name once\. Remove or"
    with pytest.raises(SpaceError, match=message):
        parse_space("k choice [1]\n\nk choice [2]\n")


def test_a_space_has_a_parameter() -> None:
    with pytest.raises(SpaceError, match=r"^x\.test: the space has no parameter; expected at least one\. Add a line: "):
        parse_space("# nothing\n", "x.test")


def test_all_that_is_wrong_is_told_together() -> None:
    with pytest.raises(SpaceError, match=r"^hyper\.test:1: ") as caught:
        parse_space("a choice []\nb choice [1, 1, x]\nfine choice [1]\nb unifrom 1,0\n1c chioce 1\n")
    places = [line.split(": ")[:2] for line in str(caught.value).split("\n")]
    assert places == [
        ["hyper.test:1", "'a'"],
        ["hyper.test:2", "'b'"],
        ["hyper.test:4", "'b'"],
        [
            "hyper.test:4",
            "the parameter stands in line 2 already, got 'b'; expected each name once. Remove or rename one",
        ],
        ["hyper.test:5", "'1c'"],
        ["hyper.test:5", "'1c'"],
    ]


def test_format() -> None:
    space = Space(
        [
            Choice("lr", (5e-5, 1, 1.0, True, None, -0.0)),
            Choice("size", ((64, 64), (32,), (), "[64, 64]", "it's # a，b\\")),
            Distribution("drop", "quniform", (0, 0.5, 1e-05)),
        ]
    )
    text = format_space(space)
    assert text == (
        "lr choice [5e-05, 1, 1.0, True, None, -0.0]\n"
        "size choice [[64, 64], [32], [], '[64,64]', \"it's # a，b\\\\\"]\n"
        "drop quniform 0,0.5,1e-05\n"
    )
    assert parse_space(text) == space


def test_load(tmp_path: Path) -> None:
    path = tmp_path / "hyper.test"
    path.write_bytes("\ufeffk choice ['é']\r\n".encode())
    assert load_space(path) == load_space(str(path)) == Space([Choice("k", ("é",))])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"a choice [1]\nb choice ['\xff']\n",
            r":2: no UTF-8 text, got b'\\xff'; expected UTF-8\. Save the file with that",
        ),
        (b"a choice [1]\n\n\0\n", r":3: a NUL byte; expected text\. Check that it is the right file$"),
        (b"k choice []\n", r":1: 'k': the list is empty"),
        (b"", r": the space has no parameter"),
    ],
)
def test_files_that_hold_no_space(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "hyper.test").write_bytes(content)
    with pytest.raises(SpaceError, match=r"hyper\.test" + message):
        load_space(tmp_path / "hyper.test")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError, match=r"nowhere\.test: there is no such file; expected a text file\. Check the path, or"
    ):
        load_space(tmp_path / "nowhere.test")
    with pytest.raises(SpaceError, match=r": cannot be read \(Is a directory\); expected a text file\. Check the path"):
        load_space(tmp_path)
    with pytest.raises(SpaceError, match=r"cannot be read \(embedded null byte\); expected a text file"):
        load_space("a\0b")
