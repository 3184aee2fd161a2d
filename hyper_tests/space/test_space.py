"""The values of a space, its grid, and what no space can hold."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hypersweep.errors import SpaceError
from hypersweep.space import Choice, Distribution, Space, as_value, read_literal, unquote

SPACE = Space([Choice("a", (1, 1.0, True)), Choice("b", ("x", (64, 64)))])


def test_the_grid_is_in_product_order() -> None:
    assert SPACE.grid_size == 6
    assert [SPACE.at(index) for index in (0, 1, 2, 5)] == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": (64, 64)},
        {"a": 1.0, "b": "x"},
        {"a": True, "b": (64, 64)},
    ]
    assert [type(value) for value in (SPACE.at(2) or {}).values()] == [float, str]


def test_a_grid_of_10_to_the_15_is_indexed() -> None:
    space = Space(Choice(f"p{position}", tuple(range(1000))) for position in range(5))
    assert space.grid_size == 10**15
    last = {f"p{position}": 999 for position in range(5)}
    assert space.at(10**15 - 1) == last
    assert space.index({name: str(value) for name, value in last.items()}) == 10**15 - 1


@pytest.mark.parametrize("index", [-1, 6])
def test_no_combination_outside_of_the_grid(index: int) -> None:
    with pytest.raises(IndexError, match=rf"combination {index} of 6"):
        SPACE.at(index)


@pytest.mark.parametrize(
    ("texts", "name"),
    [({"a": "1"}, "b"), ({"a": "2", "b": "x"}, "a"), ({"a": "1", "b": "x", "c": "1"}, "c")],
)
def test_no_index_for_what_is_not_in_the_grid(texts: dict[str, str], name: str) -> None:
    with pytest.raises(KeyError, match=f"^'{name}'$"):
        SPACE.index(texts)


def test_a_text_is_found_as_it_stands_before_it_is_found_without_quotes() -> None:
    space = Space([Choice("a", ("x", "'x'", "[64, 64]"))])
    assert [space.index({"a": text}) for text in ("x", "'x'", '"x"', " x", "'[64, 64]'")] == [0, 1, 0, 0, 2]


@pytest.mark.parametrize(
    ("text", "plain"),
    [(" 1", "1"), ("'a b'", "a b"), ('"a"', "a"), ("'", "'"), ("''", ""), ("'a\"", "'a\""), ("[1, 2]", "[1,2]")],
)
def test_unquote(text: str, plain: str) -> None:
    assert unquote(text) == plain


def test_spaces_differ_by_the_types_of_their_values() -> None:
    def one(value: Any) -> Space:
        return Space([Choice("a", (value,))])

    assert one(1) == one(1)
    assert hash(one(1)) == hash(one(1))
    assert one(1) != one(1.0)
    assert one(1) != one(True)
    assert one(1) != "a space"


def test_a_space_without_a_grid() -> None:
    space = Space([Choice("a", (1,)), Distribution("b", "uniform", (0, 1))])
    assert space.grid_size is None
    assert space.first_distribution == "b"
    assert space.names == ("a", "b")
    with pytest.raises(SpaceError, match=r"^'b' is no choice; a grid needs choices only$"):
        space.at(0)


def test_values() -> None:
    assert as_value([1, [2.5, None]]) == (1, (2.5, None))
    assert as_value("[64, 64]") == "[64,64]"
    assert as_value(" [64, 64]") == " [64, 64]"
    assert as_value("a b") == "a b"
    with pytest.raises(TypeError, match=r"^\{\} is no number, True, False, None, string or list of these$"):
        as_value({})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1 +",
        "f''",
        "{[]: 1}",
        "__import__('os')",
        "0x" + "f" * 5000,
        "9" * 5000,
        "[" * 100_000,
        "[" * 150 + "]" * 149,
        "-" * 100_000 + "1",
        "1+" * 100_000 + "1",
        "'\0'",
        "\n 1",
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_no_literal(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no literal$"):
        read_literal(text)


def test_a_literal_with_an_unknown_escape_does_not_warn() -> None:
    assert read_literal(r"'\d'") == r"\d"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((), r"^'a': the list of values is empty; expected at least one\. Add a value$"),
        ((1, 2, 1), r"^'a': the value 1 stands in the list twice; expected each value once\. Remove one$"),
        ((1, "1"), r"^'a': the values 1 and '1' have the same text; expected values that the result log can tell"),
        (((1,), "(1,)"), r"the values \(1,\) and '\(1,\)' have the same text"),
        (("a\nb",), r"^'a': the result log cannot carry the value, got 'a\\nb'; expected no newline, no ', name:'"),
        (("a\rb",), r"cannot carry the value, got 'a\\rb'"),
        (("a, b:c",), r"cannot carry the value, got 'a, b:c'"),
        ((("a, b:c",),), r"cannot carry the value, got \('a, b:c',\)"),
        (("\ud800",), r"cannot carry the value, got '\\ud800'"),
        ((math.inf,), r"^'a': a number is not finite, got inf; expected finite numbers\. Change the value$"),
        (((1, (math.nan,)),), r"a number is not finite, got \(1, \(nan,\)\)"),
        (({},), r"^'a': \{\} is no number, True, False, None, string or list of these; expected one of these\. Change"),
    ],
)
def test_values_that_no_choice_can_have(values: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Choice("a", values)


def test_all_that_is_wrong_with_a_choice_is_told() -> None:
    with pytest.raises(SpaceError, match=r"(?s)twice.*\n.*newline"):
        Choice("a", (1, 1, "\n"))


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("uniform", (0,), r"^'a': uniform has 1 arguments, got '0'; expected uniform low,high\. Mend the line$"),
        ("uniform", (0, 1, 2), r"uniform has 3 arguments, got '0,1,2'"),
        ("randint", (), r"randint has 0 arguments"),
        ("uniform", (0, math.inf), r"uniform has a bound that is not finite, got '0,inf'; expected uniform low,high\."),
        ("uniform", (0, math.nan), r"not finite"),
        ("uniform", (0, 10**400), r"not finite"),
        (
            "randint",
            (0, 1.5),
            r"randint takes whole numbers, got '0,1\.5'; expected randint low,high\. Write integers$",
        ),
        ("uniformint", (0.0, 2), r"uniformint takes whole numbers"),
        ("uniform", (1, 1), r"low >= high, got '1,1'; expected low < high\. Swap or widen the bounds$"),
        ("loguniform", (0, -8), r"low >= high"),
        ("randint", (0,), r"low >= high"),
        (
            "loguniform",
            (1, 1000),
            r"exp\(1000\) is no float, got '1,1000'; expected exponents from -708 to 709\. Write logarithms$",
        ),
        ("loguniform", (-1000, 1), r"exp\(-1000\) is no float, got '-1000,1'; expected exponents from -708"),
        ("loguniform", (-1e-320, 0), r"low >= high"),
        ("qlognormal", (0, 100, 1), r"exp\(-800\) is no float, got '0,100,1'; expected exponents from -708 to 709"),
        ("lognormal", (700, 2), r"exp\(716\) is no float"),
        ("uniform", (-1e308, 1e308), r"the values span more than a float can hold, got '-1e\+308,1e\+308'; expected"),
        ("uniform", (-(10**308), 10**308), r"the values span more than a float can hold"),
        ("normal", (10**308, 10**308), r"the values span more than a float can hold"),
        ("normal", (0, 1e308), r"the values span more than a float can hold"),
        ("qnormal", (0, 1, 1e-320), r"the step is too small for the values, got '0,1,1e-320'; expected numbers that"),
        ("qloguniform", (0, 709, 0.001), r"the step is too small for the values"),
        ("quniform", (0, 1e300, 1), r"the step is too small for the values"),
        ("randint", (2**63,), r"randint has a bound that is no number of 64 bits, got '9223372036854775808'; expected"),
        ("uniformint", (-(2**63) - 1, 0), r"uniformint has a bound that is no number of 64 bits"),
        ("normal", (0, 0), r"sigma <= 0, got '0,0'; expected sigma > 0\. Use a positive sigma$"),
        ("quniform", (0, 1, 0), r"q <= 0, got '0,1,0'; expected q > 0\. Use a positive step$"),
        ("qnormal", (0, 1, -1), r"q <= 0"),
    ],
)
def test_arguments_that_no_distribution_can_have(kind: str, arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Distribution("a", kind, arguments)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("loguniform", (-708, 709)),
        ("lognormal", (0, 88)),
        ("uniform", (-8e307, 8e307)),
        ("normal", (0, 1e307)),
        ("quniform", (0, 2**53, 1)),
        ("qloguniform", (0, 700, 0.001)),
        ("randint", (2**63 - 1,)),
        ("uniformint", (-(2**63), 2**63 - 1)),
    ],
)
def test_the_widest_distributions(kind: str, arguments: tuple[float, ...]) -> None:
    assert Distribution("a", kind, arguments).arguments == arguments


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "ä"])
def test_no_parameter_name(name: str) -> None:
    with pytest.raises(SpaceError, match=r"is no parameter name; expected letters, digits and _, no digit first\."):
        Choice(name, (1,))


def test_a_space_has_parameters_and_each_once() -> None:
    with pytest.raises(SpaceError, match=r"^the space has no parameter; expected at least one\. Add a line"):
        Space([])
    with pytest.raises(SpaceError, match=r"^'a' stands in the space 2 times; expected once\. Rename one$"):
        Space([Choice("a", (1,)), Choice("a", (2,))])
