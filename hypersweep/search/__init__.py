"""Searchers: which params the trial of a number has."""

from hypersweep.search.algorithms import ALGORITHMS, check_algorithm, open_searcher
from hypersweep.search.grid import GridSearcher
from hypersweep.search.protocol import Observation, Searcher

__all__ = ["ALGORITHMS", "GridSearcher", "Observation", "Searcher", "check_algorithm", "open_searcher"]
