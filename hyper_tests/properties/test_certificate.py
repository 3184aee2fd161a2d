"""The completeness certificate says what brute force over the space finds, wherever and however a sweep ends."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.scripted import ScriptedPool, define, run_sweep
from hypersweep.budget import Budget
from hypersweep.certificate import Certificate, certify
from hypersweep.place import Place
from hypersweep.space import Choice, Space, counting
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Pruned, Result, Trial

RULES = ("a + b != 3", "b % 2 == 0", "c < 2 or b > 1", "a == 0")
STATES = ("finished", "failed", "pruned")


def make_space(constraints: list[str]) -> Space:
    parameters = [Choice("a", (0, 1, 2)), Choice("b", (0, 1, 2, 3)), Choice("c", (1, 2), only_if="a == 1")]
    return Space(parameters, constraints=constraints)


def list_points(constraints: list[str]) -> tuple[list[dict[str, Any]], int]:
    """The points in order, each once, and how many are forbidden."""
    points: list[dict[str, Any]] = []
    for a, b, c in itertools.product((0, 1, 2), (0, 1, 2, 3), (1, 2)):
        point = {"a": a, "b": b, **({"c": c} if a == 1 else {})}
        if point not in points:
            points.append(point)
    held: dict[str, Callable[[dict[str, Any]], bool]] = {
        "a + b != 3": lambda p: p["a"] + p["b"] != 3,
        "b % 2 == 0": lambda p: p["b"] % 2 == 0,
        "c < 2 or b > 1": lambda p: "c" not in p or p["c"] < 2 or p["b"] > 1,
        "a == 0": lambda p: p["a"] == 0,
    }
    allowed = [point for point in points if all(held[rule](point) for rule in constraints)]
    return allowed, len(points) - len(allowed)


def end(trial: Trial, endings: Sequence[str]) -> Outcome:
    state = endings[trial.number]
    if state == "finished":
        return Finished(Result(valid={"score": float(-trial.number)}))
    return Failed("no") if state == "failed" else Pruned(1)


def read_certificate(place: Place) -> Certificate:
    with Study(place) as study:
        return certify(study)


@given(
    constraints=st.lists(st.sampled_from(RULES), unique=True, max_size=3),
    max_cost=st.sampled_from([0, 50_000]),
    endings=st.lists(st.sampled_from(STATES), min_size=24, max_size=24),
    budget=st.builds(Budget, max_trials=st.none() | st.integers(1, 30), stop_after=st.none() | st.integers(1, 12)),
    stop_after=st.none() | st.integers(0, 24),
    num_slots=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_the_certificate_of_a_grid_is_that_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory,
    constraints: list[str],
    max_cost: int,
    endings: list[str],
    budget: Budget,
    stop_after: int | None,
    num_slots: int,
) -> None:
    place = Place.of(Path(tempfile.mkdtemp(dir=tmp_path_factory.mktemp("sweeps"))), "hyper")
    points, num_forbidden = list_points(constraints)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MAX_COST", max_cost)
        definition = dataclasses.replace(define("a choice [0]\n"), space=make_space(constraints))
        pool = ScriptedPool(num_slots, end=lambda trial: end(trial, endings), stop_after=stop_after)
        was_interrupted = run_sweep(place, definition, pool, budget=budget)
        found = read_certificate(place)
    states = [endings[trial.number] for trial in pool.ran]
    assert {state: getattr(found, state) for state in STATES} == {state: states.count(state) for state in STATES}
    ran = [dict(trial.params) for trial in pool.ran]
    if found.points is None:
        assert max_cost == 0, "the rules were not counted"
        assert found.is_complete is None
        assert len(ran) < len(points) or budget.max_trials or budget.stop_after or was_interrupted
    else:
        assert found.points == len(points)
        assert found.not_run == len(points) - len(ran)
        assert found.is_complete == (sorted(map(repr, ran)) == sorted(map(repr, points)))
        assert found.tell().startswith("all ") == found.is_complete
        assert (found.reason is None) == found.is_complete
    assert (found.forbidden is None) == (not constraints)
    assert not constraints or not found.is_forbidden_exact or found.forbidden == num_forbidden
    if not was_interrupted:
        assert found.is_as_asked == ("failed" not in states)


@given(count=st.integers(1, 12), stop_after=st.none() | st.integers(0, 12))
@settings(max_examples=20, deadline=None)
def test_a_search_by_samples_claims_nothing_but_its_budget(
    tmp_path_factory: pytest.TempPathFactory, count: int, stop_after: int | None
) -> None:
    place = Place.of(Path(tempfile.mkdtemp(dir=tmp_path_factory.mktemp("sweeps"))), "hyper")
    pool = ScriptedPool(stop_after=stop_after)
    was_interrupted = run_sweep(place, define("x uniform 0,1\n", algo="random"), pool, budget=Budget(max_trials=count))
    found = read_certificate(place)
    assert (found.points, found.is_complete, found.max_trials) == (None, None, count)
    assert (found.finished, found.not_run) == (len(pool.ran), count - len(pool.ran))
    assert was_interrupted == bool(found.not_run)
    assert found.tell().startswith(f"{len(pool.ran)} of {count} points by random, which tries samples of the space")
