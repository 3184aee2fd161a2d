"""Ending trials early: what they are told, and that nothing else is touched by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hyper_tests.contracts.pools import collect, command, every_pool, opened, outcomes, pool_of_processes, trial
from hypersweep.errors import StoreError
from hypersweep.place import Place
from hypersweep.pool import Pool, Reported
from hypersweep.trial import Finished, Outcome, Pruned, Result, Trial


def run(pool: Pool, trials: list[Trial], on_report: Callable[[Reported], None]) -> dict[int, Outcome]:
    """The trials at once."""
    for one in trials:
        pool.submit([one])
    return outcomes(collect(pool, len(trials), on_report))


def prune_at(pool: Pool, number: int, step: int, told: list[Reported]) -> Callable[[Reported], None]:
    def on_report(reported: Reported) -> None:
        told.append(reported)
        if (reported.number, reported.step) == (number, step):
            pool.prune(number)

    return on_report


@every_pool
def test_a_report_after_it_raises(name: str, place: Place) -> None:
    told: list[Reported] = []
    with opened(name, place, "report_on_and_on") as pool:
        ended = run(pool, [trial(0)], prune_at(pool, 0, 3, told))
    assert [report.step for report in told[:3]] == [1, 2, 3]
    assert ended == {0: Pruned(told[-1].step)}


@pool_of_processes
def test_another_trial_goes_on(name: str, place: Place) -> None:
    told: list[Reported] = []
    with opened(name, place, "report_on_and_on", workers=2) as pool:
        ended = run(pool, [trial(7, last=30), trial(8)], prune_at(pool, 8, 3, told))
    assert ended[7] == Finished(Result(valid={"score": 1.0}))
    assert isinstance(ended[8], Pruned)


@every_pool
def test_the_trial_after_it_is_not_meant(name: str, place: Place) -> None:
    told: list[Reported] = []
    with opened(name, place, "report_on_and_on") as pool:
        assert isinstance(run(pool, [trial(0)], prune_at(pool, 0, 1, told))[0], Pruned)
        assert isinstance(run(pool, [trial(1, last=5)], told.append)[1], Finished)
        assert isinstance(run(pool, [trial(0, last=5)], told.append)[0], Finished), "a new try of the same"


@every_pool
def test_what_has_ended_is_left_as_it_is(name: str, place: Place) -> None:
    with opened(name, place, "report_once") as pool:
        assert isinstance(run(pool, [trial(0)], lambda reported: None)[0], Finished)
        pool.prune(0)
        pool.prune(99)
        assert isinstance(run(pool, [trial(1)], lambda reported: None)[1], Finished)


@every_pool
def test_without_a_listener_reports_are_events(name: str, place: Place) -> None:
    with opened(name, place, "report_once") as pool:
        pool.submit([trial(0)])
        assert Reported(0, 1, {"loss": 1.0}) in collect(pool, 1)


SCRIPT = """
trap 'echo ended > "$HYPERSWEEP_CHECKPOINT_DIR/told"; exit 1' TERM
echo '{"step": 1, "metrics": {"loss": 0.5}}' >> "$HYPERSWEEP_REPORT"
while true; do sleep 0.05; done
"""


@every_pool
def test_a_command_gets_a_signal(name: str, place: Place) -> None:
    told: list[Reported] = []
    with opened(name, place, command(SCRIPT, place.folder.parent)) as pool:
        assert run(pool, [trial(0)], prune_at(pool, 0, 1, told)) == {0: Pruned(1)}
    assert (place.trial_folder(0) / "checkpoint" / "told").read_text() == "ended\n"


def test_an_error_of_the_listener_is_not_the_trials(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(reported: Reported) -> None:
        print(json.dumps(reported.metrics))
        raise StoreError("disk full")

    with opened("inline", place, "report_once") as pool, pytest.raises(StoreError, match=r"^disk full$"):
        run(pool, [trial(0)], fail)
    assert capsys.readouterr().out == '{"loss": 1.0}\n'
    assert not Path(place.trial_folder(0), "log.txt").exists()
