"""How good the points are that searchers try: best so far on standard functions, beside hyperopt.fmin and Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import quantiles
from typing import Any

import numpy as np
import optuna
from hyperopt import STATUS_OK, Trials, fmin, hp, tpe

from hypersweep.search import Observation, open_searcher
from hypersweep.spacefile import parse_space

NUM_SEEDS = 20
COUNTS = (25, 50, 100)

HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
HARTMANN_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])


def branin(params: Mapping[str, Any]) -> float:
    """Surjanovic & Bingham, Virtual Library of Simulation Experiments; its minimum is 0.397887."""
    x, y = params["x"], params["y"]
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return float(valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


def hartmann6(params: Mapping[str, Any]) -> float:
    """From the same library; its minimum is -3.32237."""
    x = np.array([params[f"x{position}"] for position in range(6)])
    return -float(HARTMANN_ALPHA @ np.exp(-(HARTMANN_A * (x - HARTMANN_P) ** 2).sum(axis=1)))


def branches(params: Mapping[str, Any]) -> float:
    """One parameter says which others there are; the easier branch is the worse one. Its minimum is 0."""
    if params["branch"] == "left":
        return float(abs(params["x"] - 2) / 10 + 0.5)
    return float((params["y"] - 3) ** 2 / 10 + (params["z"] + 1) ** 2 / 10)


@dataclass(frozen=True)
class Problem:
    """A function to be minimized, its space as each tool has it."""

    name: str
    function: Callable[[Mapping[str, Any]], float]
    text: str  # of hypersweep's space
    nodes: Any  # of hyperopt's
    draw: Callable[[optuna.Trial], Mapping[str, Any]]


HARTMANN_NAMES = [f"x{position}" for position in range(6)]


def draw_branch(trial: optuna.Trial) -> Mapping[str, Any]:
    branch = trial.suggest_categorical("branch", ["left", "right"])
    names = ["x"] if branch == "left" else ["y", "z"]
    return {"branch": branch, **{name: trial.suggest_float(name, -5, 5) for name in names}}


PROBLEMS = (
    Problem(
        "Branin",
        branin,
        "x uniform -5,10\ny uniform 0,15\n",
        {"x": hp.uniform("x", -5, 10), "y": hp.uniform("y", 0, 15)},
        lambda trial: {"x": trial.suggest_float("x", -5, 10), "y": trial.suggest_float("y", 0, 15)},
    ),
    Problem(
        "Hartmann6",
        hartmann6,
        "".join(f"{name} uniform 0,1\n" for name in HARTMANN_NAMES),
        {name: hp.uniform(name, 0, 1) for name in HARTMANN_NAMES},
        lambda trial: {name: trial.suggest_float(name, 0, 1) for name in HARTMANN_NAMES},
    ),
    Problem(
        "conditional",
        branches,
        """parameters:
  branch: [left, right]
  x: {uniform: [-5.0, 5.0], only_if: branch == "left"}
  y: {uniform: [-5.0, 5.0], only_if: branch == "right"}
  z: {uniform: [-5.0, 5.0], only_if: branch == "right"}
""",
        hp.choice(
            "branch",
            [
                {"branch": "left", "x": hp.uniform("x", -5, 5)},
                {"branch": "right", "y": hp.uniform("y", -5, 5), "z": hp.uniform("z", -5, 5)},
            ],
        ),
        draw_branch,
    ),
)


def run_own(problem: Problem, algo: str, seed: int) -> list[float]:
    """The losses of the points, in their order."""
    searcher = open_searcher(parse_space(problem.text, "space.yaml"), algo, order="sequential", seed=seed)
    losses = []
    for number in range(max(COUNTS)):
        params = searcher.suggest(number)
        assert params is not None
        searcher.observe(Observation(number, params))
        losses.append(problem.function(params))
        searcher.observe(Observation(number, params, "finished", losses[-1]))
    return losses


def run_fmin(problem: Problem, seed: int) -> list[float]:
    trials = Trials()
    fmin(
        lambda params: {"loss": problem.function(params), "status": STATUS_OK},
        problem.nodes,
        algo=tpe.suggest,
        max_evals=max(COUNTS),
        trials=trials,
        rstate=np.random.default_rng(seed),
        show_progressbar=False,
        verbose=False,
    )
    return list(trials.losses())


def run_optuna(problem: Problem, seed: int) -> list[float]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(lambda trial: problem.function(problem.draw(trial)), n_trials=max(COUNTS))
    return [trial.value for trial in study.get_trials(deepcopy=False) if trial.value is not None]


TOOLS: Mapping[str, Callable[[Problem, int], list[float]]] = {
    "hypersweep, `tpe`": lambda problem, seed: run_own(problem, "tpe", seed),
    "hyperopt.fmin, TPE": run_fmin,
    "hypersweep, `optuna:tpe`": lambda problem, seed: run_own(problem, "optuna:tpe", seed),
    "Optuna, TPE": run_optuna,
}


def measure_rows() -> Iterator[Sequence[str]]:
    """A row for each function and tool; hypersweep's `tpe` with whether it tried the very points of fmin."""
    for problem in PROBLEMS:
        runs = {tool: [run(problem, seed) for seed in range(NUM_SEEDS)] for tool, run in TOOLS.items()}
        own, theirs, *_ = runs.values()
        num_same = sum(losses == others for losses, others in zip(own, theirs, strict=True))
        for tool, losses_of in runs.items():
            same = f"{num_same} of {NUM_SEEDS}" if losses_of is own else ""
            yield [problem.name, tool, *(describe(losses_of, count) for count in COUNTS), same]


def describe(losses_of: Sequence[Sequence[float]], count: int) -> str:
    """The median of the best so far, and the quartiles."""
    bests = [list(accumulate(losses, min))[count - 1] for losses in losses_of]
    low, middle, high = quantiles(bests, n=4, method="inclusive")
    return f"{middle:.3f} ({low:.3f} – {high:.3f})"
