"""The certificate in words and as JSON, over the sessions of a sweep, and the exit code that agrees with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyper_tests.scripted import ScriptedPool, define, meta_of, run_sweep
from hypersweep.budget import Budget
from hypersweep.certificate import certify
from hypersweep.definition import Definition
from hypersweep.place import ControllerLock, Place
from hypersweep.space import counting
from hypersweep.spacefile import parse_space
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.trial import Failed, Outcome, Trial

SPACE = "x choice [0, 1, 2, 3]\n"
RULED = "parameters:\n  a: [1, 2, 3]\n  b: [1, 2, 3]\nconstraints:\n  - a != b\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def tell(place: Place) -> str:
    with Study(place) as study:
        return certify(study).tell()


def fail_at_1(trial: Trial) -> Outcome:
    return Failed("no") if trial.number == 1 else ScriptedPool().end(trial)


def test_all_points_of_a_grid(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=fail_at_1))
    assert tell(place) == "all 4 points of the space: 3 finished, 1 failed"
    with Study(place) as study:
        assert not certify(study).is_as_asked


def test_what_a_budget_leaves_is_named_with_it(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(), budget=Budget(max_trials=3))
    assert tell(place) == "3 of the 4 points of the space: 3 finished; 1 not run (--max-trials 3)"
    with Study(place) as study:
        assert certify(study).is_as_asked


def test_what_no_improvement_leaves(place: Place) -> None:
    run_sweep(place, define(SPACE, mode="min"), ScriptedPool(), budget=Budget(stop_after=2))
    assert tell(place) == "3 of the 4 points of the space: 3 finished; 1 not run (--stop-after 2)"


def test_a_stop_at_the_first_failure(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=fail_at_1), on_error="stop")
    assert tell(place) == "2 of the 4 points of the space: 1 finished, 1 failed; 2 not run (--on-error stop)"


def test_an_interrupted_sweep_and_its_end(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(stop_after=1))
    assert tell(place) == "1 of the 4 points of the space: 1 finished; 3 not run (interrupted)"
    run_sweep(place, define(SPACE), ScriptedPool())
    assert tell(place) == "all 4 points of the space: 4 finished"


def test_a_sweep_that_runs_and_one_that_was_killed(place: Place) -> None:
    place.folder.mkdir()
    store = Store.create(place.store, meta_of(define(SPACE)))
    assert tell(place) == "0 of the 4 points of the space: 0 finished; 4 not run (not started)"
    store.begin_session({}, 0.0)
    store.start(Trial(0, {"x": 0}, 2020), 0.0)
    store.close()
    with ControllerLock(place.lock):
        assert tell(place) == "0 of the 4 points of the space: 0 finished; 4 not run yet"
    assert tell(place) == "0 of the 4 points of the space: 0 finished; 4 not run (interrupted)"


def ruled() -> Definition:
    return define(RULED)


def test_forbidden_points_are_counted(place: Place) -> None:
    run_sweep(place, ruled(), ScriptedPool())
    assert tell(place) == "all 6 points of the space: 6 finished; 3 more are forbidden"


def test_rules_that_are_too_large_to_be_counted_are_known_when_all_has_been_tried(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_COST", 0)
    assert not parse_space(RULED).grid.is_exact
    run_sweep(place, ruled(), ScriptedPool(stop_after=4))
    assert tell(place).startswith(
        "4 points of the space, whose rules are too large to be counted: 4 finished; not run (interrupted); about "
    )
    run_sweep(place, ruled(), ScriptedPool())
    assert tell(place).startswith("all 6 points of the space: 6 finished; about ")
    with Study(place) as study:
        assert study.counts()["waiting"] == 0


def test_a_search_by_samples(place: Place) -> None:
    run_sweep(place, define("x uniform 0,1\n", algo="random"), ScriptedPool(), budget=Budget(stop_after=3))
    assert "points by random, which tries samples of the space, not all of it: " in tell(place)
    assert tell(place).endswith(" finished; not run (--stop-after 3)")


def test_it_is_made_from_counts(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool())
    statements: list[str] = []
    with Study(place) as study:
        study.connection.set_trace_callback(statements.append)
        certify(study)
        study.connection.set_trace_callback(None)
        reads = [statement for statement in statements if "FROM trials" in statement]
        plans = [
            " ".join(row[3] for row in study.connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
            for statement in reads
        ]
    assert reads
    assert all("USING COVERING INDEX" in plan for plan in plans), plans
