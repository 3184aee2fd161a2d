"""Pools: where trials run. See `protocol` for what one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypersweep.errors import PoolError, did_you_mean
from hypersweep.pool.inline import InlinePool
from hypersweep.pool.local import LocalPool
from hypersweep.pool.protocol import Description, Ended, Pool, PoolEvent, Reported, Work

__all__ = ["POOLS", "Description", "Ended", "Pool", "PoolEvent", "Reported", "Work", "open_pool"]

POOLS: Mapping[str, Callable[[Work, int], Pool]] = {"local": LocalPool, "inline": InlinePool}


def open_pool(name: str, work: Work, num_workers: int) -> Pool:
    """The pool of that name, ready to describe its runner; raises `PoolError` for an unknown name or a number of
    workers it cannot have, `RunnerError` if the runner cannot be loaded."""
    if name not in POOLS:
        known = ", ".join(POOLS)
        raise PoolError(f"--pool: got {name!r}; expected one of {known}.{did_you_mean(name, POOLS)} Choose one")
    if num_workers < 1:
        raise PoolError(f"--workers: got {num_workers}; expected at least 1. Give a positive number")
    if name == "inline" and num_workers > 1:
        raise PoolError(
            f"--workers: pool inline runs one trial at a time, got {num_workers}; expected 1. Use --pool local"
        )
    return POOLS[name](work, num_workers)
