"""Pools: where trials run. See `protocol` for what one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypersweep.errors import PoolError, did_you_mean
from hypersweep.pool.inline import open_inline
from hypersweep.pool.local import LocalPool
from hypersweep.pool.protocol import Description, Ended, Placed, Pool, PoolEvent, Reported, Work
from hypersweep.pool.resources import Resources

__all__ = [
    "POOLS",
    "Description",
    "Ended",
    "Placed",
    "Pool",
    "PoolEvent",
    "Reported",
    "Resources",
    "Work",
    "open_pool",
]


def _open_ray(work: Work, resources: Resources) -> Pool:
    try:
        from hypersweep.pool.ray import RayPool
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise PoolError(
            "--pool ray: Ray is not installed; expected the package ray. Install it: pip install 'hypersweep[ray]'"
        ) from error
    return RayPool(work, resources)


POOLS: Mapping[str, Callable[[Work, Resources], Pool]] = {"local": LocalPool, "inline": open_inline, "ray": _open_ray}


def open_pool(work: Work, resources: Resources) -> Pool:
    """The pool that the resources name, ready to describe its runner; raises `PoolError` for an unknown name or
    resources it cannot have, `RunnerError` if the runner cannot be loaded."""
    if resources.pool not in POOLS:
        known = ", ".join(POOLS)
        hint = did_you_mean(resources.pool, POOLS)
        raise PoolError(f"--pool: got {resources.pool!r}; expected one of {known}.{hint} Choose one")
    if resources.workers is not None and resources.workers < 1:
        raise PoolError(f"--workers: got {resources.workers}; expected at least 1. Give a positive number")
    return POOLS[resources.pool](work, resources)
