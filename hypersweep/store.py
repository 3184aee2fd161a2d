"""The store: one SQLite file, the only durable truth of a sweep.

What is committed survives `kill -9` of anything (WAL, synchronous NORMAL); a power cut may lose the last seconds and
never corrupts. One controller writes, guarded by `place.ControllerLock`; anybody may read meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hypersweep.errors import StoreError
from hypersweep.trial import Failed, Finished, Outcome, Pruned, Result, Trial

FORMAT = 3
APPLICATION_ID = 0x68737770  # "hswp"
DAMAGE_ADVICE = "expected a store of hypersweep. Move it away; --from-result takes what hyper.result still holds"

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (id INTEGER PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL, record TEXT NOT NULL);
CREATE TABLE trials (
    number INTEGER PRIMARY KEY,
    params TEXT NOT NULL,
    seed INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,            -- running, finished, failed, pruned, interrupted
    asked_at REAL NOT NULL,         -- when its params were chosen
    started_at REAL,                -- of the last attempt
    ended_at REAL,
    result TEXT,                    -- finished: as the runner gave it
    score REAL,                     -- finished: the score that counts; NULL if NaN or not yet chosen
    error TEXT,                     -- failed: one line; pruned: why
    step INTEGER                    -- the last reported step
);
CREATE INDEX trials_by_state ON trials (state, score);
CREATE TABLE failures (                                -- of every attempt that failed, the earlier ones too
    number INTEGER, attempt INTEGER, error TEXT NOT NULL, started_at REAL, ended_at REAL, PRIMARY KEY (number, attempt)
) WITHOUT ROWID;
CREATE TABLE reports (number INTEGER, step INTEGER, metrics TEXT NOT NULL, PRIMARY KEY (number, step)) WITHOUT ROWID;
"""


