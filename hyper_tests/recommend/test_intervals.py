from __future__ import annotations

import numpy as np
import pytest

from hypersweep.recommend.intervals import Interval, contain, parse_intervals


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("[3,inf)", [3, 3.5, 1e30], [2.999, -1]),
        ("(3,5]", [3.1, 5], [3, 5.1]),
        ("(3,5];[7,8]", [4, 7, 8], [3, 6, 8.5]),
        (" [1, 2] ; (-inf,-1) ", [1, 2, -2], [0, -1]),
        ("[4,4]", [4], [3.9, 4.1]),
    ],
)
def test_what_is_inside(text: str, inside: list[float], outside: list[float]) -> None:
    intervals = parse_intervals(text)
    assert contain(intervals, np.array(inside)).all()
    assert not contain(intervals, np.array(outside)).any()


def test_ends() -> None:
    assert parse_intervals("[3,inf)") == (Interval(3, float("inf"), has_low=True, has_high=False),)


def test_no_interval_contains_nan() -> None:
    assert not contain(parse_intervals("(-inf,inf)"), np.array([float("nan")])).any()


@pytest.mark.parametrize("text", ["", "3", "[3;4]", "[3,4", "[a,b]", "[3,4,5]", "[1,2];", "{1,2}"])
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match=r"no interval|could not convert"):
        parse_intervals(text)


@pytest.mark.parametrize("text", ["[5,3]", "(3,3]", "[3,3)", "[nan,3]"])
def test_empty(text: str) -> None:
    with pytest.raises(ValueError, match="contains nothing"):
        parse_intervals(text)
