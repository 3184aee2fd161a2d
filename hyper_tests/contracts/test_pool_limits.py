"""What every pool promises of trials that run too long or need too much memory."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.contracts import limits, runners
from hyper_tests.contracts.pools import (
    await_file,
    collect,
    command,
    every_pool,
    log_of,
    open_unready,
    opened,
    outcomes,
    pool_of_processes,
    run_one,
    trial,
)
from hypersweep.errors import PoolError
from hypersweep.place import Place
from hypersweep.trial import Failed, Finished, Result

DONE = Finished(Result(valid={"score": 1.0}))
SHORT_S = 0.3
TIMED_OUT = Failed("timeout: it ran longer than 0.3 s, the limit that --trial-timeout sets")


@every_pool
def test_a_trial_that_runs_too_long_is_asked_to_end(name: str, place: Place) -> None:
    assert run_one(name, place, runners.sleep, trial_timeout_s=SHORT_S) == TIMED_OUT
    assert place.log.with_name("ended-0").exists(), "its finally blocks have run"


@every_pool
def test_what_it_returns_then_does_not_count(name: str, place: Place) -> None:
    assert run_one(name, place, limits.sleep_and_return, trial_timeout_s=SHORT_S) == TIMED_OUT


@every_pool
def test_one_that_does_not_end_when_asked_is_made_to(name: str, place: Place) -> None:
    assert run_one(name, place, limits.sleep_on, trial_timeout_s=SHORT_S, grace_s=SHORT_S) == TIMED_OUT


@pool_of_processes
def test_one_that_cannot_be_asked_is_made_to_end(name: str, place: Place) -> None:
    assert run_one(name, place, runners.ignore_the_end, trial_timeout_s=SHORT_S, grace_s=SHORT_S) == TIMED_OUT


@pool_of_processes
def test_what_a_trial_has_started_is_asked_as_well(name: str, place: Place) -> None:
    assert run_one(name, place, limits.wait_for_child, trial_timeout_s=SHORT_S) == TIMED_OUT
    assert place.log.with_name("told").read_text() == "asked\n"


@pool_of_processes
def test_a_timeout_disturbs_no_other_trial(name: str, place: Place) -> None:
    with opened(name, place, limits.sleep_until_told, workers=2, trial_timeout_s=2.0) as pool:
        pool.submit([trial(0)])
        await_file(pool, place.log.with_name("begun-0"))
        deadline = time.monotonic() + 1.0
        while (left_s := deadline - time.monotonic()) > 0:
            assert outcomes(pool.wait(left_s)) == {}
        pool.submit([trial(1)])
        assert list(outcomes(collect(pool, 1))) == [0]
        place.log.with_name("go").touch()
        assert outcomes(collect(pool, 1)) == {1: DONE}


@every_pool
@pytest.mark.parametrize("text", ["exec {python} train.py", "{python} train.py; true"], ids=["itself", "below a shell"])
def test_a_command_that_runs_too_long_can_write_its_checkpoint(
    name: str, place: Place, tmp_path: Path, text: str
) -> None:
    """It is asked once, may print more than a pipe holds, and has time."""
    (tmp_path / "train.py").write_text(
        "import os, signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(tmp_path / 'asked')!r}, 'a').write('asked\\n')\n"
        "    print('x' * 300_000, flush=True)\n"
        "    time.sleep(0.5)\n"
        "    open(os.environ['HYPERSWEEP_CHECKPOINT_DIR'] + '/weights', 'w').write('weights')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "time.sleep(1000)\n"
    )
    runner = command(text.format(python=sys.executable), tmp_path)
    asked = tmp_path / "asked"
    for timeout_s in (2, 8, 32):  # on a busy machine it may take long until the program can be asked
        outcome = run_one(name, place, runner, trial_timeout_s=timeout_s)
        assert outcome == Failed(TIMED_OUT.error.replace("0.3 s", f"{timeout_s} s"))
        if asked.exists():
            break
    assert asked.read_text() == "asked\n"
    assert (place.trial_folder(0) / "checkpoint" / "weights").read_text() == "weights"
    assert log_of(place).count("x") >= 300_000


@pool_of_processes
def test_a_timeout_is_one_also_where_the_sweep_is_stopped_meanwhile(name: str, place: Place) -> None:
    with opened(name, place, limits.sleep_on, trial_timeout_s=SHORT_S, grace_s=60) as pool:
        pool.submit([trial(0)])
        await_file(pool, place.log.with_name("asked-0"))
        assert outcomes(pool.stop(SHORT_S)) == {0: TIMED_OUT}


def test_inline_leaves_a_timer_of_somebody_else_alone(place: Place) -> None:
    rung: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda signum, _: rung.append(signum))
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, 1000, 7)
    try:
        run_one("inline", place, runners.sleep, trial_timeout_s=SHORT_S)
        is_left_s, is_interval_s = signal.getitimer(signal.ITIMER_REAL)
        signal.raise_signal(signal.SIGALRM)
    finally:
        signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)
        signal.signal(signal.SIGALRM, handler)
    assert 900 < is_left_s < 1000
    assert is_interval_s == 7
    assert rung == [signal.SIGALRM]


def test_inline_outside_the_main_thread_takes_no_limit(place: Place) -> None:
    errors: list[PoolError] = []

    def open_there() -> None:
        try:
            open_unready("inline", place, runners.sleep, trial_timeout_s=SHORT_S)
        except PoolError as error:
            errors.append(error)

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()
    assert [str(error) for error in errors] == [
        "--trial-timeout: got 0.3 s for pool inline outside the main thread, where it cannot stop a trial; "
        "expected no limit. Use --pool local"
    ]


@every_pool
@pytest.mark.parametrize(
    ("runner", "error"),
    [
        (limits.allocate_too_much, "out of memory: MemoryError"),
        (
            limits.raise_out_of_memory,
            "out of memory: OutOfMemoryError: Tried to allocate 20.00 MiB. GPU 0 has",
        ),
        (limits.raise_as_older_torch, "out of memory: RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_error_that_speaks_of_memory_is_told_so(
    name: str, place: Place, runner: Callable[..., Any], error: str
) -> None:
    outcome = run_one(name, place, runner)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith(error)


@pool_of_processes
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no limit of a process's addresses")
def test_a_trial_that_has_used_up_its_memory_is_told_of(name: str, place: Place) -> None:
    assert run_one(name, place, limits.fill_memory) == Failed("out of memory: MemoryError")
    assert "in fill_memory" in log_of(place)


@every_pool
def test_a_command_that_ran_out_of_memory(name: str, place: Place, tmp_path: Path) -> None:
    failing = command("echo 'torch.OutOfMemoryError: CUDA out of memory.' >&2; exit 1", tmp_path)
    assert run_one(name, place, failing) == Failed(
        "out of memory: the command ended with exit code 1: torch.OutOfMemoryError: CUDA out of memory."
    )
