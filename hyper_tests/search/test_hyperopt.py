"""The points of random, tpe and anneal are those of `hyperopt.fmin`, one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hyperopt import STATUS_FAIL, STATUS_OK, Trials, anneal, fmin, hp, rand, tpe
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_RUNNING, Domain

from hypersweep.errors import SearchError
from hypersweep.search import Observation
from hypersweep.search.hyperopt import HyperoptSearcher
from hypersweep.space import Choice, Range, Space
from hypersweep.spacefile import parse_space
from hypersweep.trial import Params

COUNT = 200
SUGGEST: Mapping[str, Callable[..., Any]] = {"random": rand.suggest, "tpe": tpe.suggest, "anneal": anneal.suggest}
SPACES = {
    "choices": "lr choice [0.1, 0.01, 1e-3]\nsize choice [[64, 64], [128], '[32, 32]']\nact choice ['a', None, True]\n",
    "continuous": "rate loguniform -8,0\ndropout uniform 0,0.5\nnoise normal 0,1\nscale lognormal 0,1\n",
    "quantised": "a quniform -1,5,0.5\nb qloguniform 0,5,2\nc qnormal 1,4,0.3\nd qlognormal 0,1,0.25\n",
    "whole": "lower randint -3,6\nupper randint 7\nlayers uniformint 1,9\nk choice [1, 3, 5, 7]\n",
}
Evaluate = Callable[[int, Mapping[str, Any]], float | None]


def rugged(number: int, params: Mapping[str, Any]) -> float:
    numbers = [float(value) for value in params.values() if isinstance(value, (int, float))]
    return math.fsum(abs(value - 2) for value in numbers) + len(str(params.get("size", "")))


def tied(number: int, params: Mapping[str, Any]) -> float:
    return float(round(rugged(number, params) / 4))


def mixed(number: int, params: Mapping[str, Any]) -> float | None:
    """With failures, NaN and infinities."""
    if number % 7 == 3:
        return None
    return {2: math.nan, 5: math.inf, 8: -math.inf}.get(number % 11, rugged(number, params))


def as_hyperopt(space: Space) -> dict[str, Any]:
    """As a user of hyperopt would write it."""
    return {
        parameter.name: hp.choice(parameter.name, list(parameter.values))
        if isinstance(parameter, Choice)
        else getattr(hp, parameter.kind)(parameter.name, *parameter.arguments)
        for parameter in space.parameters
        if not isinstance(parameter, Range)
    }


def by_fmin(space: Space, algorithm: str, evaluate: Evaluate, seed: int, **options: Any) -> list[Params]:
    seen: list[Params] = []

    def objective(params: dict[str, Any]) -> dict[str, Any]:
        loss = evaluate(len(seen), params)
        seen.append(params)
        return {"status": STATUS_FAIL} if loss is None else {"status": STATUS_OK, "loss": loss}

    fmin(
        objective,
        as_hyperopt(space),
        algo=SUGGEST[algorithm],
        rstate=np.random.default_rng(seed),
        verbose=False,
        return_argmin=False,
        **{"max_evals": COUNT, **options},
    )
    return seen


def by_searcher(searcher: HyperoptSearcher, evaluate: Evaluate, count: int = COUNT) -> list[Params]:
    points = []
    for number in range(count):
        params = searcher.suggest(number)
        searcher.observe(Observation(number, params))
        loss = evaluate(number, params)
        searcher.observe(Observation(number, params, "failed" if loss is None else "finished", loss))
        points.append(params)
    return points


def as_texts(points: list[Params]) -> list[list[str]]:
    """hyperopt has NumPy's numbers here and there, which are equal and print otherwise."""
    return [
        [
            f"{name}={value.item() if isinstance(value, np.generic) else value!r}"
            for name, value in sorted(point.items())
        ]
        for point in points
    ]


