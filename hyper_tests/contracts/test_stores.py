"""What the store promises: what is committed when, and what survives."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys

import pytest

from hyper_tests.contracts.conftest import SPACE
from hyper_tests.processes import environment
from hyper_tests.scripted import ScriptedPool, define, opened_sweep, run_sweep
from hypersweep.errors import StoreError
from hypersweep.events import Event, TrialEnded, TrialStarted
from hypersweep.loop import Loop
from hypersweep.place import Place
from hypersweep.resultlog import read_log
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.supervision import Supervision
from hypersweep.trial import Failed, Finished, Interrupted, Outcome, Pruned, Result, Trial


def trial(number: int) -> Trial:
    return Trial(number, {"x": number}, seed=2020)


def finished(score: float) -> Finished:
    return Finished(Result(valid={"score": score}))


def states(place: Place) -> dict[int, str]:
    """What anybody else reads now."""
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        return dict(connection.execute("SELECT number, state FROM trials"))


class WatchingPool(ScriptedPool):
    """Looks at the store at each submit."""

    def __init__(self, place: Place, num_slots: int) -> None:
        super().__init__(num_slots, choose=lambda running: 7 * len(self.ran))
        self.place = place
        self.seen: list[dict[int, str]] = []

    def submit(self, batch: object) -> None:
        self.seen.append(states(self.place))
        super().submit(batch)  # type: ignore[arg-type]


@pytest.mark.parametrize("num_slots", [1, 3])
def test_a_start_is_committed_before_the_trial_is_handed_out(place: Place, num_slots: int) -> None:
    pool = WatchingPool(place, num_slots)
    run_sweep(place, define(SPACE), pool)
    for number, seen in enumerate(pool.seen):
        assert seen[number] == "running"
        assert list(seen.values()).count("running") <= num_slots, "the end of the one before is committed, too"
    assert len(pool.seen) == 8


def test_an_end_is_committed_before_it_is_told_or_logged(place: Place) -> None:
    def check(event: Event) -> None:
        seen = states(place)
        if isinstance(event, TrialEnded):
            assert seen[event.trial.number] == "finished"
        elif isinstance(event, TrialStarted):
            assert seen[event.trial.number] == "running"
        logged = {block.params["x"] for block in read_log(place.log)} if place.log.exists() else set()
        assert logged <= {number for number, state in seen.items() if state == "finished"}

    run_sweep(place, define(SPACE), ScriptedPool(3), check)
    assert len(read_log(place.log)) == 8


def test_an_end_shares_its_transaction_with_the_next_start_of_its_slot_only(place: Place) -> None:
    transactions: list[list[str]] = []

    def note(statement: str) -> None:
        if statement == "BEGIN IMMEDIATE":
            transactions.append([])
        elif statement.startswith(("INSERT INTO trials", "UPDATE trials")):
            transactions[-1].append(statement.split()[0])

    definition, pool = define(SPACE), ScriptedPool(2)
    with opened_sweep(place, definition) as (store, study):
        store.connection.set_trace_callback(note)
        Loop(
            store=store,
            study=study,
            definition=definition,
            searcher=definition.open_searcher(),
            pool=pool,
            supervision=Supervision(),
            on_event=lambda event: None,
        ).run()
    of_trials = [statements for statements in transactions if statements]
    assert of_trials == [["INSERT"]] * 2 + [["UPDATE", "INSERT"]] * 6 + [["UPDATE"]] * 2


def test_journal_and_durability(store: Store) -> None:
    assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.connection.execute("PRAGMA synchronous").fetchone() == (1,), "NORMAL"


COMMITTING = """
import sys
from pathlib import Path
from hypersweep.store import Store
from hypersweep.trial import Finished, Result, Trial
store = Store(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**6):
    with store.transaction():
        store.start(Trial(number, {"x": number}, seed=1), 0.0)
    with store.transaction():
        store.end(number, Finished(Result(valid={"score": number})), number, 1.0)
    print(number, flush=True)
