"""What every pool promises of trials that run together."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from hyper_tests.contracts import batches, runners
from hyper_tests.contracts.pools import (
    await_file,
    collect,
    every_pool,
    log_of,
    open_unready,
    opened,
    outcomes,
    pool_of_processes,
    reports,
    trial,
)
from hypersweep.interrupt import InterruptGuard
from hypersweep.place import Place
from hypersweep.pool import Ended, Pool, Reported
from hypersweep.trial import Failed, Finished, Interrupted, Outcome, Pruned, Result, Trial

DONE = Finished(Result(valid={"score": 1.0}))
SHORT_S = 0.3
TIMED_OUT = Failed("timeout: it ran longer than 0.3 s, the limit that --trial-timeout sets")


def run(name: str, place: Place, runner: Callable[..., Any], num_trials: int, **options: Any) -> dict[int, Outcome]:
    with opened(name, place, runner, **options) as pool:
        pool.submit([trial(number) for number in range(num_trials)])
        return outcomes(collect(pool, num_trials))


@every_pool
def test_they_share_a_process_and_end_in_any_order(name: str, place: Place) -> None:
    with opened(name, place, batches.square) as pool:
        pool.submit([Trial(number, {"x": number}, seed=10 + number) for number in range(3)])
        events = [event for event in collect(pool, 3) if isinstance(event, Ended)]
    assert [event.number for event in events] == [2, 1, 0]
    results = [event.outcome.result.valid for event in events if isinstance(event.outcome, Finished)]
    assert [(valid["square"], valid["seed"]) for valid in results] == [(4, 12), (1, 11), (0, 10)]
    assert len({valid["process"] for valid in results}) == 1


@every_pool
def test_one_trial_runs_alone(name: str, place: Place) -> None:
    assert run(name, place, batches.square, 1) == {0: Finished(Result(valid={"score": -1.0}))}
    assert not place.trial_folder(0).exists()


@every_pool
def test_the_ends_may_come_in_a_list(name: str, place: Place) -> None:
    assert run(name, place, batches.square_at_once, 3) == {
        number: Finished(Result(valid={"score": float(number**2)})) for number in range(3)
    }


@every_pool
@pytest.mark.parametrize(("runner", "free"), [(batches.square, ["x"]), (runners.square, None)], ids=["can", "cannot"])
def test_what_the_runner_declares(name: str, place: Place, runner: Callable[..., Any], free: list[str] | None) -> None:
    pool = open_unready(name, place, runner)
    try:
        described = pool.describe()
    finally:
        pool.close()
    assert described.batch_free == free
    assert described.batch_size == 1


@every_pool
def test_each_ends_in_its_own_way(name: str, place: Place) -> None:
    found = run(name, place, batches.end_differently, 5)
    assert "the runner returned None; expected a number" in str(found[2])
    assert {number: found[number] for number in (0, 1, 3, 4)} == {
        0: DONE,
        1: Failed("ValueError: of one"),
        3: Pruned(3),
        4: Failed("out of memory: MemoryError: too large"),
    }
    assert "ValueError: of one" in log_of(place, 1), "its traceback is in its log"
    assert "Traceback" not in log_of(place, 0)


@every_pool
@pytest.mark.parametrize(
    ("runner", "error"),
    [
        (batches.raise_after_one, "ValueError: of all"),
        (batches.stop_after_one, "run_batch: ended before all of its trials had; expected an end of each"),
        (batches.tell_twice, r"run_batch: told an end that is none, got (0, 2.0); expected the number of a trial that"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_fails_the_batch_fails_those_that_have_not_ended(
    name: str, place: Place, runner: Callable[..., Any], error: str
) -> None:
    found = run(name, place, runner, 3)
    assert found[0] == DONE
    for number in (1, 2):
        outcome = found[number]
        assert isinstance(outcome, Failed)
        assert outcome.error.startswith(error)
    if runner is batches.raise_after_one:
        assert "Traceback" in log_of(place, 1), "that of the first that had not ended"


@pool_of_processes
def test_a_crash_is_the_failure_of_those_that_have_not_ended(name: str, place: Place) -> None:
    crashed = Failed("the process ended with exit code 7 before it returned a result")
    assert run(name, place, batches.crash_after_one, 3) == {0: DONE, 1: crashed, 2: crashed}


@every_pool
def test_an_end_is_told_while_the_others_run(name: str, place: Place) -> None:
    place.log.with_name("go-0").touch()
    with opened(name, place, batches.end_one_by_one) as pool:
        pool.submit([trial(number) for number in range(2)])
        assert outcomes(collect(pool, 1)) == {0: DONE}
        place.log.with_name("go-1").touch()
        assert outcomes(collect(pool, 1)) == {1: DONE}
        pool.submit([trial(2)])
        assert outcomes(collect(pool, 1)) == {2: Finished(Result(valid={"score": -1.0}))}, "the slot is free again"


@every_pool
def test_they_are_asked_to_end_together(name: str, place: Place) -> None:
    assert run(name, place, batches.sleep, 3, trial_timeout_s=SHORT_S) == {0: DONE, 1: TIMED_OUT, 2: TIMED_OUT}
    assert all(place.log.with_name(f"ended-{number}").exists() for number in (1, 2)), "the finally blocks have run"


@every_pool
def test_the_time_is_that_of_all_of_them(name: str, place: Place) -> None:
    """What ends after it has ended too late, also where another end came before."""
    for number in range(2):
        place.log.with_name(f"go-{number}").touch()
    assert run(name, place, batches.end_one_by_one, 3, trial_timeout_s=1.0) == {
        0: DONE,
        1: DONE,
        2: Failed(TIMED_OUT.error.replace("0.3 s", "1 s")),
    }


@every_pool
def test_a_stop_interrupts_those_that_have_not_ended(name: str, place: Place) -> None:
    with opened(name, place, batches.sleep) as pool:
        pool.submit([trial(number) for number in range(3)])
        assert outcomes(collect(pool, 1)) == {0: DONE}
        if name != "inline":
            await_file(pool, place.log.with_name("begun"))
        assert outcomes(pool.stop(5.0)) == {1: Interrupted(), 2: Interrupted()}
    if name != "inline":  # where nothing of them has run since
        assert all(place.log.with_name(f"ended-{number}").exists() for number in (1, 2))


def test_a_signal_interrupts_those_that_have_not_ended_inline(place: Place) -> None:
    with opened("inline", place, batches.sleep) as pool, InterruptGuard(on_signal=pool.interrupt) as guard:
        pool.submit([trial(number) for number in range(3)])
        assert outcomes(pool.wait(0)) == {0: DONE}
        handler = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        signal.setitimer(signal.ITIMER_REAL, SHORT_S)
        try:
            assert outcomes(pool.wait(0)) == {1: Interrupted(), 2: Interrupted()}
        finally:
            signal.signal(signal.SIGALRM, handler)
        assert guard.is_requested
    assert place.log.with_name("ended-2").exists()


@pool_of_processes
def test_a_lost_server_interrupts_all_of_them(name: str, place: Place) -> None:
    if name != "local":
        pytest.skip("looks at the server process")
    with opened(name, place, batches.remember_checkpoint) as pool:
        trials = [trial(number) for number in range(2)]
        pool.submit(trials)
        await_file(pool, place.log.with_name("begun"))
        os.kill(pool.guard.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        assert outcomes(collect(pool, 2)) == {0: Interrupted(), 1: Interrupted()}
        place.log.with_name("go").touch()
        pool.submit(trials)
        assert outcomes(collect(pool, 2)) == dict.fromkeys(range(2), Finished(Result(valid={"score": 2.0})))


@every_pool
def test_one_of_them_is_pruned(name: str, place: Place) -> None:
    told: list[Reported] = []
    with opened(name, place, batches.report_on_and_on) as pool:

        def on_report(reported: Reported) -> None:
            told.append(reported)
            if (reported.number, reported.step) == (8, 3):
                pool.prune(8)

        ended = run_reporting(pool, [trial(7, last=30), trial(8), trial(9, last=5)], on_report)
    assert ended[7] == ended[9] == DONE
    assert ended[8] == Pruned(max(report.step for report in told if report.number == 8))
    assert [report.step for report in told if report.number == 7] == list(range(1, 31)), "it goes on"


@every_pool
def test_pruning_that_is_not_caught_is_told(name: str, place: Place) -> None:
    with opened(name, place, batches.let_pruning_through) as pool:
        ended = run_reporting(pool, [trial(0), trial(1)], lambda reported: pool.prune(1))
    for outcome in ended.values():
        assert isinstance(outcome, Failed)
        assert outcome.error.startswith("run_batch: TrialPruned has come out of it, and is for one of its trials")


def run_reporting(pool: Pool, batch: list[Trial], on_report: Callable[[Reported], None]) -> dict[int, Outcome]:
    pool.submit(batch)
    return outcomes(collect(pool, len(batch), on_report))


@every_pool
def test_without_a_listener_reports_are_events(name: str, place: Place) -> None:
    with opened(name, place, batches.report_on_and_on) as pool:
        pool.submit([trial(0, last=1), trial(1, last=2)])
        events = collect(pool, 2)
    assert [(report.number, report.step) for report in reports(events)] == [(0, 1), (1, 1), (1, 2)]


@every_pool
def test_where_what_they_print_goes(name: str, place: Place) -> None:
    run(name, place, batches.print_a_lot, 3)
    assert log_of(place, 0).splitlines() == [
        "hypersweep: runs together with trials 1, 2, and what is printed for all of them is here",
        "of trial 0",
        "before 0 has ended",
        "logged",
    ]
    elsewhere = "hypersweep: runs together with others, and what is printed for all of them is in the log of trial 0"
    for number in (1, 2):
        assert log_of(place, number).splitlines() == [
            elsewhere,
            f"of trial {number}",
            f"hypersweep: trial {number - 1} has ended, and what is printed for all the others is here now",
            f"before {number} has ended",
            "logged",
        ]


@pool_of_processes
def test_output_below_python_is_in_the_log_of_the_first_that_has_not_ended(name: str, place: Place) -> None:
    run(name, place, batches.print_below_python, 2)
    assert [log_of(place, number).splitlines()[-1] for number in range(2)] == [
        "before 0 has ended",
        "before 1 has ended",
    ]


@every_pool
def test_logs_that_cannot_be_made_are_the_failure_of_all(name: str, place: Place) -> None:
    place.folder.parent.joinpath(place.folder.name).write_text("no folder")
    for outcome in run(name, place, batches.print_a_lot, 2).values():
        assert isinstance(outcome, Failed)
        assert re.search(r"cannot be (made|written) \(Not a directory\)", outcome.error)  # where they are sent to
