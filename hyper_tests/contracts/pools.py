"""The pools as the contract tests use them, with the trials of `runners.py`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.contracts import runners
from hyper_tests.processes import TIMEOUT_S
from hypersweep.place import Place
from hypersweep.pool import POOLS, Ended, Pool, PoolEvent, Resources, Work, open_pool
from hypersweep.runner import RunnerReference
from hypersweep.trial import Outcome, Trial

every_pool = pytest.mark.parametrize("name", list(POOLS))
pool_of_processes = pytest.mark.parametrize("name", [name for name in POOLS if name != "inline"])


@contextlib.contextmanager
def opened(
    name: str, place: Place, runner: Callable[..., Any] | str, *, workers: int = 1, threads: int = 1, **settings: Any
) -> Iterator[Pool]:
    """A pool for one of the runners, ready for trials. `told` is a path in the test's folder."""
    pool = open_unready(name, place, runner, workers=workers, threads=threads, **settings)
    try:
        pool.describe()
        yield pool
    finally:
        pool.close()


def open_unready(
    name: str, place: Place, runner: Callable[..., Any] | str, *, workers: int = 1, threads: int = 1, **settings: Any
) -> Pool:
    attribute = runner if isinstance(runner, str) else runner.__name__
    work = Work(
        reference=RunnerReference.parse(f"{runners.__file__}:{attribute}", Path.cwd()),
        settings={"told": str(place.log.with_name("told")), **settings},
        varied={"x": [1, 2]},
        threads=threads,
        place=place,
    )
    return open_pool(work, Resources(pool=name, workers=workers))


def trial(number: int, **params: Any) -> Trial:
    return Trial(number, params or {"x": number}, seed=2020)


def collect(pool: Pool, num_ends: int) -> list[PoolEvent]:
    """All events until so many trials have ended."""
    events: list[PoolEvent] = []
    deadline = time.monotonic() + TIMEOUT_S
    while sum(isinstance(event, Ended) for event in events) < num_ends:
        assert time.monotonic() < deadline, events
        events += pool.wait(0.1)
    return events


def outcomes(events: list[PoolEvent]) -> dict[int, Outcome]:
    ends = [event for event in events if isinstance(event, Ended)]
    assert len({end.number for end in ends}) == len(ends), "a trial ends once"
    return {end.number: end.outcome for end in ends}


def run_one(name: str, place: Place, runner: Callable[..., Any] | str, **settings: Any) -> Outcome:
    with opened(name, place, runner, **settings) as pool:
        pool.submit([trial(0)])
        return outcomes(collect(pool, 1))[0]


def log_of(place: Place, number: int = 0) -> str:
    return (place.trial_folder(number) / "log.txt").read_text()
