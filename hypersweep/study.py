"""Study: read access to a sweep, while it runs and afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hypersweep.budget import Budget, is_bound
from hypersweep.place import Place, find_place, is_locked
from hypersweep.recorded import COLUMNS, RecordedTrial, as_row, read_trial
from hypersweep.selection import Objective
from hypersweep.space import Space
from hypersweep.spacefile import parse_space
from hypersweep.store import connect, refuse_damage, translate_errors
from hypersweep.trial import Params, Result, Trial, params_from_json

if TYPE_CHECKING:
    import polars

Read = TypeVar("Read")

STATES = ("waiting", "running", "finished", "failed", "pruned")


class Study:
    """The trials of a sweep, its best, its counts. Opening one changes nothing on disk; close it when done."""

    def __init__(self, path: str | Path | Place) -> None:
        """`path` is the `.sweep` folder, a folder that holds one, or the `.test` file. Raises `StoreError`."""
        self.place = path if isinstance(path, Place) else find_place(Path(path))
        self.connection = connect(self.place.store, is_reader=True)

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with translate_errors(self.place.store):
            for row in self.connection.execute(sql, values):  # noqa: UP028  it would close the cursor of a closed study
                yield row

    def _read(self, read: Callable[..., Read], sql: str, *values: Any) -> Iterator[Read]:
        """What `read` makes of the columns of each row."""
        with refuse_damage(self.place.store):
            for row in self._rows(sql, *values):
                yield read(*row)

    def _read_trials(self, sql: str, *values: Any) -> Iterator[RecordedTrial]:
        return self._read(partial(read_trial, self.objective, self.is_sealed), sql, *values)

    @cached_property
    def meta(self) -> Mapping[str, Any]:
        """What was recorded of the sweep: space, settings, runner, seed, order, metric, mode, threads, …"""
        with refuse_damage(self.place.store):
            found = {key: json.loads(value) for key, value in self._rows("SELECT key, value FROM meta")}
            return {**found, **{key: found[key] for key in _META}}

    def forget_meta(self) -> None:
        """Read `meta` anew at its next use: the controller has changed it."""
        del self.meta
        self.__dict__.pop("space", None)

    @cached_property
    def space(self) -> Space:
        return parse_space(self.meta["space"], str(self.place.store))

    @property
    def objective(self) -> Objective:
        return Objective(self.meta["metric"], self.meta["mode"])

    @property
    def budget(self) -> Budget:
        with refuse_damage(self.place.store):
            return Budget(**self.meta["budget"])

    @property
    def algo(self) -> str:
        """The search algorithm's name."""
        algo: str = self.meta["algo"]
        return algo

    @property
    def num_points(self) -> int | None:
        """How many points the space has; None if it is searched by samples, or if its rules are too large to be counted
        and not all has been tried yet."""
        if self.algo != "grid" or self.space.first_distribution is not None:
            return None
        found: int | None = self.space.grid_size if self.space.grid.is_exact else self.ending.get("num_points")
        return found

    @property
    def size(self) -> int | None:
        """How many trials the sweep has in all; None if it has no end but that of a time budget, or its points are not
        counted."""
        return self.budget.cap(self.num_points)

    @property
    def end_reason(self) -> str | None:
        """Why the last session has ended with something left to run: an option that bounds it, or `interrupted`; None
        if nothing was left."""
        reason: str | None = self.ending.get("reason", "interrupted" if self.num_recorded() else "not started")
        return reason

    @property
    def ending(self) -> dict[str, Any]:
        """How the last session has ended; empty if it has not, or was killed."""
        found = self._read(json.loads, "SELECT value FROM meta WHERE key = 'ending'")
        with refuse_damage(self.place.store):
            return dict(next(found, None) or {})

    @property
    def is_sealed(self) -> bool:
        """Whether the sweep has not ended, by itself or by one of its bounds: until then no test metric is told."""
        if self.is_running:
            return True
        return self.counts()["waiting"] != 0 and not is_bound(self.end_reason)

    @property
    def is_running(self) -> bool:
        """Whether a controller works on the sweep now."""
        return is_locked(self.place.lock)

    def counts(self) -> dict[str, int | None]:
        """Trials by state; one that no controller runs any more is waiting, and so is one that has failed and will be
        tried again. None: waiting without end."""
        counted = dict(self._rows("SELECT state, count(*) FROM trials GROUP BY state"))
        running = counted.get("running", 0) if self.is_running else 0
        if self._retries and "failed" in counted:
            counted["failed"] -= next(
                self._rows("SELECT count(*) FROM trials WHERE state = 'failed' AND attempt <= ?", self._retries)
            )[0]
        ended = {state: counted.get(state, 0) for state in ("finished", "failed", "pruned")}
        waiting = None if self.size is None else max(0, self.size - running - sum(ended.values()))
        return {"waiting": waiting, "running": running, **ended}

    def tell_counts(self) -> str:
        """`4 waiting, 2 finished`: the states that occur, and `finished` always."""
        return ", ".join(f"{count} {state}" for state, count in self.counts().items() if count or state == "finished")

    def trials(self, state: str | None = None) -> Iterator[RecordedTrial]:
        """The recorded trials in the order of their numbers, all or those of one state; a trial that no controller
        runs any more is interrupted."""
        column = self._state_column()
        source = _IN_ORDER if state in (None, "finished") else "trials"
        where = "" if state is None else "WHERE state = ?"
        if state in ("running", "interrupted"):
            where = f"WHERE state IN ('running', 'interrupted') AND {column} = ?"
        sql = f"SELECT {column}, {COLUMNS} FROM {source} {where} ORDER BY number"
        return self._read_trials(sql, *([state] if state else ()))

    def ended(self) -> Iterator[RecordedTrial]:
        """The trials that have ended for good, in the order in which they did."""
        return self._read_trials(
            f"SELECT state, {COLUMNS} FROM trials WHERE state IN ('finished', 'pruned')"
            " OR (state = 'failed' AND attempt > ?) ORDER BY ended_at, number",
            self._retries,
        )

    def to_run_again(self) -> Iterator[RecordedTrial]:
        """The trials that have been started and are still to be run: interrupted, or failed with tries left."""
        return self._read_trials(
            f"SELECT {self._state_column()}, {COLUMNS} FROM trials"
            f" WHERE (state IN ('running', 'interrupted') AND {self._state_column()} = 'interrupted')"
            " OR (state = 'failed' AND attempt <= ?)",
            self._retries,
        )

    @property
    def _retries(self) -> int:
        retries: int = self.meta["supervision"]["retries"]
        return retries

    def _state_column(self) -> str:
        return "state" if self.is_running else "replace(state, 'running', 'interrupted')"

    def results(self, *, only_unscored: bool) -> Iterator[tuple[int, Result]]:
        """(number, result as the runner gave it) of the finished trials, all or those that have no score."""
        source, unscored = ("trials", "AND score IS NULL") if only_unscored else (_IN_ORDER, "")
        sql = f"SELECT number, result FROM {source} WHERE state = 'finished' {unscored}"
        return self._read(lambda number, result: (number, Result.from_json(result)), sql)

    def logged(self) -> Iterator[tuple[Params, Result]]:
        """(params, result as the runner gave it) of the finished trials in the order of their numbers."""
        sql = f"SELECT params, result FROM {_IN_ORDER} WHERE state = 'finished' ORDER BY number"
        return self._read(lambda *row: (params_from_json(json.loads(row[0])), Result.from_json(row[1])), sql)

    def first_session(self) -> dict[str, Any] | None:
        """What was recorded when the sweep began; None before."""
        return next(self._read(json.loads, "SELECT record FROM sessions ORDER BY id LIMIT 1"), None)

    def has_open_session(self) -> bool:
        """Whether a session was begun that has not ended: now, or because its controller was killed."""
        return any(True for _ in self._rows("SELECT id FROM sessions WHERE ended_at IS NULL"))

    def failures(self) -> dict[int, list[tuple[int, str]]]:
        """(attempt, error) of every attempt that failed, by trial, also where a later one has finished."""
        found: dict[int, list[tuple[int, str]]] = {}
        for number, attempt, error in self._rows(
            "SELECT number, attempt, error FROM failures ORDER BY number, attempt"
        ):
            found.setdefault(number, []).append((attempt, error))
        return found

    def num_recorded(self) -> int:
        """How many trials have been started, or taken over from a log."""
        count: int = next(self._rows("SELECT count(*) FROM trials"))[0]
        return count

    def recorded_ranges(self) -> Iterator[tuple[int, int]]:
        """The numbers of all recorded trials as ascending ranges: (first, one past the last)."""
        start = end = 0
        for (number,) in self._rows("SELECT number FROM trials ORDER BY number"):
            if number != end:
                if start != end:
                    yield start, end
                start = number
            end = number + 1
        if start != end:
            yield start, end

    def trial(self, number: int) -> RecordedTrial | None:
        """The trial of that number; None if it has not been started."""
        return next(
            self._read_trials(f"SELECT {self._state_column()}, {COLUMNS} FROM trials WHERE number = ?", number), None
        )

    def best(self) -> RecordedTrial | None:
        """The finished trial with the best score, the first of equals; None if none has a score that is a number."""
        sides = [
            recorded
            for order in ("min", "max")
            for recorded in self._read_trials(
                f"{_FINISHED} AND number = (SELECT min(number) FROM trials WHERE state = 'finished' AND score ="
                f" (SELECT {order}(score) FROM trials WHERE state = 'finished'))"
            )
        ]
        if not sides:
            return None
        with refuse_damage(self.place.store):
            lowest, highest = sides
        assert highest.result is not None
        return highest if highest.result.bigger else lowest

    def top(self, count: int) -> list[RecordedTrial]:
        """The `count` best finished trials, best first; those without a score that is a number come last."""
        best = self.best()
        order = "score DESC" if best and best.result and best.result.bigger else "score ASC"
        order = f"ORDER BY score IS NULL, {order}, number"
        # First the numbers, which the index alone can give.
        numbers = f"SELECT number FROM trials WHERE state = 'finished' {order} LIMIT ?"
        return list(self._read_trials(f"{_FINISHED} AND number IN ({numbers}) {order}", count))

    def unscored(self, count: int) -> list[Trial]:
        """The first `count` finished trials whose score is NaN."""
        sql = f"{_FINISHED} AND score IS NULL ORDER BY number LIMIT ?"
        return [recorded.trial for recorded in self._read_trials(sql, count)]

    def elapsed_s(self) -> float:
        """Seconds that controllers have worked on the sweep, all sessions together."""
        now = time.time()
        rows = self._rows("SELECT sum(coalesce(ended_at, ?) - started_at) FROM sessions", now)
        return next(rows)[0] or 0.0

    def mean_duration_s(self) -> float | None:
        """Seconds that the last trials which were run here took, on average; None before the first has ended."""
        rows = self._rows(
            f"SELECT avg(duration_s) FROM (SELECT ended_at - started_at AS duration_s FROM {_IN_ORDER}"
            " WHERE state IN ('finished', 'failed', 'pruned') ORDER BY number DESC LIMIT 1000)"
        )
        mean_s: float | None = next(rows)[0]
        return mean_s

    def last_report(self, number: int) -> tuple[int, dict[str, float]] | None:
        """The last (step, metrics) that a trial reported."""
        sql = "SELECT step, metrics FROM reports WHERE number = ? ORDER BY step DESC LIMIT 1"
        return next(self._read(lambda step, metrics: (step, json.loads(metrics)), sql, number), None)

    def reports(self) -> Iterator[tuple[int, int, dict[str, float]]]:
        """(number, step, metrics) of all that trials have reported, by number and step."""
        for number, step, metrics in self._rows("SELECT number, step, metrics FROM reports ORDER BY number, step"):
            yield number, step, json.loads(metrics)

    def frame(self) -> polars.DataFrame:
        """The trials as a table: number, state, a column for each parameter, score, metrics, times in seconds."""
        import polars

        return polars.DataFrame(
            [as_row(recorded, self.space.names) for recorded in self.trials()], infer_schema_length=None, strict=False
        )


_META = ("space", "metric", "mode", "algo", "resources", "supervision", "budget")  # what every store must hold
# Read from first to last: going by the index, most of the table would have to be sorted.
_IN_ORDER = "trials NOT INDEXED"
_FINISHED = f"SELECT state, {COLUMNS} FROM trials WHERE state = 'finished'"
