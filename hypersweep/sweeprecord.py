"""What a store says of a sweep as a whole, also while it runs and afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hypersweep.budget import Budget
from hypersweep.place import Place, find_place, is_locked
from hypersweep.selection import Objective
from hypersweep.space import Space
from hypersweep.spacefile import parse_space
from hypersweep.store import connect, refuse_damage, translate_errors

if TYPE_CHECKING:
    from typing_extensions import Self

UNCHOSEN = "the score is not chosen"  # a reason why a session has ended
Read = TypeVar("Read")


class SweepRecord:
    """The sweep as a whole. Opening one changes nothing on disk; close it when done."""

    def __init__(self, path: str | Path | Place) -> None:
        """`path` is the `.sweep` folder, a folder that holds one, or the `.test` file. Raises `StoreError`."""
        self.place = path if isinstance(path, Place) else find_place(Path(path))
        self.connection = connect(self.place.store, is_reader=True)

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
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
    def repeats(self) -> int:
        """How many trials each point has."""
        repeats: int = self.meta.get("repeats", 1)
        return repeats

    @property
    def decimals(self) -> int | None:
        """To how many decimals the runner rounds its metrics; None: not at all."""
        decimals: int | None = self.meta.get("decimals")
        return decimals

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
        num_points = self.budget.cap(self.num_points)
        return None if num_points is None else num_points * self.repeats

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
    def is_running(self) -> bool:
        """Whether a controller works on the sweep now."""
        return is_locked(self.place.lock)

    @property
    def retries(self) -> int:
        retries: int = self.meta["supervision"]["retries"]
        return retries

    def first_session(self) -> dict[str, Any] | None:
        """What was recorded when the sweep began; None before."""
        return next(self._read(json.loads, "SELECT record FROM sessions ORDER BY id LIMIT 1"), None)

    def has_open_session(self) -> bool:
        """Whether a session was begun that has not ended: now, or because its controller was killed."""
        return any(True for _ in self._rows("SELECT id FROM sessions WHERE ended_at IS NULL"))

    def num_recorded(self) -> int:
        """How many trials have been started, or taken over from a log."""
        count: int = next(self._rows("SELECT count(*) FROM trials"))[0]
        return count

    def num_begun(self) -> int:
        """How many points have been begun."""
        sql = "SELECT count(DISTINCT number / ?) FROM trials"
        count: int = self.num_recorded() if self.repeats == 1 else next(self._rows(sql, self.repeats))[0]
        return count

    def elapsed_s(self) -> float:
        """Seconds that controllers have worked on the sweep, all sessions together."""
        now = time.time()
        rows = self._rows("SELECT sum(coalesce(ended_at, ?) - started_at) FROM sessions", now)
        return next(rows)[0] or 0.0


_META = ("space", "metric", "mode", "algo", "resources", "supervision", "budget")  # what every store must hold
