"""Every searcher, for the contract suite: a line here is all that a new one needs."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from hypersweep.search import ALGORITHMS, Observation, Searcher, open_searcher
from hypersweep.space import Space
from hypersweep.spacefile import parse_space
from hypersweep.trial import Params

GRID = parse_space("a choice [1, 2.5, 'x', None, True]\nb choice [[64, 64], 'y', 'z']\nc choice [1, 2, 3]\n")
BOUNDED = parse_space(
    "a choice [1, 2.5, 'x', None, True]\nu uniform 0,1\nqu quniform -1,5,0.5\nlu loguniform -8,0\n"
    "qlu qloguniform 0,5,2\nri randint 7\nrl randint -3,6\nui uniformint 1,9\n"
)
RULED = parse_space(
    """parameters:
  optimizer: [adam, sgd]
  lr: {log: [0.0001, 1.0]}
  momentum: {uniform: [0.0, 0.9], only_if: optimizer == "sgd"}
  hidden: {int: [8, 64], step: 8}
  width: {logint: [1, 100]}
  heads: {int: [1, 8]}
constraints:
  - hidden % heads == 0
forbidden:
  - optimizer == "sgd" and heads == 1
"""
)
UNBOUNDED = parse_space("n normal 0,3\nqn qnormal 1,4,0.3\nln lognormal 0,1\nqln qlognormal 0,1,0.25\n")
SLOW = ("optuna:gp",)  # a second or so for each point of those that it does not draw at random

HAS_OPTUNA = importlib.util.find_spec("optuna") is not None
needs_optuna = pytest.mark.skipif(not HAS_OPTUNA, reason="needs the extra optuna")


def marks_of(algo: str) -> list[pytest.MarkDecorator]:
    slow = [pytest.mark.slow, pytest.mark.timeout(900)] if algo in SLOW else []
    return [needs_optuna] * algo.startswith("optuna:") + slow


EVERY = [pytest.param(algo, marks=marks_of(algo)) for algo in ALGORITHMS]
ENDLESS = [parameters for parameters in EVERY if parameters.values != ("grid",)]


def count_for(algo: str) -> int:
    """So many points that those that learn have learnt: all begin with some at random."""
    return 18 if algo in SLOW else 32


def space_for(algo: str) -> Space:
    return GRID if algo == "grid" else BOUNDED


def open_for(algo: str, *, seed: int = 7, given: Sequence[Params] = ()) -> Searcher:
    return open_searcher(space_for(algo), algo, order="sequential", seed=seed, given=given)


def loss_of(observation: Observation) -> float:
    """Rugged, with ties."""
    numbers = [float(value) for value in observation.params.values() if isinstance(value, (int, float))]
    return round(math.fsum(abs(number - 3) for number in numbers), 1)


def finish(observation: Observation) -> Observation:
    return Observation(observation.number, observation.params, "finished", loss_of(observation))


def end_mixed(observation: Observation) -> Observation:
    """Some fail, some are pruned, some diverge."""
    kind = observation.number % 13
    if kind == 5:
        return Observation(observation.number, observation.params, "failed")
    if kind == 7:
        return Observation(observation.number, observation.params, "pruned")
    loss = {9: math.nan, 11: math.inf}.get(kind, loss_of(observation))
    return Observation(observation.number, observation.params, "finished", loss)


@dataclass
class Search:
    """A search as a loop makes it: `slots` points at once, of which `choose` says which ends next."""

    searcher: Searcher
    slots: int = 1
    choose: Callable[[int], int] = field(default=lambda number: number)  # the running one for which it is least
    end: Callable[[Observation], Observation] = finish
    running: list[Observation] = field(default_factory=list)
    told: list[Observation] = field(default_factory=list)

    def run(self, count: int) -> list[Params]:
        """The params of the first `count` points, those told before included."""
        for observation in self._observations(count):
            self.searcher.observe(observation)
            self.told.append(observation)
        return [observation.params for observation in self.told if observation.state == "pending"]

    def resume(self, told: Sequence[Observation]) -> Search:
        """Tell the searcher what was told before."""
        for observation in told:
            self.searcher.observe(observation)
            self.told.append(observation)
            self.running = [other for other in self.running if other.number != observation.number]
            self.running += [observation] * (observation.state == "pending")
        return self

    def _observations(self, count: int) -> Iterator[Observation]:
        number = sum(observation.state == "pending" for observation in self.told)
        while True:
            while len(self.running) < self.slots and number < count:
                params = self.searcher.suggest(number)
                assert params is not None
                self.running.append(Observation(number, params))
                number += 1
                yield self.running[-1]
            if number == count:
                return
            ending = min(self.running, key=lambda observation: self.choose(observation.number))
            self.running.remove(ending)
            yield self.end(ending)
