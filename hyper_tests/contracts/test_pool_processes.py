"""What every pool promises of processes: at once, stopped, interrupted, left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.contracts import runners
from hyper_tests.contracts.pools import (
    collect,
    every_pool,
    opened,
    outcomes,
    pool_of_processes,
    run_one,
    trial,
)
from hyper_tests.processes import TIMEOUT_S, is_alive, wait_until
from hypersweep.interrupt import InterruptGuard
from hypersweep.place import Place
from hypersweep.pool import Pool
from hypersweep.trial import Finished, Interrupted, Result


@pool_of_processes
def test_what_a_trial_leaves_running_is_ended_with_it(name: str, place: Place) -> None:
    assert run_one(name, place, runners.leave_child) == Finished(Result(valid={"score": 1.0}))
    assert not is_alive(int(place.log.with_name("told").read_text()))


@pool_of_processes
def test_a_trial_that_returns_twice_counts_once(name: str, place: Place) -> None:
    with opened(name, place, runners.fork_and_return_twice) as pool:
        for number in range(3):
            pool.submit([trial(number)])
            assert isinstance(outcomes(collect(pool, 1))[number], Finished)


@pool_of_processes
def test_trials_run_at_once_in_their_slots(name: str, place: Place) -> None:
    with opened(name, place, runners.sleep, workers=3) as pool:
        for number in range(3):
            pool.submit([trial(number)])
        for number in range(3):
            wait_until(place.log.with_name(f"begun-{number}").exists, f"trial {number}")
        assert outcomes(pool.wait(0)) == {}


@pool_of_processes
@pytest.mark.parametrize("sizes", [(1, 1), (2,)], ids=["alone", "batch"])
def test_stop_asks_the_trials_to_end(name: str, place: Place, sizes: tuple[int, ...]) -> None:
    with opened(name, place, runners.sleep, workers=2) as pool:
        numbers = iter(range(2))
        for size in sizes:
            pool.submit([trial(next(numbers)) for _ in range(size)])
        for number in range(len(sizes)):
            wait_until(place.log.with_name(f"begun-{number}").exists, f"trial {number}")
        assert outcomes(pool.stop(TIMEOUT_S)) == {0: Interrupted(), 1: Interrupted()}
    for number in range(len(sizes)):
        assert place.log.with_name(f"ended-{number}").exists(), "its finally blocks have run"


@pool_of_processes
def test_stop_ends_the_trials_that_do_not(name: str, place: Place) -> None:
    with opened(name, place, runners.ignore_the_end) as pool:
        pool.submit([trial(0)])
        wait_until(place.log.with_name("begun-0").exists, "the trial")
        assert outcomes(pool.stop(0.3)) == {0: Interrupted()}


def test_interrupt_reaches_the_trial_in_this_process(place: Place) -> None:
    """What the controller's signal handler does, done while the trial runs."""
    with opened("inline", place, runners.sleep) as pool:
        pool.submit([trial(0)])
        threading.Thread(target=_interrupt_when, args=(place.log.with_name("begun-0"),)).start()
        with _signals_to(pool):
            assert outcomes(collect(pool, 1)) == {0: Interrupted()}
    assert place.log.with_name("ended-0").exists()


@every_pool
def test_a_closed_pool_leaves_nothing_running_and_can_be_closed_again(name: str, place: Place) -> None:
    with opened(name, place, runners.square) as pool:
        pool.submit([trial(0)])
        collect(pool, 1)
        pool.close()
        pool.close()
    assert _children() == []


@contextlib.contextmanager
def _signals_to(pool: Pool) -> Iterator[None]:
    with InterruptGuard(on_signal=pool.interrupt):
        yield


def _interrupt_when(begun: Path) -> None:
    wait_until(begun.exists, "the trial")
    os.kill(os.getpid(), signal.SIGINT)


def _children() -> list[str]:
    """The command lines of this process's children that are alive."""
    told = subprocess.run(["ps", "-eo", "ppid=,stat=,args="], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in told.splitlines()]
    return [
        args for parent, state, args in rows if int(parent) == os.getpid() and "Z" not in state and "ps -eo" not in args
    ]
