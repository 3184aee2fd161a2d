"""What a suggestion costs and what it is worth: hypersweep's searchers beside hyperopt and Optuna themselves."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import optuna
from hyperopt import STATUS_OK, Trials, anneal, hp, rand, tpe
from hyperopt.base import JOB_STATE_DONE, Domain
from hyperopt.fmin import FMinIter
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from benchmarks.best_so_far import COUNTS, NUM_SEEDS, measure_rows
from benchmarks.report import format_table
from hypersweep.search import Observation, open_searcher
from hypersweep.spacefile import parse_space
from hypersweep.trial import Params

TITLE = "Searching"
TEXT = """\
Four parameters: a choice, `uniform`, `loguniform`, `uniformint`. A cell says: milliseconds of a suggestion of
hypersweep, with telling the point and its loss / of the library itself / the ratio; medians of {num_timed} suggestions
where so many trials have ended, taken in turns in one process. Histories are of random points; those of CMA-ES and
NSGA-II, which go by generations, are what each has suggested, up to 1,000. The Gaussian process, whose cost grows with
the cube of the trials, is measured at 100 only. `resume` is what it takes hypersweep to tell a searcher 10,000
recorded trials, and the first suggestion (at CMA-ES and NSGA-II of 1,000, at the Gaussian process of 100).
"""
CURVES_TEXT = """\
The best so far after so many evaluations, smaller is better: median (quartiles) over {num_seeds} seeds. `same points`:
for how many seeds hypersweep's `tpe` has tried the very points of fmin. It does where fmin has the same space; where
parameters depend on others, hypersweep has all drawn and leaves out those that are not there, and fmin has some drawn.
"""
CHOICES = (1, 2.5, "x", None)
SPACE = parse_space("a choice [1, 2.5, 'x', None]\nu uniform 0,1\nlu loguniform -8,0\nui uniformint 1,9\n")
NODES: Mapping[str, Any] = {
    "a": hp.choice("a", list(range(4))),
    "u": hp.uniform("u", 0, 1),
    "lu": hp.loguniform("lu", -8, 0),
    "ui": hp.uniformint("ui", 1, 9),
}
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "a": CategoricalDistribution(range(4)),
    "u": FloatDistribution(0, 1),
    "lu": FloatDistribution(math.exp(-8), 1, log=True),
    "ui": IntDistribution(1, 9),
}
SAMPLERS: Mapping[str, Callable[[], BaseSampler]] = {
    "tpe": lambda: optuna.samplers.TPESampler(seed=1, constant_liar=True),
    "gp": lambda: optuna.samplers.GPSampler(seed=1),
    "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=1, warn_independent_sampling=False),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=1),
}
NUM_TIMED = 9
SIZES = (100, 1_000, 10_000)
MAX_SIZES = {"optuna:gp": 100, "optuna:cmaes": 1_000, "optuna:nsga2": 1_000}
GENERATIONAL = ("optuna:cmaes", "optuna:nsga2")
ALGORITHMS = ("random", "tpe", "anneal", "optuna:tpe", "optuna:cmaes", "optuna:nsga2", "optuna:gp")


def loss_of(params: Mapping[str, Any]) -> float:
    return float((params["u"] - 0.3) ** 2 + math.log(params["lu"] / 0.02) ** 2 / 50 + (params["ui"] - 5) ** 2 / 100)


def draw_history(size: int) -> list[Params]:
    searcher = open_searcher(SPACE, "random", order="sequential", seed=1)
    return [params for number in range(size) if (params := searcher.suggest(number)) is not None]


class Own:
    """hypersweep's searcher; `ask` makes a suggestion and tells what came of it."""

    def __init__(self, algo: str, history: Sequence[Params]) -> None:
        self.searcher = open_searcher(SPACE, algo, order="sequential", seed=1)
        self.points: list[Params] = []
        for params in history:
            self._tell(params)

    def ask(self) -> None:
        params = self.searcher.suggest(len(self.points))
        assert params is not None
        self._tell(params)

    def _tell(self, params: Params) -> None:
        number = len(self.points)
        self.searcher.observe(Observation(number, params))
        self.searcher.observe(Observation(number, params, "finished", loss_of(params)))
        self.points.append(params)


class Hyperopt:
    """fmin's own loop, over a history in its trials."""

    def __init__(self, algo: str, history: Sequence[Params]) -> None:
        suggest = {"random": rand.suggest, "tpe": partial(tpe.suggest, verbose=False), "anneal": anneal.suggest}[algo]
        trials = Trials()
        for number, params in enumerate(history):
            values = {**params, "a": CHOICES.index(params["a"])}
            misc = {
                "tid": number,
                "cmd": ("domain_attachment", "FMinIter_Domain"),
                "idxs": {name: [number] for name in values},
                "vals": {name: [value] for name, value in values.items()},
            }
            result = {"status": STATUS_OK, "loss": loss_of(params)}
            (document,) = trials.new_trial_docs([number], [None], [result], [misc])
            trials.insert_trial_doc({**document, "state": JOB_STATE_DONE})
        trials.refresh()
        rng = np.random.default_rng(1)
        self.loop = FMinIter(suggest, Domain(loss_of, NODES), trials, rng, show_progressbar=False)

    def ask(self) -> None:
        next(self.loop)


class Optuna:
    """A study in memory with one sampler."""

    def __init__(self, algo: str, history: Sequence[Params]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(sampler=SAMPLERS[algo.removeprefix("optuna:")]())
        for params in history:
            values = {**params, "a": CHOICES.index(params["a"])}
            trial = optuna.trial.create_trial(params=values, distributions=DISTRIBUTIONS, value=loss_of(params))
            self.study.add_trial(trial)

    def ask(self) -> None:
        trial = self.study.ask(DISTRIBUTIONS)
        self.study.tell(trial, loss_of(trial.params))


def measure_section() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of experimental features
        rates = [*measure_rates()]
        curves = [*measure_rows()]
    names = ["algorithm", *(f"at {size:,}" for size in SIZES), "resume"]
    curve_names = ["function", "searcher", *(f"at {count}" for count in COUNTS), "same points"]
    return (
        f"{TEXT.format(num_timed=NUM_TIMED)}\n{format_table(names, rates)}\n\n"
        f"{CURVES_TEXT.format(num_seeds=NUM_SEEDS)}\n{format_table(curve_names, curves)}"
    )


def measure_rates() -> Iterator[Sequence[str]]:
    """A row for each algorithm."""
    history = draw_history(max(SIZES))
    for algo in ALGORITHMS:
        cells = [compare(algo, history[:size]) if size <= MAX_SIZES.get(algo, size) else "–" for size in SIZES]
        size = MAX_SIZES.get(algo, max(SIZES))
        started = time.perf_counter()
        Own(algo, history[:size]).ask()
        yield [f"`{algo}`", *cells, f"{time.perf_counter() - started:.1f} s"]


def compare(algo: str, history: Sequence[Params]) -> str:
    """The two times and their ratio, where so many trials have ended."""
    is_generational = algo in GENERATIONAL
    make_peer = Optuna if algo.startswith("optuna:") else Hyperopt
    own, peer = (make(algo, () if is_generational else history) for make in (Own, make_peer))
    for _ in history if is_generational else ():
        own.ask()
        peer.ask()
    times = [(clock(own.ask), clock(peer.ask)) for _ in range(NUM_TIMED)]
    own_s, peer_s = map(median, zip(*times, strict=True))
    return f"{1000 * own_s:.1f} / {1000 * peer_s:.1f} / {own_s / peer_s:.2f}"


def clock(ask: Callable[[], None]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started
