"""Set-up before the loop: resolve, check, lock, prepare. `sweep` and `resume` are the whole run from Python."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hypersweep.adopt import read_adopted
from hypersweep.batching import choose_batching
from hypersweep.budget import Budget
from hypersweep.checkpoints import Checkpoints
from hypersweep.checks import (
    check_end,
    check_names,
    check_options,
    check_sources,
    refuse_changed,
    refuse_existing,
    refuse_foreign_log,
    tell_nothing_left,
)
from hypersweep.definition import Definition, describe_differences
from hypersweep.errors import naming_places
from hypersweep.events import Event, Noted, OnEvent
from hypersweep.limits import Limits
from hypersweep.place import ControllerLock, Place, find_place, move_aside, refuse_network
from hypersweep.pool import Resources
from hypersweep.relocation import home_of, relocate
from hypersweep.request import Request, Resolved, SessionOptions, resolve
from hypersweep.resultfile import ResultFile
from hypersweep.runner.reference import refuse_within_import
from hypersweep.search.given import Points
from hypersweep.session import SweepInterrupted, created_store, opened_pool, run_session
from hypersweep.space import Space
from hypersweep.store import Store, refuse_damage
from hypersweep.study import Study
from hypersweep.supervision import Supervision

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SweepInterrupted", "resume", "sweep"]

IfExists = Literal["refuse", "resume", "restart"]


def _ignore(event: Event) -> None:
    """Where nobody listens."""


def sweep(
    space: str | Path | Space,
    *,
    runner: str | Callable[..., Any] | None = None,
    command: str | None = None,
    python: str | None = None,
    config: Sequence[str | Path] = (),
    assignments: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    metric: str | None = None,
    mode: Literal["max", "min"] | None = None,
    algo: str = "grid",
    repeats: int = 1,
    order: Literal["sequential", "shuffled"] = "sequential",
    seed: int | None = None,
    threads: int | None = None,
    enqueue: Points | None = None,
    from_result: str | Path | None = None,
    out: str | Path | None = None,
    if_exists: IfExists = "refuse",
    on_event: OnEvent = _ignore,
    **session: Unpack[SessionOptions],
) -> Study:
    """Search `space` to the end, by default with one trial per combination; the options are those of `hypersweep run`,
    with those of `SessionOptions`: workers, pool, retries, max_trials, …. `enqueue` takes points themselves, too.

    `runner` is a name as for `--runner`, or a callable (see `runner.contract`); pool `local` needs one that another
    process can import. `python` is another interpreter for the trials. `if_exists` is for a sweep that is there.
    Gives the study of the finished sweep. Raises a `HypersweepError` for what cannot be used, `SweepInterrupted` (a
    `KeyboardInterrupt`) when stopped by a signal.
    """
    refuse_within_import()
    request = Request(
        space=space,
        runner=runner,
        command=command,
        python=python,
        config=config,
        assignments=assignments,
        settings=settings or {},
        metric=metric,
        mode=mode,
        algo=algo,
        repeats=repeats,
        order=order,
        seed=seed,
        threads=threads,
        session=session,
        enqueue=enqueue,
        from_result=from_result,
        out=out,
    )
    resolved = resolve(request)
    if resolved.place.exists and if_exists == "refuse":
        refuse_existing(resolved.place)
    refuse_network(resolved.place.folder)
    with naming_places(settings=resolved.loaded.where, space=resolved.places):
        if resolved.place.exists and if_exists == "resume":
            return _go_on(request, resolved, on_event)
        return _begin(request, resolved, on_event, may_move=if_exists == "restart")


def resume(
    path: str | Path = ".",
    *,
    metric: str | None = None,
    mode: Literal["max", "min"] | None = None,
    retry_failed: bool = False,
    extend: bool = False,
    on_event: OnEvent = _ignore,
    **session: Unpack[SessionOptions],
) -> Study:
    """Go on with the sweep at `path`, by its own settings; what is not None replaces what it was run with.
    `retry_failed`: trials that have failed for good are tried again, too. `extend`: values may have been added in the
    space's file; what is new of the grid follows what is recorded.

    Raises like `sweep`, and `StoreError` if the space in its file is another one now.
    """
    refuse_within_import()
    place = find_place(Path(path))
    refuse_network(place.folder)
    with ControllerLock(place.lock), Study(place) as study:
        definition = check_sources(relocate(Definition.of(study), study, on_event), on_event, may_extend=extend)
        return _run_existing(
            study,
            _with_score(definition, metric, mode),
            session,
            function=None,
            is_retrying_failed=retry_failed,
            on_event=on_event,
        )


def _go_on(request: Request, resolved: Resolved, on_event: OnEvent) -> Study:
    """`run --resume` where a sweep is: the same sweep must be asked for."""
    place, asked = resolved.place, resolved.definition
    with ControllerLock(place.lock), Study(place) as study:
        recorded = relocate(Definition.of(study), study, on_event)
        differences = describe_differences(recorded, asked)
        if request.threads is not None and request.threads != recorded.threads:
            differences.append(f"threads: {recorded.threads} in the sweep, {request.threads} now")
        refuse_changed(place, differences)
        return _run_existing(
            study,
            _with_score(recorded, asked.metric, asked.mode),
            request.session,
            function=resolved.function,
            on_event=on_event,
        )


def _with_score(definition: Definition, metric: str | None, mode: str | None) -> Definition:
    """The sweep with another score, as far as one is named."""
    return dataclasses.replace(
        definition,
        metric=definition.metric if metric is None else metric,
        mode=definition.mode if mode is None else mode,
    )


def _begin(request: Request, resolved: Resolved, on_event: OnEvent, *, may_move: bool) -> Study:
    """A sweep from its first trial. Nothing is written before everything has been checked."""
    place, definition = resolved.place, resolved.definition
    adopted_path = Path(request.from_result) if request.from_result is not None else None
    is_own_log = adopted_path is not None and adopted_path.resolve() == place.log.resolve()
    if not may_move and not is_own_log:
        refuse_foreign_log(place)
    check_end(definition, request.budget)
    resources, supervision, searcher = request.resources, request.supervision, definition.open_searcher()
    check_options(resources, supervision, request.session)
    with opened_pool(place, definition, resources, supervision, resolved.function) as (pool, description):
        check_names(resolved, description.keys, on_event)
        batching = choose_batching(resources, description, searcher, definition.space)
        adopted = read_adopted(adopted_path, definition, searcher, description.keys) if adopted_path else []
        if description.has_prepare and len(adopted) != request.budget.cap(searcher.size):
            pool.prepare()
        if may_move and (place.exists or place.log.exists()):
            _move_aside(place, on_event)
        elif is_own_log:
            on_event(Noted(f"{place.log} was moved to {move_aside([place.log])[0]}"))
        found = {"decimals": definition.find_decimals(description.keys), "home": home_of(place)}
        meta = {**definition.to_meta(), **found, **_options_to_meta(resources, supervision, request.budget)}
        with created_store(place, meta, adopted), Study(place) as study:
            if adopted:
                on_event(Noted(f"{len(adopted)} finished trials were taken from {adopted_path}"))
            run_session(study, definition, searcher, pool, description, supervision, on_event, batching=batching)
    return Study(place)


def _run_existing(
    study: Study,
    definition: Definition,
    session: SessionOptions,
    *,
    function: Callable[..., Any] | None,
    on_event: OnEvent,
    is_retrying_failed: bool = False,
) -> Study:
    """The rest of a sweep whose lock is held."""
    place = study.place
    with contextlib.closing(Store(place.store)) as store:
        store.check()
    resources, supervision = _change_options(study, definition, session)
    nothing_left = tell_nothing_left(study, is_retrying_failed=is_retrying_failed)
    if nothing_left is not None:
        _record_bound(study)
        ResultFile(study).renew()
        on_event(Noted(nothing_left))
        return Study(place)
    searcher = definition.open_searcher()
    with opened_pool(place, definition, resources, supervision, function) as (pool, description):
        if description.has_prepare:
            pool.prepare()
        run_session(
            study,
            definition,
            searcher,
            pool,
            description,
            supervision,
            on_event,
            batching=choose_batching(resources, description, searcher, definition.space),
            is_retrying_failed=is_retrying_failed,
        )
    return Study(place)


def _change_options(study: Study, definition: Definition, session: SessionOptions) -> tuple[Resources, Supervision]:
    """The options that go on: those that the session gives, else the recorded ones; checked, then recorded with what
    else may be another now. Checkpoints that are not to be kept any more are removed."""
    with refuse_damage(study.place.store):
        resources, recorded = Resources(**study.meta["resources"]), Supervision(**study.meta["supervision"])
        budget = study.budget.replaced_by(session)
    resources, supervision = resources.replaced_by(session), recorded.replaced_by(session)
    check_options(resources, supervision, session)
    check_end(definition, budget)
    _record_again(study, definition, _options_to_meta(resources, supervision, budget))
    if supervision.keep != recorded.keep:
        Checkpoints.of(study, supervision.keep).tidy(study)
    return resources, supervision


def _options_to_meta(resources: Resources, supervision: Supervision, budget: Budget) -> dict[str, Any]:
    """What a resume may change."""
    return {"resources": resources.to_meta(), "supervision": supervision.to_meta(), "budget": budget.to_meta()}


def _record_again(study: Study, definition: Definition, options: Mapping[str, Any]) -> None:
    """Record what may be another at a resume: the session's options, the space if it has grown, where its files are if
    they were moved, and the score that counts, by which the finished trials are judged anew.

    Raises `SelectionError` if a result does not have it.
    """
    old = study.meta["metric"], study.meta["mode"]
    is_changed = old != (definition.metric, definition.mode)
    results = study.results(only_unscored=not is_changed)
    scores = [(number, definition.objective.judge(result).score) for number, result in results]
    store = Store(study.place.store)
    with contextlib.closing(store), store.transaction():
        store.rescore(scores)
        meta = definition.to_meta()
        for key in ("metric", "mode", "space", "older", "runner", "sources"):
            store.set_meta(key, meta[key])
        store.set_meta("home", home_of(study.place))
        for key, value in options.items():
            store.set_meta(key, value)
        if meta["space"] != study.meta["space"]:
            store.set_meta("ending", None)
    study.forget_meta()


def _record_bound(study: Study) -> None:
    """Where no session begins any more: the bound that has ended the sweep, which a session that was killed or
    interrupted may not have recorded."""
    ending = {**study.ending, "reason": Limits(study).option_reached}
    with contextlib.closing(Store(study.place.store)) as store, store.transaction():
        store.set_meta("ending", ending)


def _move_aside(place: Place, on_event: OnEvent) -> None:
    """Make room for a new sweep; refused while a controller works on the old one."""
    lock = ControllerLock(place.lock) if place.exists else contextlib.nullcontext()
    with lock:
        moved = move_aside([place.log, place.folder])
    on_event(Noted(f"the old sweep was moved to {', '.join(str(path) for path in moved)}"))
