"""The same rows in the same transactions as a sweep of no-op trials, without anything around them: what SQLite itself
takes. The texts are made beforehand."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from pathlib import Path

from hypersweep.store import SCHEMA
from hypersweep.trial import Result

START = (
    "INSERT INTO trials (number, params, seed, repeat, attempt, state, asked_at, started_at)"
    " VALUES (?1, ?2, 2020, 0, 1, 'running', ?3, ?3)"
)
END = "UPDATE trials SET state = 'finished', ended_at = ?, result = ?, score = ? WHERE number = ?"


def measure_bare_sqlite(num_trials: int) -> float:
    """Transactions per second, each with the end of a trial and the start of the next one."""
    params, result = '{"a": 50, "b": 50}', Result(valid={"score": 0.5}).to_json()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(sqlite3.connect(Path(folder, "sweep.db"), isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(SCHEMA)
        started = time.perf_counter()
        connection.execute(START, (0, params, time.time()))
        for number in range(num_trials):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(END, (time.time(), result, 0.5, number))
            connection.execute(START, (number + 1, params, time.time()))
            connection.execute("COMMIT")
        return num_trials / (time.perf_counter() - started)
