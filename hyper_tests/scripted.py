"""A pool whose trials end when and as a test says, and the loop of a sweep over it, without the command line."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hypersweep.batching import ALONE, Batching
from hypersweep.budget import Budget
from hypersweep.definition import Definition
from hypersweep.events import Event, OnEvent
from hypersweep.loop import Loop
from hypersweep.place import Place
from hypersweep.pool import Description, Ended, PoolEvent, Reported
from hypersweep.runner import RunnerReference
from hypersweep.spacefile import parse_space
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.supervision import Supervision
from hypersweep.trial import Finished, Interrupted, Outcome, Result, Trial


def square(trial: Trial) -> Outcome:
    """The result depends on the params only, as that of a deterministic runner does."""
    total = sum(float(str(value)) for value in trial.params.values())
    return Finished(Result(valid={"score": total * total}))


def first(running: Sequence[Trial]) -> int:
    return 0


class ScriptedPool:
    """Ends one trial at each `wait`: the one of the running whose position `choose` gives, as `end` says.

    After `stop_after` ends it sends this process a SIGINT, as Ctrl-C does.
    """

    def __init__(
        self,
        num_slots: int = 1,
        *,
        end: Callable[[Trial], Outcome] = square,
        choose: Callable[[Sequence[Trial]], int] = first,
        stop_after: int | None = None,
    ) -> None:
        self.num_slots = num_slots
        self.end = end
        self.choose = choose
        self.stop_after = stop_after
        self.running: list[Trial] = []
        self.batches: list[list[int]] = []  # all that were submitted
        self.slots: list[set[int]] = []  # of each batch that runs the trials that do
        self.ran: list[Trial] = []

    def describe(self) -> Description:
        return Description(keys=None, has_prepare=False)

    def prepare(self) -> Path | None:
        return None

    def submit(self, batch: Sequence[Trial]) -> None:
        self.running += batch
        self.batches.append([trial.number for trial in batch])
        self.slots = [numbers for numbers in self.slots if numbers] + [{trial.number for trial in batch}]
        assert len(self.slots) <= self.num_slots

    def listen(self, on_report: Callable[[Reported], None]) -> None: ...

    def prune(self, number: int) -> None: ...

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        if self.stop_after == len(self.ran):
            os.kill(os.getpid(), signal.SIGINT)
            return []
        trial = self.running.pop(self.choose(self.running) % len(self.running))
        self.ran.append(trial)
        for numbers in self.slots:
            numbers.discard(trial.number)
        return [Ended(trial.number, self.end(trial))]

    def interrupt(self) -> None: ...

    def stop(self, grace_s: float) -> list[PoolEvent]:
        stopped, self.running, self.slots = self.running, [], []
        return [Ended(trial.number, Interrupted()) for trial in stopped]

    def close(self) -> None: ...


def define(space: str, **fields: Any) -> Definition:
    """A sweep over the space of this text."""
    defaults: dict[str, Any] = {
        "settings": {},
        "reference": RunnerReference("module:runner", is_command=False, directory="."),
        "seed": 2020,
        "order": "sequential",
        "threads": 1,
        "metric": None,
        "mode": None,
    }
    return Definition(space=parse_space(space), **{**defaults, **fields})


def meta_of(
    definition: Definition, supervision: Supervision | None = None, budget: Budget | None = None
) -> dict[str, Any]:
    """What a store holds of a sweep."""
    return {
        **definition.to_meta(),
        "resources": {},
        "supervision": (supervision or Supervision()).to_meta(),
        "budget": (budget or Budget()).to_meta(),
    }


@contextlib.contextmanager
def opened_sweep(
    place: Place, definition: Definition, supervision: Supervision | None = None, budget: Budget | None = None
) -> Iterator[tuple[Store, Study]]:
    """The store of the sweep, made if it is not there, and its study."""
    if not place.exists:
        place.folder.mkdir(parents=True)
        Store.create(place.store, meta_of(definition, supervision, budget)).close()
    store = Store(place.store)
    with contextlib.closing(store), Study(place) as study:
        store.begin_session({}, 0.0)
        yield store, study


def _ignore(event: Event) -> None: ...


def run_sweep(
    place: Place,
    definition: Definition,
    pool: ScriptedPool,
    on_event: OnEvent = _ignore,
    *,
    is_retrying_failed: bool = False,
    budget: Budget | None = None,
    batching: Batching = ALONE,
    **supervision: Any,
) -> bool:
    """The loop, once: to the end, or until the pool sends its signal (then True)."""
    with opened_sweep(place, definition, Supervision(**supervision), budget) as (store, study):
        loop = Loop(
            store=store,
            study=study,
            definition=definition,
            searcher=definition.open_searcher(),
            pool=pool,
            supervision=Supervision(**supervision),
            on_event=on_event,
            is_retrying_failed=is_retrying_failed,
            batching=batching,
        )
        return loop.run()