@contextlib.contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as StoreError, with what can be done."""
    try:
        yield
    except sqlite3.Error as error:
        text = " ".join(str(error).split())  # a damaged schema is told with its lines
        if "not a database" in text or "malformed" in text:
            advice = DAMAGE_ADVICE
        elif "full" in text:
            advice = "expected free disk space; all that was committed is kept. Make room and resume"
        elif "readonly" in text or "unable to open" in text:
            advice = "expected a writable folder. Mend its permissions or choose another with --out"
        else:
            advice = "expected to read and write it. Check the disk and resume"
        raise StoreError(f"{path}: {text}; {advice}") from error


@contextlib.contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Within it, what is read makes sense, or the store is damaged in a place where SQLite cannot tell."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise StoreError(f"{path}: is damaged ({type(error).__name__}: {error}); {DAMAGE_ADVICE}") from error


class Store:
    """The writing side, for the controller that holds the lock; read through `connection` or `study.Study`."""

    def __init__(self, path: Path) -> None:
        """Open an existing store. Raises `StoreError` if it is none, or of another format."""
        self.path = path
        self.connection = connect(path)
        self.going_on: set[int] = set()  # trials that were interrupted, started again, and have not reported since

    @classmethod
    def create(cls, path: Path, meta: Mapping[str, Any]) -> Store:
        """A new store at `path`, with what is known of the sweep from the start."""
        with translate_errors(path), contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            rows = [(key, json.dumps(value)) for key, value in meta.items()]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            connection.commit()
        return cls(path)

    def check(self) -> None:
        """Raises `StoreError` if SQLite finds damage anywhere in the file."""
        with translate_errors(self.path):
            ((found,),) = self.connection.execute("PRAGMA integrity_check(1)")
        if found != "ok":
            raise StoreError(f"{self.path}: is damaged ({found.splitlines()[-1]}); {DAMAGE_ADVICE}")

    def close(self) -> None:
        """All that was committed is in the one file then, unless somebody reads just now."""
        with contextlib.closing(self.connection), translate_errors(self.path):
            self.connection.execute("PRAGMA busy_timeout = 1000")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything within is committed together at its end, or not at all."""
        with translate_errors(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite may have ended it by itself: a full disk
                    self.connection.execute("ROLLBACK")
                raise

    def start(self, trial: Trial, now: float) -> None:
        """Record that a trial is about to be handed out. What an earlier try reported is forgotten; of one that goes on
        since it was interrupted, what it now reports anew, and all after that."""
        cursor = self.connection.execute(
            "INSERT INTO trials (number, params, seed, repeat, attempt, state, asked_at, started_at)"
            " VALUES (?, ?, ?, ?, ?, 'running', ?, ?) ON CONFLICT (number) DO NOTHING",
            (trial.number, json.dumps(trial.params), trial.seed, trial.repeat, trial.attempt, now, now),
        )
        if cursor.rowcount == 0:
            sql = "SELECT attempt FROM trials WHERE number = ?"
            ((attempt,),) = self.connection.execute(sql, (trial.number,))
            self.connection.execute(
                "UPDATE trials SET attempt = ?, state = 'running', started_at = ?,"
                " ended_at = NULL, result = NULL, score = NULL, error = NULL, step = NULL WHERE number = ?",
                (trial.attempt, now, trial.number),
            )
            if attempt == trial.attempt:
                self.going_on.add(trial.number)
            else:
                self.connection.execute("DELETE FROM reports WHERE number = ?", (trial.number,))

    def end(self, number: int, outcome: Outcome, score: float | None, now: float) -> None:
        """Record how a trial ended; `score` is the one that counts, None for NaN, none chosen yet, or no result."""
        state, result, error, step = _columns(outcome)
        self.connection.execute(
            "UPDATE trials SET state = ?, ended_at = ?, result = ?, score = ?, error = ?, step = coalesce(?, step)"
            " WHERE number = ?",
            (state, now, result, _as_real(score), error, step, number),
        )
        if isinstance(outcome, Failed):
            self.connection.execute(
                "INSERT OR REPLACE INTO failures SELECT number, attempt, error, started_at, ended_at FROM trials"
                " WHERE number = ?",
                (number,),
            )

    def adopt(self, rows: Iterable[tuple[Trial, Result, float | None]], now: float) -> None:
        """Record trials that were finished elsewhere."""
        self.connection.executemany(
            "INSERT INTO trials (number, params, seed, repeat, attempt, state, asked_at, ended_at, result, score)"
            " VALUES (?, ?, ?, ?, ?, 'finished', ?, ?, ?, ?)",
            (
                (
                    *(t.number, json.dumps(t.params), t.seed, t.repeat, t.attempt),
                    *(now, now, result.to_json(), _as_real(score)),
                )
                for t, result, score in rows
            ),
        )

    def report(self, rows: Iterable[tuple[int, int, Mapping[str, float]]]) -> None:
        """Record intermediate results: (number, step, metrics)."""
        rows = list(rows)
        for number, step, _ in rows if self.going_on else ():
            if number in self.going_on:
                self.going_on.remove(number)
                self.connection.execute("DELETE FROM reports WHERE number = ? AND step >= ?", (number, step))
        self.connection.executemany(
            "INSERT OR REPLACE INTO reports VALUES (?, ?, ?)", ((n, step, json.dumps(m)) for n, step, m in rows)
        )
        self.connection.executemany("UPDATE trials SET step = ? WHERE number = ?", ((step, n) for n, step, _ in rows))

    def rescore(self, rows: Iterable[tuple[int, float | None]]) -> None:
        """Give finished trials the score of another metric: (number, score)."""
        self.connection.executemany(
            "UPDATE trials SET score = ? WHERE number = ?", ((_as_real(score), number) for number, score in rows)
        )

    def set_meta(self, key: str, value: Any) -> None:
        """Record something of the sweep as a whole; `value` is what JSON can carry."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def begin_session(self, record: Mapping[str, Any], now: float) -> int:
        """Record that a controller starts to work, and with what. A session that was killed is taken to have ended
        when its last trial did; trials it left running are interrupted."""
        with self.transaction():
            self.connection.execute(
                "UPDATE sessions SET ended_at = max(started_at, coalesce("
                "(SELECT max(ended_at) FROM trials WHERE ended_at >= started_at), started_at)) WHERE ended_at IS NULL"
            )
            self.connection.execute("UPDATE trials SET state = 'interrupted' WHERE state = 'running'")
            self.set_meta("ending", None)
            cursor = self.connection.execute(
                "INSERT INTO sessions (started_at, record) VALUES (?, ?)", (now, json.dumps(record))
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def end_session(self, session: int, now: float) -> None:
        """Record that a controller has stopped working."""
        with self.transaction():
            self.connection.execute("UPDATE sessions SET ended_at = ? WHERE id = ?", (now, session))


def connect(path: Path, *, is_reader: bool = False) -> sqlite3.Connection:
    """Open a store; raises `StoreError` if it is none or of another format."""
    if not path.exists():
        raise StoreError(f"{path}: no such file; expected a store of hypersweep. Start a sweep: hypersweep run")
    with contextlib.ExitStack() as opened, translate_errors(path):
        connection = opened.enter_context(contextlib.closing(_open(path, is_reader)))
        connection.execute("PRAGMA synchronous = NORMAL")
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise StoreError(f"{path}: cannot be used, got no store of hypersweep; {DAMAGE_ADVICE}")
        if version != FORMAT:
            raise StoreError(
                f"{path}: cannot be used, got format {version}; expected format {FORMAT}. "
                "Use the hypersweep that wrote it, or start anew with --restart"
            )
        opened.pop_all()  # it stays open
    return connection


def _open(path: Path, is_reader: bool) -> sqlite3.Connection:
    if not is_reader:
        return sqlite3.connect(path, isolation_level=None, timeout=30)
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=30)
    try:
        connection.execute("SELECT 1 FROM meta")
    except sqlite3.Error as error:
        connection.close()
        journal = path.with_name(path.name + "-wal")
        if not isinstance(error, sqlite3.OperationalError) or (journal.exists() and journal.stat().st_size):
            raise
        # A folder that cannot be written has no room for SQLite's shared memory; nobody writes there either.
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True)
    return connection


def _as_real(score: float | None) -> float | None:
    """SQLite's integers end at 64 bits, those of runners do not."""
    return None if score is None else float(score)


def _columns(outcome: Outcome) -> tuple[str, str | None, str | None, int | None]:
    """state, result, error, step"""
    return (
        outcome.state,
        outcome.result.to_json() if isinstance(outcome, Finished) else None,
        outcome.error if isinstance(outcome, Failed) else outcome.reason if isinstance(outcome, Pruned) else None,
        outcome.step if isinstance(outcome, Pruned) else None,
    )
