"""What every pool promises of processes: at once, stopped, interrupted, left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.contracts import runners
from hyper_tests.contracts.pools import (
    await_file,
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
from hypersweep.pool.local import LocalPool
from hypersweep.runner import RunnerReference
from hypersweep.trial import Finished, Interrupted, Result

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process can get away")
DONE = Finished(Result(valid={"score": 1.0}))


@pool_of_processes
@pytest.mark.parametrize(
    "runner",
    [runners.leave_child, pytest.param(runners.leave_daemon, marks=on_linux)],
    ids=lambda value: value.__name__,
)
def test_what_a_trial_leaves_running_is_ended_with_it(name: str, place: Place, runner: Callable[..., Any]) -> None:
    with opened(name, place, runner) as pool:
        pool.submit([trial(0)])
        assert outcomes(collect(pool, 1)) == {0: DONE}
        assert not is_alive(int(place.log.with_name("told").read_text()))


@on_linux
@pool_of_processes
def test_what_a_trial_has_started_stays_while_another_ends(name: str, place: Place) -> None:
    with opened(name, place, runners.keep_daemon, workers=2) as pool:
        pool.submit([trial(0)])
        await_file(pool, place.log.with_name("begun-0"))
        daemon = int(place.log.with_name("told").read_text())
        pool.submit([trial(1)])
        assert outcomes(collect(pool, 1)) == {1: DONE}
        assert is_alive(daemon)
        place.log.with_name("go").touch()
        assert outcomes(collect(pool, 1)) == {0: DONE}
        assert not is_alive(daemon)


def test_what_the_import_of_the_runner_has_started_stays(place: Place, tmp_path: Path) -> None:
    (tmp_path / "starting.py").write_text(
        "import subprocess\nhelper = subprocess.Popen(['sleep', '1000'])\ndef f(params): return helper.pid\n"
    )
    with opened("local", place, RunnerReference.parse("starting.py:f", tmp_path)) as pool:
        for number in range(3):
            pool.submit([trial(number)])
            outcome = outcomes(collect(pool, 1))[number]
            assert isinstance(outcome, Finished)
            helper = int(outcome.result.valid["score"])
            assert is_alive(helper)
    if sys.platform == "linux":
        assert not is_alive(helper)


@on_linux
def test_a_trial_is_readier_to_be_killed_for_memory_than_what_it_comes_from(place: Place) -> None:
    outcome = run_one("local", place, runners.tell_oom_scores)
    assert isinstance(outcome, Finished)
    scores = outcome.result.valid
    assert scores["own"] == max(500, scores["parent"])


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
            await_file(pool, place.log.with_name(f"begun-{number}"))
        assert outcomes(pool.wait(0)) == {}


@pool_of_processes
def test_stop_asks_the_trials_to_end(name: str, place: Place) -> None:
    with opened(name, place, runners.sleep, workers=2) as pool:
        for number in range(2):
            pool.submit([trial(number)])
        for number in range(2):
            await_file(pool, place.log.with_name(f"begun-{number}"))
        assert outcomes(pool.stop(TIMEOUT_S)) == {0: Interrupted(), 1: Interrupted()}
    for number in range(2):
        assert place.log.with_name(f"ended-{number}").exists(), "its finally blocks have run"


@pool_of_processes
def test_stop_is_heard_where_a_signal_is_missed(name: str, place: Place) -> None:
    with opened(name, place, runners.sleep_on) as pool:
        pool.submit([trial(0)])
        await_file(pool, place.log.with_name("begun-0"))
        assert outcomes(pool.stop(TIMEOUT_S)) == {0: Interrupted()}
    assert place.log.with_name("ended-0").exists(), "its finally blocks have run"


@pool_of_processes
def test_stop_ends_the_trials_that_do_not(name: str, place: Place) -> None:
    with opened(name, place, runners.ignore_the_end) as pool:
        pool.submit([trial(0)])
        await_file(pool, place.log.with_name("begun-0"))
        assert outcomes(pool.stop(0.3)) == {0: Interrupted()}


def test_interrupt_reaches_the_trial_in_this_process(place: Place) -> None:
    """What the controller's signal handler does, done while the trial runs."""
    with opened("inline", place, runners.sleep) as pool:
        pool.submit([trial(0)])
        threading.Thread(target=_interrupt_when, args=(place.log.with_name("begun-0"),)).start()
        with _signals_to(pool):
            assert outcomes(collect(pool, 1)) == {0: Interrupted()}
    assert place.log.with_name("ended-0").exists()


def test_a_guard_that_was_killed_is_replaced(place: Place) -> None:
    """Else nobody would end what a trial has started, should the rest be killed as well."""
    with opened("local", place, runners.sleep) as pool:
        assert isinstance(pool, LocalPool)
        pool.submit([trial(0)])
        wait_until(place.log.with_name("begun-0").exists, "the trial")
        pool.guard.kill()
        assert outcomes(collect(pool, 1)) == {0: Interrupted()}
        assert pool.guard.poll() is None


@every_pool
def test_a_closed_pool_leaves_nothing_running_and_can_be_closed_again(name: str, place: Place) -> None:
    left = []
    for number in range(2):  # the first may start what these tests share
        with opened(name, place, runners.square) as pool:
            pool.submit([trial(number)])
            collect(pool, 1)
            pool.close()
            pool.close()
        left.append(_children())
    assert left[1] == left[0]
    assert not any("hypersweep" in args for args in left[0])


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
