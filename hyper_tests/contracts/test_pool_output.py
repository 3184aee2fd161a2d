"""What every pool promises of what trials print and report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyper_tests.contracts import output
from hyper_tests.contracts.pools import (
    collect,
    every_pool,
    log_of,
    opened,
    outcomes,
    pool_of_processes,
    reports,
    run_one,
    trial,
)
from hyper_tests.processes import wait_until
from hypersweep.place import Place
from hypersweep.pool import Ended, Placed, Reported
from hypersweep.trial import Failed, Finished, Result


@every_pool
def test_python_output_is_in_the_log_of_its_trial(name: str, place: Place) -> None:
    with opened(name, place, output.print_a_lot) as pool:
        for number in range(3):
            pool.submit([trial(number)])
            collect(pool, 1)
    for number in range(3):
        assert log_of(place, number) == f"printed\nto stderr\nlogged by trial {number}\nno newline"


@every_pool
def test_a_second_attempt_adds_to_the_log(name: str, place: Place) -> None:
    for _ in range(2):
        run_one(name, place, output.print_a_lot)
    assert log_of(place).count("printed") == 2


@pool_of_processes
def test_output_below_python_is_in_the_log(name: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    run_one(name, place, output.write_below_python)
    assert sorted(log_of(place).splitlines()) == ["by a subprocess", "by os.write", "by printf", "its stderr"]


@pool_of_processes
def test_a_flood_is_in_the_log_whole(name: str, place: Place) -> None:
    assert run_one(name, place, output.flood) == Finished(Result(valid={"score": 1.0}))
    path = place.trial_folder(0) / "log.txt"
    with open(path, "rb") as log:
        numbers = [int(line[:6]) for line in log if line.endswith(b"x\n")]
    assert numbers == list(range(output.FLOOD_BYTES // 1024))
    assert path.stat().st_size == output.FLOOD_BYTES + len("the last line\n")


@every_pool
@pytest.mark.parametrize("runner", [output.close_streams, output.remove_folder], ids=lambda value: value.__name__)
def test_a_trial_may_do_away_with_its_log(name: str, place: Place, runner: Callable[..., Any]) -> None:
    with opened(name, place, runner) as pool:
        for number in range(2):
            pool.submit([trial(number)])
            assert outcomes(collect(pool, 1)) == {number: Finished(Result(valid={"score": 1.0}))}


@every_pool
def test_a_folder_that_cannot_be_made_is_the_failure_of_the_trial(
    name: str, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.folder.parent.joinpath(place.folder.name).write_text("no folder")
    outcome = run_one(name, place, output.print_a_lot)
    assert isinstance(outcome, Failed)
    assert "Not a directory" in outcome.error
    assert str(place.folder) in outcome.error
    assert "Traceback" not in capfd.readouterr().err


@every_pool
def test_reports_come_in_order_and_before_the_end(name: str, place: Place) -> None:
    with opened(name, place, output.report_steps) as pool:
        pool.submit([trial(4)])
        events = collect(pool, 1)
    assert [event for event in events if not isinstance(event, Placed)] == [
        *(Reported(4, step, {"loss": 1 / step}) for step in (1, 2, 5)),
        Ended(4, Finished(Result(valid={"score": 1.0}))),
    ]


@every_pool
def test_reports_of_several_threads_are_whole(name: str, place: Place) -> None:
    with opened(name, place, output.report_from_threads) as pool:
        pool.submit([trial(0)])
        events = collect(pool, 1)
    assert events[-1] == Ended(0, Finished(Result(valid={"score": 1.0})))
    assert sorted(report.step for report in reports(events)) == list(range(8000))


@every_pool
def test_a_report_that_is_none_is_the_failure_of_the_trial(name: str, place: Place) -> None:
    assert run_one(name, place, output.report_nonsense) == Failed(
        "the metric 'loss' is 'low' (a str); expected a number. Return a float"
    )


@pool_of_processes
def test_a_trial_that_reports_without_end_keeps_no_other_waiting(name: str, place: Place) -> None:
    done = place.log.with_name("done")
    with opened(name, place, output.report_without_end, workers=2, done=str(done)) as pool:
        pool.submit([trial(0)])
        wait_until(lambda: reports(pool.wait(0.1)), "the first report")
        pool.submit([trial(1)])
        assert outcomes(collect(pool, 1)) == {1: Finished(Result(valid={"score": 1.0}))}
        done.touch()
        assert outcomes(collect(pool, 1)) == {0: Finished(Result(valid={"score": 1.0}))}
