"""Study: read access to the trials of a sweep, while it runs and afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hypersweep.budget import is_bound
from hypersweep.combinations import IsOver, Standing, combine, count_states, list_standings, rank
from hypersweep.errors import StoreError
from hypersweep.place import as_word
from hypersweep.recorded import COLUMNS, RecordedTrial, as_row, read_trial
from hypersweep.selection import without_test
from hypersweep.store import refuse_damage, translate_errors
from hypersweep.sweeprecord import SweepRecord
from hypersweep.trial import Params, Result, Trial, is_storable, params_from_json

if TYPE_CHECKING:
    import polars

ENDED = ("finished", "failed", "pruned")
STATES = ("waiting", "running", *ENDED)


class Study(SweepRecord):
    """The trials of a sweep, its best, its counts. Opening one changes nothing on disk; close it when done."""

    def _read_trials(self, sql: str, *values: Any, is_sealed: bool | None = None) -> Iterator[RecordedTrial]:
        is_sealed = self.is_sealed if is_sealed is None else is_sealed
        return self._read(partial(read_trial, self.objective, is_sealed), sql, *values)

    @property
    def is_sealed(self) -> bool:
        """Whether the sweep has not ended, by itself or by one of its bounds: until then no test metric is told."""
        if self.is_running:
            return True
        return self.counts()["waiting"] != 0 and not is_bound(self.end_reason)

    def counts(self) -> dict[str, int | None]:
        """Trials by state; one that no controller runs any more is waiting, and so is one that has failed and will be
        tried again. None: waiting without end."""
        counted = dict(self._rows("SELECT state, count(*) FROM trials GROUP BY state"))
        running = counted.get("running", 0) if self.is_running else 0
        if self.retries and "failed" in counted:
            counted["failed"] -= next(
                self._rows("SELECT count(*) FROM trials WHERE state = 'failed' AND attempt <= ?", self.retries)
            )[0]
        ended = {state: counted.get(state, 0) for state in ("finished", "failed", "pruned")}
        waiting = None if self.size is None else max(0, self.size - running - sum(ended.values()))
        return {"waiting": waiting, "running": running, **ended}

    def point_counts(self) -> dict[str, int]:
        """Points by what came of them: finished, failed or pruned, for good; `partly_failed` are those of the finished
        and pruned ones of which a repeat has failed."""
        if self.repeats == 1:
            counts = self.counts()
            return {**{state: counts[state] or 0 for state in ENDED}, "partly_failed": 0}
        with translate_errors(self.place.store):
            found = count_states(self.connection, self.repeats, self.retries)
        num_partly = sum(num_failed for state, _, num_failed in found if state != "failed")
        return {**dict.fromkeys(ENDED, 0), **{state: count for state, count, _ in found}, "partly_failed": num_partly}

    def tell_counts(self) -> str:
        """`4 waiting, 2 finished`: the states that occur, and `finished` always."""
        return ", ".join(f"{count} {state}" for state, count in self.counts().items() if count or state == "finished")

    def trials(self, state: str | None = None, *, is_sealed: bool | None = None) -> Iterator[RecordedTrial]:
        """The recorded trials in the order of their numbers, all or those of one state; a trial that no controller
        runs any more is interrupted. `is_sealed`: without their test metrics; None: as the sweep is."""
        column = self._state_column()
        source = _IN_ORDER if state in (None, "finished") else "trials"
        where = "" if state is None else "WHERE state = ?"
        if state in ("running", "interrupted"):
            where = f"WHERE state IN ('running', 'interrupted') AND {column} = ?"
        sql = f"SELECT {column}, {COLUMNS} FROM {source} {where} ORDER BY number"
        return self._read_trials(sql, *([state] if state else ()), is_sealed=is_sealed)

    def grouped(self) -> Iterator[list[RecordedTrial]]:
        """The recorded trials of each point, in the order of their numbers."""
        return self._group(self.trials())

    def _group(self, trials: Iterable[RecordedTrial]) -> Iterator[list[RecordedTrial]]:
        for _, repeats in groupby(trials, key=lambda recorded: recorded.trial.number // self.repeats):
            yield list(repeats)

    def repeats_of(self, point: int, *, is_sealed: bool | None = None) -> list[RecordedTrial]:
        """The recorded trials of a point."""
        sql = f"SELECT state, {COLUMNS} FROM trials WHERE number BETWEEN ? AND ? ORDER BY number"
        first = point * self.repeats
        return list(self._read_trials(sql, first, first + self.repeats - 1, is_sealed=is_sealed))

    def combine(self, trials: Sequence[RecordedTrial], is_over: IsOver | None = None) -> RecordedTrial | None:
        """The repeats of a point as one trial (see `combinations.combine`); `is_over` says which have ended for good,
        by default those that did by what is recorded."""
        return combine(trials, self.repeats, self.decimals, is_over or self._is_over)

    def _is_over(self, recorded: RecordedTrial) -> bool:
        is_failed = recorded.state == "failed" and recorded.trial.attempt > self.retries
        return is_failed or recorded.state in ("finished", "pruned")

    def _list_standings(self) -> list[Standing]:
        with translate_errors(self.place.store):
            return list_standings(self.connection, self.repeats, self.decimals, self.retries)

    def _read_combination(self, standing: Standing) -> RecordedTrial:
        whole = self.combine(self.repeats_of(standing.point))
        assert whole is not None, "it stands among those that have ended"
        return whole

    def _find_best_combination(self) -> RecordedTrial | None:
        standings = self._list_standings()
        if all(standing.score is None for standing in standings):
            return None
        highest = self._read_combination(rank(standings, is_bigger_better=True)[0])
        if highest.result is not None and highest.result.bigger:
            return highest
        return self._read_combination(rank(standings, is_bigger_better=False)[0])

    def ended(self) -> Iterator[RecordedTrial]:
        """The points whose trials have ended for good, in the order in which they did."""
        if self.repeats > 1:
            wholes = filter(None, map(self.combine, self.grouped()))
            return iter(sorted(wholes, key=lambda whole: (whole.ended_at, whole.trial.number)))
        return self._read_trials(
            f"SELECT state, {COLUMNS} FROM trials WHERE state IN ('finished', 'pruned')"
            " OR (state = 'failed' AND attempt > ?) ORDER BY ended_at, number",
            self.retries,
        )

    def to_run_again(self) -> Iterator[RecordedTrial]:
        """The trials that have been started and are still to be run: interrupted, or failed with tries left."""
        return self._read_trials(
            f"SELECT {self._state_column()}, {COLUMNS} FROM trials"
            f" WHERE (state IN ('running', 'interrupted') AND {self._state_column()} = 'interrupted')"
            " OR (state = 'failed' AND attempt <= ?)",
            self.retries,
        )

    def _state_column(self) -> str:
        return "state" if self.is_running else "replace(state, 'running', 'interrupted')"

    def results(self, *, only_unscored: bool) -> Iterator[tuple[int, Result]]:
        """(number, result as the runner gave it) of the finished trials, all or those that have no score."""
        source, unscored = ("trials", "AND score IS NULL") if only_unscored else (_IN_ORDER, "")
        sql = f"SELECT number, result FROM {source} WHERE state = 'finished' {unscored}"
        return self._read(lambda number, result: (number, Result.from_json(result)), sql)

    def logged(self) -> Iterator[tuple[Params, Result]]:
        """(params, result as the runner gave it) of the finished trials in the order of their numbers; of combinations
        with repeats the mean results."""
        if self.repeats > 1:
            wholes = filter(None, map(self.combine, self._group(self.trials(is_sealed=False))))
            return ((whole.trial.params, whole.result) for whole in wholes if whole.result is not None)
        sql = f"SELECT params, result FROM {_IN_ORDER} WHERE state = 'finished' ORDER BY number"
        return self._read(lambda *row: (params_from_json(json.loads(row[0])), Result.from_json(row[1])), sql)

    def failures(self) -> dict[int, list[tuple[int, str]]]:
        """(attempt, error) of every attempt that failed, by trial, also where a later one has finished."""
        found: dict[int, list[tuple[int, str]]] = {}
        for number, attempt, error in self._rows(
            "SELECT number, attempt, error FROM failures ORDER BY number, attempt"
        ):
            found.setdefault(number, []).append((attempt, error))
        return found

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
        sql = f"SELECT {self._state_column()}, {COLUMNS} FROM trials WHERE number = ?"
        return next(self._read_trials(sql, number), None) if is_storable(number) else None

    def started(self, number: int) -> RecordedTrial:
        """The trial of that number; raises `StoreError` if it has not been started."""
        recorded = self.trial(number)
        if recorded is None:
            size = "any number" if self.size is None else f"0 to {self.size - 1}"
            raise StoreError(
                f"{self.place.folder}: trial {number} has not been started; expected one of the trials ({size}). "
                f"See which have: hypersweep trials {as_word(self.place.folder)}"
            )
        return recorded

    def best(self) -> RecordedTrial | None:
        """The finished trial with the best score, the first of equals; None if none has a score that is a number. Of a
        sweep with repeats: the first trial of the best combination, with the mean result and its `spread`."""
        if self.repeats > 1:
            return self._find_best_combination()
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
        """The `count` best finished trials, best first; those without a score that is a number come last. Of a sweep
        with repeats: combinations, as `best` gives them."""
        best = self.best()
        if self.repeats > 1:
            is_bigger_better = bool(best and best.result and best.result.bigger)
            ranked = rank(self._list_standings(), is_bigger_better=is_bigger_better)
            return [self._read_combination(standing) for standing in ranked[:count]]
        order = "score DESC" if best and best.result and best.result.bigger else "score ASC"
        order = f"ORDER BY score IS NULL, {order}, number"
        # First the numbers, which the index alone can give.
        numbers = f"SELECT number FROM trials WHERE state = 'finished' {order} LIMIT ?"
        return list(
            self._read_trials(f"{_FINISHED} AND number IN ({numbers}) {order}", min(count, self.num_recorded()))
        )

    def unscored(self, count: int) -> list[Trial]:
        """The first `count` finished trials whose score is NaN."""
        sql = f"{_FINISHED} AND score IS NULL ORDER BY number LIMIT ?"
        return [recorded.trial for recorded in self._read_trials(sql, count)]

    def mean_duration_s(self) -> float | None:
        """Seconds that the last trials which were run here took, on average; None before the first has ended."""
        rows = self._rows(
            f"SELECT avg(duration_s) FROM (SELECT ended_at - started_at AS duration_s FROM {_IN_ORDER}"
            " WHERE state IN ('finished', 'failed', 'pruned') ORDER BY number DESC LIMIT 1000)"
        )
        mean_s: float | None = next(rows)[0]
        return mean_s

    def last_report(self, number: int) -> tuple[int, Mapping[str, float]] | None:
        """The last (step, metrics) that a trial reported; without the test metrics while they are sealed."""
        sql = "SELECT number, step, metrics FROM reports WHERE number = ? ORDER BY step DESC LIMIT 1"
        return next(((step, metrics) for _, step, metrics in self._read_reports(sql, number)), None)

    def reports(
        self, number: int | None = None, *, is_sealed: bool | None = None
    ) -> Iterator[tuple[int, int, Mapping[str, float]]]:
        """(number, step, metrics) of all that trials have reported, or the one of that number, by number and step.
        `is_sealed`: without the test metrics; None: as the sweep is."""
        where, values = ("", ()) if number is None else ("WHERE number = ?", (number,))
        sql = f"SELECT number, step, metrics FROM reports {where} ORDER BY number, step"
        return self._read_reports(sql, *values, is_sealed=is_sealed)

    def _read_reports(
        self, sql: str, *values: Any, is_sealed: bool | None = None
    ) -> Iterator[tuple[int, int, Mapping[str, float]]]:
        is_sealed = self.is_sealed if is_sealed is None else is_sealed

        def read(number: int, step: int, text: str) -> tuple[int, int, Mapping[str, float]]:
            metrics = json.loads(text)
            return number, step, without_test(metrics) if is_sealed else metrics

        return self._read(read, sql, *values)

    def frame(self) -> polars.DataFrame:
        """The trials as a table: number, state, a column for each parameter, score, metrics, times in seconds."""
        import polars

        return polars.DataFrame(
            [as_row(recorded, self.space.names) for recorded in self.trials()], infer_schema_length=None, strict=False
        )


# Read from first to last: going by the index, most of the table would have to be sorted.
_IN_ORDER = "trials NOT INDEXED"
_FINISHED = f"SELECT state, {COLUMNS} FROM trials WHERE state = 'finished'"
