"""One session of a controller: a pool that is open, and the loop between two entries in the store."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypersweep.adopt import Adopted
from hypersweep.batching import Batching
from hypersweep.definition import Definition
from hypersweep.errors import StoreError
from hypersweep.events import Noted, OnEvent
from hypersweep.loop import Loop
from hypersweep.place import ControllerLock, Place, as_word
from hypersweep.pool import Description, Pool, Resources, Work, open_pool
from hypersweep.provenance import describe_changes, take_record
from hypersweep.search import Searcher
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.supervision import Supervision


class SweepInterrupted(KeyboardInterrupt):
    """The sweep was stopped by a signal. Everything that had finished is kept, and `resume` goes on."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"interrupted; go on with: hypersweep resume {as_word(place.folder)}")
        self.place = place


@contextlib.contextmanager
def opened_pool(
    place: Place,
    definition: Definition,
    resources: Resources,
    supervision: Supervision,
    function: Callable[..., Any] | None,
) -> Iterator[tuple[Pool, Description]]:
    """A pool for the trials of the sweep, and what its runner declares; raises what `pool.open_pool` does."""
    work = Work(
        reference=definition.reference,
        settings=definition.settings,
        varied=definition.varied,
        threads=definition.threads,
        place=place,
        trial_timeout_s=supervision.trial_timeout_s,
        function=function,
    )
    pool = open_pool(work, resources)
    try:
        yield pool, pool.describe()
    finally:
        pool.close()


@contextlib.contextmanager
def created_store(place: Place, meta: Mapping[str, Any], adopted: Sequence[Adopted]) -> Iterator[None]:
    """A new store with its lock held; the folder appears at once or not at all."""
    unfinished = place.folder.with_name(f".{place.folder.name}.{secrets.token_hex(4)}.new")
    try:
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise StoreError(
            f"{place.folder}: cannot be made ({error.strerror}); expected a writable folder. Choose another: --out DIR"
        ) from error
    new = Place(folder=unfinished, log=place.log)
    try:
        with ControllerLock(new.lock):
            store = Store.create(new.store, meta)
            with contextlib.closing(store), store.transaction():
                store.adopt(adopted, time.time())
            try:
                unfinished.rename(place.folder)
            except OSError as error:
                raise StoreError(
                    f"{place.folder}: is there already ({error.strerror}); expected no such folder. "
                    "Move it away, or choose another place: --out DIR"
                ) from error
            yield
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def run_session(
    study: Study,
    definition: Definition,
    searcher: Searcher,
    pool: Pool,
    description: Description,
    supervision: Supervision,
    on_event: OnEvent,
    *,
    batching: Batching,
    is_retrying_failed: bool = False,
) -> None:
    """Run what is left of a sweep whose lock is held; tells what has changed since it began.

    Raises `SweepInterrupted` when stopped by a signal, and what `Loop.run` raises.
    """
    record = _take_record(study, definition, on_event)
    was_killed = study.has_open_session()
    with contextlib.closing(Store(study.place.store)) as store:
        session = store.begin_session(record, time.time())
        loop = Loop(
            store=store,
            study=study,
            definition=definition,
            searcher=searcher,
            pool=pool,
            supervision=supervision,
            on_event=on_event,
            valid_metric=definition.find_valid_metric(description.keys),
            is_retrying_failed=is_retrying_failed,
            batching=batching,
        )
        if was_killed:
            loop.checkpoints.tidy(study)
        try:
            was_interrupted = loop.run()
        except KeyboardInterrupt:  # a second signal
            was_interrupted = True
        finally:
            store.end_session(session, time.time())
    if was_interrupted:
        raise SweepInterrupted(study.place)


def _take_record(study: Study, definition: Definition, on_event: OnEvent) -> dict[str, Any]:
    """With what the session runs: the versions, the host, the code; tells what has changed since the first one."""
    directory = Path(definition.sources.space).parent if definition.sources.space else Path.cwd()
    space = definition.to_meta()["space"]
    record = take_record(directory=directory, reference=definition.reference, space=space, settings=definition.settings)
    first = study.first_session()
    for change in describe_changes(first, record) if first else []:
        on_event(Noted(change, is_warning=True))
    return record