def check_points(text: str, algorithm: Any, evaluate: Evaluate) -> None:
    space = parse_space(text)
    ours = by_searcher(HyperoptSearcher(space, algorithm, seed=7), evaluate)
    assert as_texts(ours) == as_texts(by_fmin(space, algorithm, evaluate, seed=7))


@pytest.mark.parametrize("algorithm", SUGGEST)
def test_the_points_of_choices_are_those_of_fmin(algorithm: str) -> None:
    check_points(SPACES["choices"], algorithm, tied)


@pytest.mark.parametrize("algorithm", SUGGEST)
def test_the_points_of_all_distributions_are_those_of_fmin(algorithm: str) -> None:
    check_points("".join(SPACES.values()), algorithm, mixed)


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("algorithm", SUGGEST)
@pytest.mark.parametrize("evaluate", [tied, mixed])
def test_the_points_are_those_of_fmin(space: str, algorithm: str, evaluate: Evaluate) -> None:
    check_points(SPACES[space], algorithm, evaluate)


@pytest.mark.parametrize("algorithm", SUGGEST)
def test_given_points_are_those_that_fmin_evaluates_first(algorithm: Any) -> None:
    space = parse_space("a choice ['x', 'y', 'z']\nu uniform 0,1\nk uniformint 1,9\n")
    given: list[Params] = [{"a": "z", "u": 0.25, "k": 3}, {"a": "x", "u": 0.75, "k": 9}]
    raw = [{"a": 2, "u": 0.25, "k": 3}, {"a": 0, "u": 0.75, "k": 9}]
    ours = by_searcher(HyperoptSearcher(space, algorithm, seed=3, given=given), rugged, 60)
    theirs = by_fmin(space, algorithm, rugged, 3, points_to_evaluate=raw, max_evals=58)
    assert as_texts(ours) == as_texts(theirs)


@pytest.mark.parametrize("algorithm", ["tpe", "anneal"])
def test_points_that_still_run_are_seen_as_in_the_queue_of_fmin(algorithm: Any) -> None:
    """Four at once: what hyperopt suggests with the same documents in its trials."""
    space = parse_space("u uniform 0,1\nlr loguniform -8,0\n")
    searcher = HyperoptSearcher(space, algorithm, seed=5)
    domain, trials = Domain(None, as_hyperopt(space)), Trials()
    rstate = np.random.default_rng(5)
    for number in range(80):
        trials.refresh()
        (document,) = SUGGEST[algorithm]([number], domain, trials, rstate.integers(2**31 - 1))
        params = searcher.suggest(number)
        assert params == {name: float(value[0]) for name, value in document["misc"]["vals"].items()}
        document["state"] = JOB_STATE_RUNNING
        trials.insert_trial_doc(document)
        searcher.observe(Observation(number, params))
        if number >= 3:
            ended = trials._dynamic_trials[number - 3]
            loss = rugged(number, {name: value[0] for name, value in ended["misc"]["vals"].items()})
            ended.update(state=JOB_STATE_DONE, result={"status": STATUS_OK, "loss": loss})
            searcher.observe(Observation(number - 3, searcher.suggest(number - 3), "finished", loss))


@pytest.mark.parametrize("algorithm", SUGGEST)
def test_a_suggestion_does_not_depend_on_those_asked_for_before(algorithm: Any) -> None:
    space = parse_space("u uniform 0,1\n")
    one_by_one = HyperoptSearcher(space, algorithm, seed=9)
    points = [one_by_one.suggest(number) for number in range(20)]
    assert HyperoptSearcher(space, algorithm, seed=9).suggest(19) == points[19]


@pytest.mark.parametrize("algorithm", ["tpe", "anneal"])
def test_a_randint_with_too_many_values_to_weigh_is_refused(algorithm: Any) -> None:
    space = parse_space(f"seed randint {2**31}\n")
    with pytest.raises(
        SearchError, match=rf"^space: 'seed' is a randint of {2**31} values; expected .* --algo random$"
    ):
        HyperoptSearcher(space, algorithm)
    assert HyperoptSearcher(space, "random").suggest(0)
