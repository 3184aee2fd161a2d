"""Parameters that are there on a condition, points that rules do not allow, and the grid of what is left."""

from __future__ import annotations

from typing import Any

import pytest

from hypersweep.errors import SpaceError
from hypersweep.space import Choice, Distribution, Parameter, Range, Rule, RuleError, Space, count_excluded, counting

OPTIMIZER = Choice("optimizer", ("adam", "sgd"))
MOMENTUM = Choice("momentum", (0.8, 0.9), only_if="optimizer == 'sgd'")
NESTEROV = Choice("nesterov", (False, True), only_if="momentum > 0.85")


def points(space: Space) -> list[dict[str, Any] | None]:
    return [space.at(index) for index in range(space.grid_size or 0)]


def test_a_parameter_is_there_only_if_its_condition_holds() -> None:
    assert points(Space([OPTIMIZER, MOMENTUM, NESTEROV])) == [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "momentum": 0.8},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": False},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    ]


def test_what_the_rules_do_not_allow_has_no_number() -> None:
    sizes, heads = Range("size", 2, 6, 2), Range("heads", 1, 3)
    space = Space([sizes, heads], constraints=["size % heads == 0"], forbidden=["size == 6 and heads == 1"])
    assert points(space) == [
        {"size": 2, "heads": 1},
        {"size": 2, "heads": 2},
        {"size": 4, "heads": 1},
        {"size": 4, "heads": 2},
        {"size": 6, "heads": 2},
        {"size": 6, "heads": 3},
    ]
    assert space.grid.is_exact


def test_a_rule_about_a_parameter_that_is_not_there_allows() -> None:
    space = Space([OPTIMIZER, MOMENTUM], constraints=["momentum < 0.85"], forbidden=["momentum < 0.5"])
    assert points(space) == [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.8}]


@pytest.mark.parametrize("max_cost", [0, 3, 20, 10_000])
def test_what_is_too_large_to_be_counted_is_skipped(monkeypatch: pytest.MonkeyPatch, max_cost: int) -> None:
    parameters: list[Parameter] = [OPTIMIZER, MOMENTUM, NESTEROV, Range("size", 2, 6, 2), Range("heads", 1, 3)]
    rules = {"constraints": ["size % heads == 0"], "forbidden": ["nesterov and size == 2", "optimizer == 'adam'"]}
    expected = points(Space(parameters, **rules))
    monkeypatch.setattr(counting, "MAX_COST", max_cost)
    space = Space(parameters, **rules)
    assert space.grid.is_exact == (max_cost == 10_000)
    assert [point for point in points(space) if point is not None] == expected
    for index, point in enumerate(points(space)):
        if point is not None:
            assert space.index({name: str(value) for name, value in point.items()}) == index


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"momentum": "0.8"}, "optimizer"),
        ({"optimizer": "sgd"}, "momentum"),
        ({"optimizer": "adam", "momentum": "0.8"}, "momentum"),
        ({"optimizer": "sgd", "momentum": "0.7"}, "momentum"),
        ({"optimizer": "adam", "lr": "1"}, "lr"),
    ],
)
@pytest.mark.parametrize("max_cost", [0, 10_000])
def test_no_index_for_what_is_no_point_of_names(
    monkeypatch: pytest.MonkeyPatch, texts: dict[str, str], name: str, max_cost: int
) -> None:
    monkeypatch.setattr(counting, "MAX_COST", max_cost)
    space = Space([OPTIMIZER, MOMENTUM])
    with pytest.raises(KeyError, match=f"^'{name}'$"):
        space.index(texts)


