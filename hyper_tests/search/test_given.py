"""Points given first: what they may be, and what is said of those that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.properties.strategies import spaces
from hypersweep.errors import SearchError
from hypersweep.search import GridSearcher, open_searcher
from hypersweep.search.given import read_given
from hypersweep.space import Space
from hypersweep.spacefile import parse_space
from hypersweep.trial import Params

SPACE = parse_space(
    "lr loguniform -8,0\nsize choice [[64, 64], '[32, 32]', 'big', None]\nlayers uniformint 1,4\nd quniform 0,0.5,0.1\n"
)
POINT = {"lr": 0.01, "size": [64, 64], "layers": 2, "d": 0.3}


@pytest.mark.parametrize("form", [POINT, [POINT]])
def test_one_point_or_several_of_a_file_or_from_python(tmp_path: Path, form: Any) -> None:
    expected = ({"lr": 0.01, "size": (64, 64), "layers": 2, "d": 0.30000000000000004},)
    (tmp_path / "points.json").write_text(json.dumps(form))
    for points in (tmp_path / "points.json", str(tmp_path / "points.json"), form):
        read = read_given(points, SPACE)
        assert read == expected
        assert list(map(repr, read[0].values())) == list(map(repr, expected[0].values()))


def test_values_are_those_of_the_space() -> None:
    (read,) = read_given({"lr": 1, "size": "[32, 32]", "layers": 2.0, "d": 0}, SPACE)
    assert list(map(repr, read.values())) == ["1.0", "'[32,32]'", "2", "0.0"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lr": 2}, "point 0: 'lr' cannot be 2; expected a number from 0.000335.* to 1.0. Change it"),
        ({"lr": "0.01"}, "point 0: 'lr' cannot be '0.01'; expected a number"),
        ({"lr": True}, "point 0: 'lr' cannot be True; expected a number"),
        ({"lr": float("nan")}, "point 0: 'lr' cannot be nan; expected a number"),
        ({"size": [64]}, r"point 0: 'size' cannot be \[64\]; expected one of \(64, 64\), \[32,32\], big, None"),
        ({"layers": 2.5}, "point 0: 'layers' cannot be 2.5; expected a multiple of 1 from 1 to 4"),
        ({"d": 0.25}, "point 0: 'd' cannot be 0.25; expected a multiple of 0.1 from 0.0 to 0.5"),
        ({"layer": 2}, "point 0: 'layer' is no parameter of the space; expected lr, size.* Did you mean 'layers'"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(SearchError, match=problem):
        read_given([{**POINT, **change}], SPACE)


def test_everything_is_told_together() -> None:
    with pytest.raises(SearchError, match="enqueue: point 0: 'd' is missing") as caught:
        read_given(
            [{**{name: POINT[name] for name in ("lr", "size", "layers")}}, {**POINT, "lr": 5}, POINT, POINT], SPACE
        )
    assert len(str(caught.value).splitlines()) == 3
    assert "point 3: stands there already, got point 2 again" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "points.json: is no JSON"),
        ("[" * 100_000, "points.json: is no JSON"),
        ("3", "points.json: got int; expected one mapping or a list of them"),
        ('[{"lr": 1}, 2]', "points.json: point 1: got 2; expected a mapping of names to values"),
        ('"lr"', "points.json: got str; expected one mapping or a list"),
    ],
)
def test_a_file_that_holds_no_points(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "points.json").write_text(text)
    with pytest.raises(SearchError, match=problem):
        read_given(tmp_path / "points.json", SPACE)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"none.json: there is no such file; expected a text file. Check the path"):
        read_given(tmp_path / "none.json", SPACE)


@given(spaces(is_grid=True), st.sampled_from(["sequential", "shuffled"]), st.data())
def test_a_grid_with_given_points_has_each_point_once(space: Space, order: Any, data: st.DataObject) -> None:
    plain = GridSearcher(space, order=order)
    numbers = data.draw(st.lists(st.integers(0, plain.size - 1), unique=True, max_size=4))
    first = [params for params in map(plain.suggest, numbers) if params is not None]
    searcher = GridSearcher(space, order=order, given=first)
    points = [searcher.suggest(number) for number in range(plain.size)]
    assert points[: len(first)] == first
    rest = [params for number, params in enumerate(map(plain.suggest, range(plain.size))) if number not in numbers]
    assert points[len(first) :] == rest, "in the order of before"
    for number, params in enumerate(points):
        assert params is not None
        assert searcher.number_of({name: str(value) for name, value in params.items()}) == number


@given(spaces(), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_every_point_of_a_search_can_be_given(space: Space, seed: int) -> None:
    searcher = open_searcher(space, "random", order="sequential", seed=seed)
    points: list[Params] = [params for params in map(searcher.suggest, range(3)) if params is not None]
    distinct = [params for position, params in enumerate(points) if params not in points[:position]]
    read = read_given(json.loads(json.dumps(distinct)), space)
    assert [list(map(repr, params.values())) for params in read] == [
        list(map(repr, params.values())) for params in distinct
    ]
