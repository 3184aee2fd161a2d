"""A space as YAML: what is read, what is refused and how that is told, what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypersweep.errors import SpaceError
from hypersweep.space import Choice, Distribution, Parameter, Range, Space, Value
from hypersweep.spacefile import (
    describe_parameter,
    find_places,
    format_document,
    format_space,
    load_space,
    parse_space,
)


def parse(text: str) -> Space:
    return parse_space(f"parameters:\n{text}", "some/space.yaml")


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ("[1, 2]", (1, 2)),
        ("\n  - 1\n  - 2", (1, 2)),
        ("{choice: [1, 2]}", (1, 2)),
        ("[1.0, 1e-3, .5, 1.5e3, -2]", (1.0, 0.001, 0.5, 1500.0, -2)),
        ("[true, False, null, ~]", (True, False, None)),
        ("[adam, 'a b', \"c, d\", 'no', '1']", ("adam", "a b", "c, d", "no", "1")),
        ("[[64, 64], [], [[1], x]]", ((64, 64), (), ((1,), "x"))),
        ("['[64, 64]']", ("[64,64]",)),
        ("[é，ü]", ("é，ü",)),
        ("[2020-01-01]", ("2020-01-01",)),
        ("&all [1, 2]", (1, 2)),
    ],
)
def test_values(entry: str, values: tuple[Value, ...]) -> None:
    if "~" in entry:
        with pytest.raises(SpaceError, match="the value None stands in the list twice"):
            parse(f"  k: {entry}\n")
    else:
        assert repr(parse(f"  k: {entry}\n").parameters) == repr((Choice("k", values),))


@pytest.mark.parametrize(
    ("entry", "parameter"),
    [
        ("{int: [1, 8]}", Range("k", 1, 8)),
        ("{int: [16, 64], step: 16}", Range("k", 16, 64, 16)),
        ("{logint: [1, 1000]}", Range("k", 1, 1000, is_log=True)),
        ("{uniform: [0, 0.5], step: 0.1}", Range("k", 0.0, 0.5, 0.1)),
        ("{uniform: [0, 5], step: 1}", Range("k", 0.0, 5.0, 1.0)),
        ("{uniform: [0, 0.5]}", Distribution("k", "uniform", (0, 0.5))),
        ("{log: [1e-5, 1e-2]}", Distribution("k", "log", (1e-5, 1e-2))),
        ("{loguniform: [-8, 0]}", Distribution("k", "loguniform", (-8, 0))),
        ("{quniform: [0, 1, 0.1]}", Distribution("k", "quniform", (0, 1, 0.1))),
        ("{randint: 10}", Distribution("k", "randint", (10,))),
        ("{randint: [10]}", Distribution("k", "randint", (10,))),
        ("\n    normal: [0, 1]\n    only_if: a == 1", Distribution("k", "normal", (0, 1), "a == 1")),
        ("{choice: [1, 2], only_if: a == 1}", Choice("k", (1, 2), "a == 1")),
        ("{only_if: 'a in [1, 2]', int: [1, 2]}", Range("k", 1, 2, only_if="a in [1, 2]")),
        ("{<<: {int: [1, 2]}, only_if: a == 1}", Range("k", 1, 2, only_if="a == 1")),
    ],
)
def test_kinds(entry: str, parameter: Parameter) -> None:
    assert parse(f"  a: [1, 2]\n  k: {entry}\n").parameters[1] == parameter


def test_rules() -> None:
    text = "  a: [1, 2]\n  b: [1, 2]\nconstraints:\n  - a + b > 2\nforbidden:\n  - a == b\n  - 'a in [1]'\n"
    assert parse(text) == Space(
        [Choice("a", (1, 2)), Choice("b", (1, 2))], constraints=["a + b > 2"], forbidden=["a == b", "a in [1]"]
    )


PARAMETER_ERRORS = [
    (
        "5",
        r"3: 'k': no parameter, got 5; expected a list of values, or one kind such as \{log: \[1e-5, 1e-2\]\}\. Write",
    ),
    ("", r"3: 'k': no parameter, got None"),
    ("{}", r"3: 'k': no parameter, got \{\}"),
    ("{only_if: a == 1}", r"3: 'k': no parameter, got \{'only_if': 'a == 1'\}"),
    ("{int: [1, 2], log: [1, 2]}", r"3: 'k': no parameter, got the keys int, log; expected"),
    (
        "{choic: [1, 2]}",
        r"3: 'k': unknown kind, got 'choic'; expected choice, int, .*\. Did you mean 'choice'\? Use one",
    ),
    (
        "\n    choice:\n      5",
        r"5: 'k': no list of values, got 5; expected \[v1, v2, …\]\. Put the values in brackets",
    ),
    ("[]", r"3: 'k': the list of values is empty; expected at least one\. Add a value"),
    ("\n    - 1\n    - {a: 1}", r"4: 'k': \{'a': 1\} is no number, True, False, None, string or list of these"),
    ("[1, 1]", r"3: 'k': the value 1 stands in the list twice"),
    ("[1, '1']", r"3: 'k': the values 1 and '1' have the same text"),
    ("[.inf]", r"3: a number that is not finite, got '\.inf'"),
    (
        "\n  - on\n  - [No]",
        r"4: 'k': YAML takes the value for another, got on; .* 'on' in quotes\. .*\n.*:5: .*got No;",
    ),
    ("[None]", r"3: 'k': YAML takes the value for another, got None; expected true, false, null, or 'None' in quotes"),
    ("[!!python/object:os.system x]", r"3: no plain value, got '?!!?python/object:os.system|no plain value"),
    ("{int: [1.5, 8]}", r"3: 'k': int takes whole numbers, got 1\.5, 8; expected some\. Write them, or use uniform"),
    ("{int: [1, 8], step: 0.5}", r"3: 'k': int takes whole numbers"),
    ("{int: 3}", r"3: 'k': int has 1 bounds; expected two: int: \[low, high\]\. Mend the list"),
    ("{int: [1, 8], step: 3}", r"3: 'k': the steps miss the upper bound, got 1 to 8 by 3; expected one such as 7"),
    ("{int: [8, 1]}", r"3: 'k': low >= high, got 8 to 1 by 1"),
    ("{uniform: [0, 1], step: 0}", r"3: 'k': step <= 0"),
    ("{uniform: [0, 1, 2], step: 1}", r"3: 'k': uniform has 3 bounds"),
    ("{log: [0, 1]}", r"3: 'k': low <= 0, got '0,1'"),
    ("{log: [1, 2], step: 1}", r"3: 'k': a step of log, got 1; expected one with int or uniform only\. Remove it"),
    ("{log: [1e-5]}", r"3: 'k': log has 1 arguments, got '1e-05'; expected log low,high"),
    ("{logint: [0, 8]}", r"3: 'k': no positive whole numbers, got 0 to 8 by 1"),
    ("{uniform: [0, a]}", r"3: 'k': no number, got 'a'; expected uniform: \[low, high\]\. Write a number"),
    ("{quniform: [0, true, 1]}", r"3: 'k': no number, got True; expected quniform: \[low, high, q\]"),
    ("{int: [1, 2], only_if: true}", r"3: only_if of k: no rule, got True; expected one such as optimizer == 'sgd'"),
    ("{int: [1, 2], only_if: a = 1}", r"3:(\d+:)? only_if of k: a = 1: no expression"),
    (
        "{int: [1, 2], only_if: b == 1}",
        r"3:29: only_if of k: b == 1: no parameter, got 'b'; expected one of a\. Rename it",
    ),
    (
        "{int: [1, 2], only_if: k == 1}",
        r"3:29: only_if of k: k == 1: no parameter, got 'k'; expected one of a\. Rename it",
    ),
    ('{int: [1, 2], only_if: "a == x"}', r"3:35: only_if of k: a == x: no parameter, got 'x'"),
    ("{int: [1, 2], only_if: a == 1 and\n     x == 2}", r"3: only_if of k: a == 1 and x == 2: no parameter, got 'x'"),
    ("{int: [1, 2], only_if: a}", r"3: only_if of k: a: no truth value, got 1; .* \(a:1\)"),
    ("{int: [1, 2], int: [1, 2]}", r"3: a key stands there twice, got 'int'"),
]


@pytest.mark.parametrize(("entry", "message"), PARAMETER_ERRORS, ids=[entry[:30] for entry, _ in PARAMETER_ERRORS])
def test_what_is_wrong_with_a_parameter(entry: str, message: str) -> None:
    with pytest.raises(SpaceError, match=rf"^some/space\.yaml:{message}"):
        parse(f"  a: [1, 2]\n  k: {entry}\n")


FILE_ERRORS = [
    (
        "",
        r":1: no space, got None; expected the key parameters, and perhaps constraints and forbidden\. Write",
    ),
    ("- a\n", r":1: no space, got \['a'\]"),
    (
        "epochs: 3\n",
        r":1: unknown key, got 'epochs'; .*\. Put parameters below parameters:\n.*:1: no parameters, got the",
    ),
    ("parameter:\n  a: [1]\n", r":1: unknown key, got 'parameter'; .*\. Did you mean 'parameters'\?"),
    (
        "parameters:\n",
        r":1: no parameters, got None; expected one a line: learning_rate: \[0\.001, 0\.003\]\. Write some",
    ),
    ("parameters: [a]\n", r":1: no parameters, got \['a'\]"),
    ("parameters: {a: [1], a: [2]}\n", r":1: a key stands there twice, got 'a'"),
    (
        "parameters:\n  a: [1]\n  1a: [1]\n",
        r":3: no parameter name, got '1a'; expected letters, digits and _, no digit",
    ),
    ("parameters:\n  a: [1]\n  on: [1]\n", r":3: a key that is no text, got 'on'; expected text\. Quote it"),
    ("parameters:\n  a: [1\n", r":2: no YAML \("),
    ("parameters:\n  a: &a [*a]\n", r":2: nested too deeply, too large, or an alias of itself"),
    (
        "parameters:\n  a: [1]\nforbidden: a == 1\n",
        r":3: no list of rules, got 'a == 1'; expected one a line: - hidden",
    ),
    ("parameters:\n  a: [1]\nforbidden:\n  - 1\n", r":4: forbidden: no rule, got 1"),
    ("parameters:\n  a: [1]\nforbidden:\n  - {a: 1}\n", r":4: forbidden: no rule, got \{'a': 1\}"),
    ("parameters:\n  a: [1]\nforbidden:\n  - f(a)\n", r":4:5: forbidden: f\(a\): has a call, got 'f\(a\)'"),
    (
        "parameters:\n  a: [1]\nforbidden:\n  - >\n    a == 1\n    and f(a)\n",
        r":4: forbidden: a == 1 and f\(a\): has a call",
    ),
    ("parameters:\n  a: [1]\nforbidden:\n  - |\n    not f(a)\n", r":5:9: forbidden: not f\(a\): has a call"),
    (
        "parameters:\n  a: [0, 1]\nforbidden:\n  - a == 1\n  - 1 / a == 2\n",
        r":5: forbidden: 1 / a == 2: cannot be computed",
    ),
    ("parameters:\n  a: [1]\nforbidden:\n  - a == 1\n", r": the rules allow no point of the space"),
]


@pytest.mark.parametrize(("text", "message"), FILE_ERRORS, ids=[repr(text[:30]) for text, _ in FILE_ERRORS])
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(SpaceError, match=rf"^\S*space\.yaml{message}"):
        load_space(tmp_path / "space.yaml")


def test_all_that_is_wrong_is_told_together() -> None:
    with pytest.raises(SpaceError, match=r":6: unknown key") as caught:
        parse(
            "  a: [1, 1]\n  b: {int: [2, 1]}\n  c: {int: [1, 2], only_if: b > x}\nconstraints: [a > y]\nforbiden: []\n"
        )
    places = [line.split(" ")[0] for line in str(caught.value).split("\n")]
    assert places == [f"some/space.yaml:{place}:" for place in ("6", "2", "3", "4:33", "5:19")]


def test_where_the_parameters_stand(tmp_path: Path) -> None:
    path = tmp_path / "space.yml"
    path.write_text("\ufeff# what to try\nparameters:\n  b: [1]\n  # the rate\n  a:\n    log: [1e-5, 1]\n")
    assert find_places(path) == {"b": f"{path}:3", "a": f"{path}:5"}
    assert load_space(path).names == ("b", "a")


def test_format() -> None:
    space = Space(
        [
            Choice("on", (5e-5, 1, True, None, 'it\'s "é" \\ \u2028', "no")),
            Choice("size", ((64, 64), ()), "on == True"),
            Range("n", 16, 64, 16),
            Range("m", 1, 9),
            Range("x", 0.0, 5.0, 1.0, only_if="(n > 16 and\n\tm > 1)"),
            Range("w", 1, 9, is_log=True),
            Distribution("lr", "log", (1e-5, 1)),
        ],
        constraints=["n % m == 0"],
        forbidden=["n == 16", "on == '\u00e9'"],
    )
    text = format_space(space)
    assert text == (
        "parameters:\n"
        '  "on": [5e-05, 1, true, null, "it\'s \\"é\\" \\\\ \\U00002028", "no"]\n'
        '  size: {choice: [[64, 64], []], only_if: "on == True"}\n'
        "  n: {int: [16, 64], step: 16}\n"
        "  m: {int: [1, 9]}\n"
        '  x: {uniform: [0.0, 5.0], step: 1.0, only_if: "(n > 16 and\\U0000000a\\U00000009m > 1)"}\n'
        "  w: {logint: [1, 9]}\n"
        "  lr: {log: [1e-05, 1]}\n"
        "constraints:\n"
        '  - "n % m == 0"\n'
        "forbidden:\n"
        '  - "n == 16"\n'
        "  - \"on == 'é'\"\n"
    )
    assert parse_space(text) == space


def test_a_space_that_fits_lines_is_written_so() -> None:
    space = Space([Choice("a", (1, "x")), Distribution("b", "uniform", (0, 1))])
    assert format_space(space) == "a choice [1, 'x']\nb uniform 0,1\n"
    assert format_document(space) == 'parameters:\n  a: [1, "x"]\n  b: {uniform: [0, 1]}\n'
    assert parse_space(format_document(space)) == parse_space(format_space(space)) == space


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (Choice("a", (1, "x")), "choice [1, 'x']"),
        (Choice("a", (1, "x"), "b == 1"), '{choice: [1, "x"], only_if: "b == 1"}'),
        (Distribution("a", "uniform", (0, 1)), "uniform 0,1"),
        (Distribution("a", "log", (1, 2)), "{log: [1, 2]}"),
        (Range("a", 1, 9, 2), "{int: [1, 9], step: 2}"),
    ],
)
def test_a_parameter_in_words(parameter: Parameter, text: str) -> None:
    assert describe_parameter(parameter) == text