@pytest.mark.parametrize("max_cost", [0, 10_000])
def test_no_index_for_what_is_forbidden(monkeypatch: pytest.MonkeyPatch, max_cost: int) -> None:
    monkeypatch.setattr(counting, "MAX_COST", max_cost)
    space = Space([Choice("a", (1, 2)), Choice("b", (1, 2))], forbidden=["a == 2 and b == 2", "a == b"])
    with pytest.raises(SpaceError, match=r"^forbidden: a == 2 and b == 2 does not allow the point"):
        space.index({"a": "2", "b": "2"})
    with pytest.raises(SpaceError, match=r"^forbidden: a == b does not allow the point"):
        space.index({"a": "1", "b": "1"})
    wider = Space([*space.parameters, Choice("c", (1,))], forbidden=["a == 2"])
    with pytest.raises(SpaceError, match=r"^forbidden: a == 2 does not allow the point"):
        wider.index({"a": "2", "b": "2", "c": "1"})


def test_a_grid_of_10_to_the_15_with_rules_is_indexed() -> None:
    parameters = [Range(f"p{position}", 1, 1000) for position in range(5)]
    space = Space(parameters, constraints=["p4 % 7 == 0"], forbidden=["p0 > 500"])
    assert space.grid_size == 500 * 1000**3 * 142
    last = space.at(space.grid_size - 1)
    assert last == {"p0": 500, "p1": 1000, "p2": 1000, "p3": 1000, "p4": 994}
    uncounted = Space(parameters, constraints=["p0 + p1 + p2 + p3 > 3000"])
    assert (uncounted.grid_size, uncounted.grid.is_exact) == (10**15, False)
    assert uncounted.at(0) is None


def test_how_many_points_are_forbidden_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters: list[Parameter] = [OPTIMIZER, MOMENTUM, Range("size", 1, 100)]
    space = Space(parameters, constraints=["size <= 50"], forbidden=["optimizer == 'adam'", "momentum == 0.8"])
    exact = [count_excluded(space, [rule]) for rule in space.rules]
    assert [(one.num_points, one.is_exact) for one in exact] == [(150, True), (100, True), (100, True)]
    assert count_excluded(space, space.rules).num_points == 250 == 300 - (space.grid_size or 0)
    monkeypatch.setattr(counting, "MAX_COST", 0)
    estimated = count_excluded(space, space.rules)
    assert not estimated.is_exact
    assert 220 < estimated.num_points < 280


def test_what_remains_of_values_for_all_parameters() -> None:
    space = Space([OPTIMIZER, MOMENTUM, NESTEROV, Distribution("lr", "log", (0.1, 1))], forbidden=["lr > momentum"])
    every: dict[str, Any] = {"lr": 0.85, "optimizer": "sgd", "momentum": 0.8, "nesterov": True}
    assert list(space.keep_active(every).items()) == [("optimizer", "sgd"), ("momentum", 0.8), ("lr", 0.85)]
    assert space.find_broken_rule(space.keep_active(every)) == Rule("forbidden", "lr > momentum")
    assert space.find_broken_rule(space.keep_active({**every, "optimizer": "adam"})) is None