"""


def test_what_was_committed_outlives_a_kill(place: Place, store: Store) -> None:
    store.close()
    generator = random.Random(5)
    for start in range(0, 5000, 1000):
        command = [sys.executable, "-c", COMMITTING, str(place.store), str(start)]
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(generator.randrange(1, 60)):
            process.stdout.readline()
        process.kill()
        told = [int(line) for line in process.communicate()[0].split()]
        with contextlib.closing(sqlite3.connect(place.store)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        seen = {number: state for number, state in states(place).items() if number >= start}
        assert {seen[number] for number in told} <= {"finished"}
        assert list(seen.values()).count("running") <= 1


def test_a_transaction_is_whole_or_nothing(place: Place, store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.start(trial(0), 0.0)
        raise ZeroDivisionError
    assert states(place) == {}
    with store.transaction():
        store.start(trial(1), 0.0)
        assert states(place) == {}, "nobody sees it before the commit"
    assert states(place) == {1: "running"}


def test_a_full_disk_loses_nothing_that_was_committed(place: Place, store: Store) -> None:
    """SQLite is told that there is no more room: it fails as on a full disk."""
    with store.transaction():
        store.start(trial(0), 0.0)
        store.end(0, finished(0.5), 0.5, 1.0)
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full; expected free disk space"), store.transaction():
        for number in range(1, 1000):
            store.start(trial(number), 0.0)
    store.connection.execute("PRAGMA max_page_count = 100000")
    assert states(place) == {0: "finished"}
    with store.transaction():
        store.start(trial(1), 0.0)
    assert states(place) == {0: "finished", 1: "running"}


def test_outcomes(place: Place, store: Store) -> None:
    ends: dict[int, Outcome] = {
        0: finished(0.0),
        1: Failed("ValueError: x"),
        2: Pruned(5),
        3: Interrupted(),
        4: finished(float("nan")),
    }
    for number, outcome in ends.items():
        with store.transaction():
            store.start(trial(number), 1.0)
            store.end(number, outcome, 0.0 if number == 0 else None, 2.0)
    with Study(place) as study:
        recorded = list(study.trials())
        assert [found.state for found in recorded] == ["finished", "failed", "pruned", "interrupted", "finished"]
        assert recorded[1].error == "ValueError: x"
        assert recorded[2].step == 5
        assert recorded[0].result == Result(valid={"score": 0.0}, score=0.0, bigger=True)
        assert [found.duration_s for found in recorded] == [1.0] * 5
        assert study.counts() == {"waiting": 4, "running": 0, "finished": 2, "failed": 1, "pruned": 1}
        assert [unscored.number for unscored in study.unscored(9)] == [4]


@pytest.mark.parametrize("score", [10**30, -(10**30), 2**63, float("inf"), -0.0, 5e-324])
def test_scores_of_any_size(place: Place, store: Store, score: float) -> None:
    with store.transaction():
        store.start(trial(0), 1.0)
        store.end(0, finished(score), score, 2.0)
    with Study(place) as study:
        best = study.best()
        assert best is not None and best.result is not None
        assert best.result.score == score


def test_what_was_reported_before_is_forgotten_when_a_trial_starts_again(place: Place, store: Store) -> None:
    with store.transaction():
        store.start(trial(0), 0.0)
        store.report([(0, 7, {"loss": 0.1}), (0, 8, {"loss": 0.05})])
        store.start(trial(1), 0.0)
        store.report([(1, 3, {"loss": 0.3})])
    with store.transaction():
        store.start(trial(0), 1.0)
        store.report([(0, 1, {"loss": 0.5})])
    with Study(place) as study:
        assert study.last_report(0) == (1, {"loss": 0.5})
        assert study.last_report(1) == (3, {"loss": 0.3})


def test_trials_that_a_killed_controller_left_running_are_interrupted(place: Place, store: Store) -> None:
    store.begin_session({"first": True}, 10.0)
    with store.transaction():
        store.start(trial(0), 11.0)
        store.end(0, finished(1.0), 1.0, 15.0)
        store.start(trial(1), 15.0)
    with Study(place) as study:
        assert study.counts()["waiting"] == 7, "nobody holds the lock: nothing runs"
        store.begin_session({"first": False}, 100.0)
        assert states(place) == {0: "finished", 1: "interrupted"}
        assert study.first_session() == {"first": True}
        ended = study.connection.execute("SELECT ended_at FROM sessions ORDER BY id").fetchall()
        assert ended == [(15.0,), (None,)], "a killed session ended when its last trial did"


def test_the_seed_of_a_trial_is_the_sweeps_whatever_its_number(place: Place) -> None:
    pool = ScriptedPool(3)
    run_sweep(place, define(SPACE, seed=77, order="shuffled"), pool)
    assert {trial.seed for trial in pool.ran} == {77}
    assert {trial.attempt for trial in pool.ran} == {1}


def test_a_seed_in_the_space_is_the_trials_seed(place: Place) -> None:
    pool = ScriptedPool()
    run_sweep(place, define("seed choice [3, 5]\nx choice [1, 2]\n"), pool)
    assert [(trial.seed, trial.params["seed"]) for trial in pool.ran] == [(3, 3), (3, 3), (5, 5), (5, 5)]
