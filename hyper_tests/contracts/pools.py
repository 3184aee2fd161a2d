"""The pools as the contract tests use them, with the trials of `runners.py`."""

from __future__ import annotations

import contextlib
import functools
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.contracts import runners
from hyper_tests.contracts.ray_cluster import ray_resources
from hyper_tests.processes import TIMEOUT_S, wait_until
from hypersweep.place import Place
from hypersweep.pool import Ended, Pool, PoolEvent, Reported, Resources, Work, open_pool
from hypersweep.runner import RunnerReference
from hypersweep.runner.contract import GRACE_S
from hypersweep.trial import Outcome, Trial

# A function at the top of a file, the name of one of `runners.py`, or what `command` gives.
Runner = Callable[..., Any] | str | RunnerReference

# How each pool is opened in these tests. Another pool passes the same suite by a line here (and in SLOW, if it takes
# long to start); what it needs around it, such as a cluster, its function may start once and keep.
RESOURCES: Mapping[str, Callable[..., Resources]] = {
    "local": functools.partial(Resources, pool="local"),
    "inline": functools.partial(Resources, pool="inline"),
    "ray": ray_resources,
}
SLOW = frozenset({"ray"})


def _parametrize(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in names]
    )


every_pool = _parametrize(RESOURCES)
pool_of_processes = _parametrize(name for name in RESOURCES if name != "inline")


@contextlib.contextmanager
def opened(name: str, place: Place, runner: Runner, **options: Any) -> Iterator[Pool]:
    """A pool for one of the runners, ready for trials; the options are those of `open_unready`."""
    pool = open_unready(name, place, runner, **options)
    try:
        pool.describe()
        yield pool
    finally:
        pool.close()


def open_unready(
    name: str,
    place: Place,
    runner: Runner,
    *,
    resources: Mapping[str, Any] | None = None,
    workers: int | None = 1,
    threads: int = 1,
    trial_timeout_s: float | None = None,
    grace_s: float = GRACE_S,
    **settings: Any,
) -> Pool:
    """A pool before `describe`. Of the fixed settings `told` is there always: a path in the test's folder."""
    if not isinstance(runner, RunnerReference):
        file = runners.__file__ if isinstance(runner, str) else inspect.getfile(runner)
        attribute = runner if isinstance(runner, str) else runner.__name__
        runner = RunnerReference.parse(f"{file}:{attribute}", Path.cwd())
    work = Work(
        reference=runner,
        settings={"told": str(place.log.with_name("told")), **settings},
        varied={"x": [1, 2]},
        threads=threads,
        place=place,
        trial_timeout_s=trial_timeout_s,
        grace_s=grace_s,
    )
    return open_pool(work, RESOURCES[name](**{"workers": workers, **(resources or {})}))


def command(text: str, directory: Path) -> RunnerReference:
    """A shell command as the runner."""
    return RunnerReference(text, is_command=True, directory=str(directory))


def trial(number: int, **params: Any) -> Trial:
    return Trial(number, params or {"x": number}, seed=2020)


def collect(pool: Pool, num_ends: int, on_report: Callable[[Reported], None] | None = None) -> list[PoolEvent]:
    """All events until so many trials have ended; with `on_report` each report is answered at once, as the loop does
    it, wherever it is told."""
    if on_report is not None:
        pool.listen(on_report)
    events: list[PoolEvent] = []
    deadline = time.monotonic() + TIMEOUT_S
    while sum(isinstance(event, Ended) for event in events) < num_ends:
        assert time.monotonic() < deadline, events
        for event in pool.wait(0.1):
            events.append(event)
            if on_report is not None and isinstance(event, Reported):
                on_report(event)
    return events


def await_file(pool: Pool, path: Path) -> None:
    """Until a trial has made the file; the pool is looked after meanwhile, as the loop does."""
    wait_until(lambda: outcomes(pool.wait(0.01)) or path.exists(), path.name)
    assert path.exists(), "a trial has ended instead"


def reports(events: list[PoolEvent]) -> list[Reported]:
    return [event for event in events if isinstance(event, Reported)]


def outcomes(events: list[PoolEvent]) -> dict[int, Outcome]:
    ends = [event for event in events if isinstance(event, Ended)]
    assert len({end.number for end in ends}) == len(ends), "a trial ends once"
    return {end.number: end.outcome for end in ends}


def run_one(name: str, place: Place, runner: Runner, **options: Any) -> Outcome:
    with opened(name, place, runner, **options) as pool:
        pool.submit([trial(0)])
        return outcomes(collect(pool, 1))[0]


def log_of(place: Place, number: int = 0) -> str:
    return (place.trial_folder(number) / "log.txt").read_text()
