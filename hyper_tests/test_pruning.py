"""The curves and the pruners, against brute force."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypersweep.errors import SearchError
from hypersweep.pruning import Curves, HalvingPruner, MedianPruner, Pruner, make_pruner

scores = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, -1.0, math.nan, math.inf])
reports = st.tuples(st.integers(0, 4), st.integers(1, 6), scores)


def together(number: int) -> int:
    return 0


def fill(pruner: Pruner, reported: dict[int, list[float]], finished: tuple[int, ...] = ()) -> Curves:
    """Curves of trials that have reported these scores at steps 1, 2, …."""
    curves = Curves(pruner.group_of)
    for number, values in reported.items():
        for step, score in enumerate(values, 1):
            curves.add(number, step, score)
    for number in finished:
        curves.finish(number)
    return curves


@given(events=st.lists(reports | st.integers(0, 4) | st.sampled_from(["forget 1", "forget 2", "turn"]), max_size=30))
@settings(max_examples=200)
def test_a_level_has_the_best_of_each_trial_that_is_there(events: list[tuple[int, int, float] | int | str]) -> None:
    curves = Curves(lambda number: number % 2)
    told: dict[int, dict[int, float]] = {}
    finished: set[int] = set()
    for event in events:
        if isinstance(event, tuple):
            number, step, score = event
            told.setdefault(number, {})[step] = -math.inf if math.isnan(score) else score
            curves.add(number, step, score)
        elif isinstance(event, int):
            finished.add(event)
            curves.finish(event)
        elif event == "turn":
            told = {n: {s: v if v == -math.inf else -v for s, v in by_step.items()} for n, by_step in told.items()}
            curves.turn()
        else:
            told.pop(int(event[-1]), None)
            finished.discard(int(event[-1]))
            curves.forget(int(event[-1]))
        for step in (1, 3, 6):
            for group in (0, 1):
                expected = sorted(_values(told, finished, group, step))
                assert list(curves.level(group, step)) == expected, (group, step)


def _values(told: dict[int, dict[int, float]], finished: set[int], group: int, step: int) -> Iterator[float]:
    for number, by_step in told.items():
        reached = [other for other in sorted(by_step) if other >= step]
        if number % 2 == group and (reached or number in finished):
            until = reached[0] if reached else math.inf
            yield max(score for other, score in by_step.items() if other <= until)


def test_halving_lets_the_best_third_and_one_more_go_on() -> None:
    pruner = HalvingPruner(min_steps=1, reduction_factor=3)
    first = {number: [number / 10] for number in range(6)}
    curves = fill(pruner, first)
    assert [pruner.decide(curves, number) is None for number in range(6)] == [False] * 3 + [True] * 3
    assert pruner.decide(curves, 2) == "3 of 6 trials were better at step 1, where 3 go on"


def test_halving_lets_the_best_of_a_few_go_on_and_equals_too() -> None:
    pruner = HalvingPruner(min_steps=1, reduction_factor=4)
    assert pruner.decide(fill(pruner, {0: [0.1]}), 0) is None
    curves = fill(pruner, {0: [0.1], 1: [0.1], 2: [0.05]})
    assert [pruner.decide(curves, number) is None for number in range(3)] == [True, True, False]


@given(st.lists(scores, min_size=1, max_size=40), st.integers(2, 5))
@settings(max_examples=100)
def test_halving_stops_exactly_those_below_the_last_that_goes_on(values: list[float], factor: int) -> None:
    pruner = HalvingPruner(min_steps=1, reduction_factor=factor)
    curves = fill(pruner, {number: [value] for number, value in enumerate(values)})
    ranked = sorted((-math.inf if math.isnan(value) else value for value in values), reverse=True)
    last = ranked[min(len(values) // factor, len(values) - 1)]
    for number, value in enumerate(values):
        assert (pruner.decide(curves, number) is None) == (value >= last or last == -math.inf)


def test_halving_decides_at_rungs_only() -> None:
    pruner = HalvingPruner(min_steps=2, reduction_factor=3)
    best = {step: [1.0] * step for step in range(1, 20)}
    decided = []
    for step in range(1, 20):
        curves = fill(pruner, {0: best[19], 1: [0.5] * step})
        if pruner.decide(curves, 1) is not None:
            decided.append(step)
    assert decided == [2, 6, 18]


def test_halving_decides_where_steps_jump_over_a_rung() -> None:
    pruner = HalvingPruner(min_steps=1, reduction_factor=3)
    curves = Curves(pruner.group_of)
    for step in (5, 10, 15):
        curves.add(0, step, 1.0)
    for step, is_pruned in ((5, True), (8, False), (10, True), (15, False)):
        curves.add(1, step, 0.5)
        assert (pruner.decide(curves, 1) is not None) == is_pruned, step


def test_a_trial_that_finished_before_is_compared_with_later_ones() -> None:
    pruner = HalvingPruner(min_steps=3, reduction_factor=3)
    assert pruner.decide(fill(pruner, {0: [1.0], 1: [0.5] * 3}), 1) is None
    assert pruner.decide(fill(pruner, {0: [1.0], 1: [0.5] * 3}, finished=(0,)), 1) is not None


def test_what_counts_is_the_best_so_far() -> None:
    pruner = HalvingPruner(min_steps=3, reduction_factor=3)
    assert pruner.decide(fill(pruner, {0: [0.9, 0.9, 0.9], 1: [1.0, 0.5, 0.5]}), 1) is None


@pytest.mark.parametrize("name", ["asha", "hyperband"])
def test_nan_is_worse_than_anything(name: str) -> None:
    pruner = make_pruner(name, min_steps=1, reduction_factor=3)
    number = next(number for number in range(1, 99) if pruner.group_of(number) == pruner.group_of(0) == 0)
    curves = fill(pruner, {0: [-5.0], number: [math.nan]})
    assert pruner.decide(curves, number) is not None


def test_brackets_grow_rare_by_the_factor_and_give_time() -> None:
    pruner = HalvingPruner(min_steps=1, reduction_factor=3, has_brackets=True)
    counts = [sum(pruner.group_of(number) == bracket for number in range(9000)) for bracket in range(4)]
    assert counts == [pytest.approx(6000 / 3**bracket, rel=0.15) for bracket in range(4)]
    patient = [number for number in range(99) if pruner.group_of(number) == 1]
    curves = fill(pruner, {number: [0.1 * rank] * 2 for rank, number in enumerate(patient[:3])})
    assert all(pruner.decide(curves, number) is None for number in patient[:3])
    curves = fill(pruner, {number: [0.1 * rank] * 3 for rank, number in enumerate(patient[:3])})
    assert [pruner.decide(curves, number) is None for number in patient[:3]] == [False, True, True]


def test_a_bracket_is_compared_within_itself() -> None:
    pruner = HalvingPruner(min_steps=1, reduction_factor=3, has_brackets=True)
    low, high = (next(number for number in range(99) if pruner.group_of(number) == bracket) for bracket in (0, 1))
    curves = fill(pruner, {low: [1.0] * 3, high: [0.5] * 3})
    assert pruner.decide(curves, high) is None


@given(st.dictionaries(st.integers(0, 30), st.lists(scores, min_size=1, max_size=4), min_size=1, max_size=12))
@settings(max_examples=100)
def test_the_median_rule_is_that_of_brute_force(reported: dict[int, list[float]]) -> None:
    pruner = MedianPruner(min_steps=2)
    curves = fill(pruner, reported)
    for number, values in reported.items():
        step = len(values)
        there = [[-math.inf if math.isnan(v) else v for v in other[:step]] for other in reported.values()]
        bests = [max(other) for other in there if len(other) == step]
        own = max(-math.inf if math.isnan(value) else value for value in values)
        expected = step >= 2 and len(bests) > 5 and own < statistics.median(bests)
        assert (pruner.decide(curves, number) is not None) == expected


def test_decisions_do_not_depend_on_the_order_of_the_reports() -> None:
    reported = {number: [((number * 7 + step * 3) % 11) / 10 for step in range(9)] for number in range(12)}
    for name in ("median", "asha", "hyperband"):
        pruner = make_pruner(name, min_steps=1, reduction_factor=3)
        curves = [fill(pruner, reported), fill(pruner, dict(reversed(list(reported.items()))))]
        curves[1].level(0, 1)
        decisions = [[pruner.decide(known, number) for number in reported] for known in curves]
        assert decisions[0] == decisions[1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "ahsa",
            {},
            r"^--prune: unknown, got 'ahsa'; expected one of median, asha, hyperband, none\. Did you mean 'asha'",
        ),
        ("asha", {"min_steps": 0}, r"^--min-steps: got 0; expected at least 1\. Give a positive number$"),
        ("asha", {"reduction_factor": 1}, r"^--reduction-factor: got 1; expected at least 2\. Give a larger one$"),
    ],
)
def test_what_is_no_pruner(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        make_pruner(name, **{"min_steps": 1, "reduction_factor": 3, **options})
