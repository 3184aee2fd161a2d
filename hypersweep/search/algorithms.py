"""The search algorithms by name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from hypersweep.errors import SearchError, did_you_mean
from hypersweep.search.grid import GridSearcher, Order
from hypersweep.search.protocol import Searcher
from hypersweep.space import Space
from hypersweep.trial import Params

HYPEROPT = ("random", "tpe", "anneal")
OPTUNA = ("optuna:tpe", "optuna:gp", "optuna:cmaes", "optuna:nsga2")
ALGORITHMS = ("grid", *HYPEROPT, *OPTUNA)


def check_algorithm(algo: str) -> None:
    """Raises `SearchError` for a name that no algorithm has."""
    if algo not in ALGORITHMS:
        raise SearchError(
            f"--algo: unknown, got {algo!r}; expected one of {', '.join(ALGORITHMS)}.{did_you_mean(algo, ALGORITHMS)} "
            "Choose one"
        )


def open_searcher(
    space: Space,
    algo: str,
    *,
    order: Order,
    seed: int,
    given: Sequence[Params] = (),
    older: Sequence[Space] = (),
) -> Searcher:
    """The searcher of that name; the library it needs is imported now. `older` is for a grid.

    Raises `SearchError` if the library is not installed, or the space is none that it can search.
    """
    check_algorithm(algo)
    if algo == "grid":
        return GridSearcher(space, order=order, seed=seed, given=given, older=older)
    if algo in HYPEROPT:
        searcher: Searcher = _load("hyperopt", "hyperopt").HyperoptSearcher(space, algo, seed=seed, given=given)
        return searcher
    sampler = algo.removeprefix("optuna:")
    searcher = _load("optuna", "'hypersweep[optuna]'").OptunaSearcher(space, sampler, seed=seed, given=given)
    return searcher


def _load(library: str, requirement: str) -> Any:
    try:
        return importlib.import_module(f"hypersweep.search.{library}")
    except ImportError as error:
        raise SearchError(
            f"--algo: {library} cannot be imported ({error}); expected it to be installed. "
            f"Install it: pip install {requirement}"
        ) from error
