"""Reading a sweep: while it runs, afterwards, as rows and as a frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyper_tests.scripted import ScriptedPool, define, meta_of, run_sweep
from hypersweep.errors import StoreError
from hypersweep.events import Event, TrialEnded
from hypersweep.place import ControllerLock, Place
from hypersweep.recorded import as_row
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Result, Trial

SPACE = "size choice [[64, 64], 3, None]\nname choice ['a', 'b']\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def end(trial: Trial) -> Outcome:
    if trial.number == 4:
        return Failed("ValueError: four")
    return Finished(
        Result(valid={"ndcg@10": trial.number / 10}, test={"hit@10": 0.5}, model="M", score=trial.number / 10)
    )


def test_a_study_is_opened_by_path_and_closed(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=end))
    for path in (place.folder, str(place.folder), place.folder.parent, place):
        with Study(path) as study:
            assert study.size == 6
            assert study.place == place
    with pytest.raises(StoreError, match="closed database"):
        study.counts()


def test_trials_come_in_the_order_of_their_numbers(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(3, end=end, choose=lambda running: -1))
    with Study(place) as study:
        recorded = list(study.trials())
        assert [found.trial.number for found in recorded] == list(range(6))
        assert recorded[1].trial.params == {"size": (64, 64), "name": "b"}
        assert [found.trial.number for found in study.trials("failed")] == [4]
        assert study.trial(4) == recorded[4]
        assert study.trial(6) is None
        best = study.best()
        assert best == recorded[5]
        assert [found.trial.number for found in study.top(3)] == [5, 3, 2]


def test_the_ranges_of_recorded_numbers(place: Place) -> None:
    ran = {0, 1, 4, 5}
    run_sweep(place, define(SPACE), ScriptedPool(end=end))
    with Study(place) as study:
        assert list(study.recorded_ranges()) == [(0, 6)]
    store = Store(place.store)
    with store.transaction():
        store.connection.execute(f"DELETE FROM trials WHERE number NOT IN {tuple(ran)}")
    store.close()
    with Study(place) as study:
        assert list(study.recorded_ranges()) == [(0, 2), (4, 6)]


def test_a_running_sweep_can_be_read(place: Place) -> None:
    seen: list[dict[str, int | None]] = []

    def look(event: Event) -> None:
        if isinstance(event, TrialEnded):
            with Study(place) as study:
                assert study.is_running
                seen.append(study.counts())

    place.folder.mkdir()
    with ControllerLock(place.lock):
        Store.create(place.store, meta_of(define(SPACE))).close()
        run_sweep(place, define(SPACE), ScriptedPool(2, end=end), look)
    assert [counts["finished"] for counts in seen] == [1, 2, 3, 4, 4, 5]
    assert [counts["running"] for counts in seen] == [2, 2, 2, 2, 1, 0]
    with Study(place) as study:
        assert not study.is_running


def test_rows_have_a_column_for_each_parameter_and_metric(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=end))
    with Study(place) as study:
        rows = [as_row(recorded, study.space.names) for recorded in study.trials()]
    assert rows[0] | {"duration_s": 0} == {
        "number": 0,
        "state": "finished",
        "size": "(64, 64)",
        "name": "a",
        "score": 0.0,
        "valid ndcg@10": 0.0,
        "test hit@10": 0.5,
        "attempt": 1,
        "seed": 2020,
        "duration_s": 0,
        "error": None,
    }
    assert "valid ndcg@10" not in rows[4]
    assert rows[4]["error"] == "ValueError: four"


def test_a_parameter_with_the_name_of_a_column_has_one_of_its_own(place: Place) -> None:
    space = "".join(f"{name} choice [7]\n" for name in ("state", "score", "seed", "std", "x"))
    run_sweep(place, define(space), ScriptedPool(end=end))
    with Study(place) as study:
        (row,) = (as_row(recorded, study.space.names) for recorded in study.trials())
    assert (row["state"], row["score"], row["seed"]) == ("finished", 0.0, 7)
    assert {row[f"param {name}"] for name in ("state", "score", "seed", "std")} == {row["x"]} == {7}


def test_values_that_no_column_can_hold_stand_as_their_text(place: Place) -> None:
    pytest.importorskip("polars")
    run_sweep(place, define(f"x choice [1, {10**400}]\n"), ScriptedPool(end=end))
    with Study(place) as study:
        assert study.frame()["x"].to_list() == ["1", str(10**400)]


def test_a_frame_has_all_trials(place: Place) -> None:
    pytest.importorskip("polars")
    run_sweep(place, define(SPACE), ScriptedPool(end=end))
    with Study(place) as study:
        frame = study.frame()
    assert frame["number"].to_list() == list(range(6))
    assert frame["valid ndcg@10"].to_list() == [0.0, 0.1, 0.2, 0.3, None, 0.5]
    assert frame["error"].to_list() == [None] * 4 + ["ValueError: four", None]
    assert frame["name"].to_list() == ["a", "b"] * 3


def test_what_a_killed_controller_left_running_is_interrupted(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=end, stop_after=3))
    store = Store(place.store)
    store.start(Trial(5, {"size": None, "name": "b"}, 2020), 0.0)
    store.close()
    with Study(place) as study:
        assert [found.trial.number for found in study.trials("interrupted")] == [3, 5]
        assert list(study.trials("running")) == []
        with ControllerLock(place.lock):
            assert [found.trial.number for found in study.trials("interrupted")] == [3]
            assert [found.trial.number for found in study.trials("running")] == [5]


def test_large_sweeps_are_read_without_sorting_or_going_through_what_is_not_asked_for(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=end))
    statements: list[str] = []
    with Study(place) as study:
        study.connection.set_trace_callback(statements.append)
        for state in ("running", "interrupted", "failed"):
            list(study.trials(state))
        study.counts(), study.best(), study.unscored(3)
        whole = len(statements)
        list(study.trials()), list(study.trials("finished")), list(study.logged())
        list(study.results(only_unscored=False)), study.mean_duration_s()
        study.connection.set_trace_callback(None)
        plans = [
            " ".join(row[3] for row in study.connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
            for statement in statements
        ]
    assert not any("SCAN trials" in plan and "USING COVERING INDEX" not in plan for plan in plans[:whole]), plans
    assert not any("ORDER BY" in plan for plan in plans[whole:]), plans
    assert any("USING INDEX trials_by_state" in plan for plan in plans)


def test_times_add_up(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=end))
    with Study(place) as study:
        durations = [recorded.duration_s for recorded in study.trials()]
        assert all(duration is not None and duration >= 0 for duration in durations)
        mean_s = study.mean_duration_s()
        assert mean_s is not None
        assert mean_s == pytest.approx(sum(duration or 0 for duration in durations) / 6)


def test_a_study_may_be_closed_before_its_trials_are_read_to_the_end(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=end))
    with Study(place) as study:
        trials = study.trials()
        assert next(trials).trial.number == 0
    trials.close()  # type: ignore[attr-defined]


def test_a_study_without_trials(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool(end=end, stop_after=0))
    with Study(place) as study:
        assert study.best() is None
        assert study.top(3) == []
        assert study.mean_duration_s() is None
        assert study.counts() == {"waiting": 6, "running": 0, "finished": 0, "failed": 0, "pruned": 0}
