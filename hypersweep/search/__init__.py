"""Searchers: which params the trial of a number has."""

from hypersweep.search.grid import GridSearcher
from hypersweep.search.protocol import Searcher

__all__ = ["GridSearcher", "Searcher"]
