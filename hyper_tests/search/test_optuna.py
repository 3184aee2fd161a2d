"""Optuna's samplers: what they cannot search, and that they are Optuna's own."""

from __future__ import annotations

import importlib.util
import math
import sys
from typing import Any

import pytest

from hyper_tests.contracts.searchers import BOUNDED, Search, finish, needs_optuna
from hypersweep.errors import SearchError
from hypersweep.search import Observation, open_searcher
from hypersweep.spacefile import parse_space
from hypersweep.trial import Params

pytestmark = needs_optuna
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


@pytest.mark.parametrize("kind", ["normal", "qnormal", "lognormal", "qlognormal"])
def test_a_distribution_without_bounds_is_refused(kind: str) -> None:
    space = parse_space(f"a choice [1]\nn {kind} 0,1{',1' * kind.startswith('q')}\n")
    with pytest.raises(SearchError, match=f"space: 'n' has no bounds, got {kind}; expected bounds, as Optuna's"):
        open_searcher(space, "optuna:tpe", order="sequential", seed=1)


def test_a_missing_optuna_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "hypersweep.search.optuna", raising=False)
    with pytest.raises(SearchError, match=r"--algo: optuna cannot be imported.*pip install 'hypersweep\[optuna\]'"):
        open_searcher(BOUNDED, "optuna:tpe", order="sequential", seed=1)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "nsga2"])
def test_it_finds_what_is_best(sampler: str) -> None:
    """Better than the first points, which are drawn at random."""
    space = parse_space("x uniform -5,5\ny uniform -5,5\n")
    search = Search(open_searcher(space, f"optuna:{sampler}", order="sequential", seed=3), end=finish)
    search.run(150)
    losses = [observation.loss for observation in search.told if observation.loss is not None]
    assert sum(losses[-20:]) < sum(losses[:20]) / 2


@needs_torch
def test_the_gaussian_process_finds_what_is_best() -> None:
    import torch

    num_threads = torch.get_num_threads()
    space = parse_space("x uniform -5,5\ny uniform -5,5\n")
    search = Search(open_searcher(space, "optuna:gp", order="sequential", seed=3), end=finish)
    search.run(17)
    losses = [observation.loss for observation in search.told if observation.loss is not None]
    assert min(losses[10:]) < min(losses[:10])
    assert torch.get_num_threads() == num_threads, "as it was"


@needs_torch
def test_the_gaussian_process_knows_what_still_runs_by_its_point() -> None:
    """Also where all that have ended have a parameter which a running one has not; an infinite loss is told as well."""
    space = parse_space(
        """parameters:
  optimizer: [adam, sgd]
  lr: {uniform: [0.0, 1.0]}
  momentum: {uniform: [0.0, 0.9], only_if: optimizer == "sgd"}
"""
    )
    given: list[Params] = [{"optimizer": "sgd", "lr": step / 20, "momentum": step / 20} for step in range(14)]

    def end(observation: Observation) -> Observation:
        loss = math.inf if observation.number == 3 else 1.0  # so that it tries what is new
        return Observation(observation.number, observation.params, "finished", loss)

    def open_search() -> Search:
        searcher = open_searcher(space, "optuna:gp", order="sequential", seed=1, given=given)
        return Search(searcher, slots=4, end=end)

    unbroken = open_search()
    points = unbroken.run(18)
    assert "momentum" not in points[14]
    assert open_search().resume(unbroken.told[:-1]).run(18) == points


def test_the_points_of_cmaes_are_those_of_a_study_whose_sampler_is_seeded_for_each() -> None:
    import optuna

    from hypersweep.search.optuna import _seed_of

    space = parse_space("x uniform -5,5\ny loguniform -5,5\nk uniformint 1,9\n")
    study = optuna.create_study()

    def objective(trial: Any) -> float:
        x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", math.exp(-5), math.exp(5), log=True)
        return float((x - 3) ** 2 + (y - 3) ** 2 + trial.suggest_int("k", 1, 9))

    for number in range(40):
        study.sampler = optuna.samplers.CmaEsSampler(seed=_seed_of(7, number))
        study.optimize(objective, n_trials=1)
    searcher = open_searcher(space, "optuna:cmaes", order="sequential", seed=7)
    for number, trial in enumerate(study.trials):
        params = searcher.suggest(number)
        assert params == trial.params
        searcher.observe(Observation(number, params))
        searcher.observe(Observation(number, params, "finished", trial.value))