@pytest.mark.parametrize(
    ("only_if", "message"),
    [
        ("optimiser == 'sgd'", r"only_if of x: optimiser == 'sgd': no parameter, got 'optimiser'; expected one of "),
        (
            "optimizer == sgd",
            r"no parameter, got 'sgd'; expected one of optimizer\. Did you mean the value 'sgd'\? Quote",
        ),
        ("x > 1", r"no parameter, got 'x'; expected one of optimizer\. Rename it$"),
        ("y > 1", r"no parameter, got 'y'"),
        (
            "1 == 1",
            r"^only_if of x: 1 == 1: names no parameter; expected a rule about some\. Name one, or remove the rule$",
        ),
        ("optimizer", r"only_if of x: optimizer: no truth value, got 'adam'; .* the like \(optimizer:adam\)$"),
    ],
)
def test_conditions_that_are_none(only_if: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space([OPTIMIZER, Choice("x", (1, 2), only_if), Choice("y", (1,))]).check_rules()


def test_rules_that_cannot_be_computed() -> None:
    with pytest.raises(RuleError, match=r"^constraint: 1 / a > 0: cannot be computed .* \(a:0\)$"):
        Space([Range("a", 0, 1000)], constraints=["1 / a > 0"]).check_rules()
    with pytest.raises(RuleError, match=r"^constraint: a > 'x': no order, got 0\.5 > 'x'"):
        Space([Distribution("a", "uniform", (0.5, 1))], constraints=["a > 'x'"]).check_rules()
    with pytest.raises(
        SpaceError, match=r"^the rules allow no point of the space; expected at least one\. Loosen a rule$"
    ):
        Space([Range("a", 0, 1000)], constraints=["a > 1000"]).check_rules()


def test_all_unknown_names_are_told() -> None:
    with pytest.raises(SpaceError, match=r"(?s)got 'b'.*\n.*got 'c'.*\n.*got 'd'"):
        Space([Choice("a", (1,)), Choice("x", (1,), "b > c")], constraints=["d == a"])


def test_spaces_differ_by_their_rules() -> None:
    assert Space([OPTIMIZER], forbidden=["optimizer == 'x'"]) == Space([OPTIMIZER], forbidden=["optimizer == 'x'"])
    spaces = [
        Space([OPTIMIZER, MOMENTUM]),
        Space([OPTIMIZER, Choice("momentum", (0.8, 0.9))]),
        Space([OPTIMIZER, MOMENTUM], constraints=["momentum > 0"]),
        Space([OPTIMIZER, MOMENTUM], forbidden=["momentum > 0"]),
    ]
    assert len(set(spaces)) == len(spaces)


def test_ranges() -> None:
    whole = Range("n", 16, 64, 16)
    assert (whole.kind, whole.num_values) == ("int", 4)
    assert [whole.value_at(position) for position in range(4)] == [16, 32, 48, 64]
    fraction = Range("x", 0, 0.5, 0.1)
    assert fraction == Range("x", 0.0, 0.5, 0.1)
    assert (fraction.kind, [fraction.value_at(position) for position in range(6)]) == (
        "uniform",
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
    )
    assert Range("n", 1, 1000, is_log=True).kind == "logint"
    huge = Range("n", -(10**15), 10**15)
    assert huge.position_of(str(huge.value_at(123))) == 123


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("16", 0),
        ("64", 3),
        (" '32'", 1),
        ("17", None),
        ("0", None),
        ("80", None),
        ("16.0", None),
        ("a", None),
        ("[16]", None),
    ],
)
def test_the_position_of_a_text_in_a_range(text: str, position: int | None) -> None:
    assert Range("n", 16, 64, 16).position_of(text) == position


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1), r"^'n': low >= high, got 1 to 1 by 1; expected low < high\. Swap or widen the bounds$"),
        ((1, 8, 3), r"the steps miss the upper bound, got 1 to 8 by 3; expected one such as 7\. Move the bound$"),
        ((0.0, 1.0, 0.3), r"the steps miss the upper bound, .*; expected one such as 0\.9"),
        ((1, 8, 0), "step <= 0, got 1 to 8 by 0; expected step > 0"),
        ((1, 8, -1), "step <= 0"),
        ((1, 2**64), "a bound or step that is no number of 64 bits"),
        ((0.0, float("inf")), "a bound or step that is no number"),
        ((True, 8), "a bound or step that is no number"),
        ((0.0, float("nan")), "a bound or step that is no number"),
        ((0, 8, 1, True), r"no positive whole numbers, got 0 to 8 by 1; expected 0 < low < high\. Use such numbers$"),
        ((0.5, 8.5, 1, True), "no positive whole numbers"),
        ((2, 8, 2, True), "no positive whole numbers"),
        ((10**18, 10**18 + 0.5, 0.5), "low >= high"),
        ((0.0, 1e18, 0.5), "the step is too small for its bounds"),
    ],
)
def test_ranges_that_are_none(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Range("n", *arguments)


def test_a_log_distribution_has_positive_bounds() -> None:
    with pytest.raises(SpaceError, match=r"^'lr': low <= 0, got '0,1'; expected 0 < low < high\. Use positive bounds$"):
        Distribution("lr", "log", (0, 1))
