"""What must hold before a sweep begins or goes on; each check raises the error that says what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from hypersweep.budget import Budget
from hypersweep.definition import Definition, describe_settings_change, describe_space_change
from hypersweep.errors import (
    HypersweepError,
    PoolError,
    ResultLogError,
    SearchError,
    SettingsError,
    SpaceError,
    StoreError,
)
from hypersweep.events import Noted, OnEvent
from hypersweep.limits import Limits
from hypersweep.place import Place, as_word, tell_holder
from hypersweep.pool import Resources
from hypersweep.request import DEFAULT_SEED, Resolved, SessionOptions, read_settings, read_space
from hypersweep.runner import Key
from hypersweep.runner.command import PLACEHOLDER
from hypersweep.settings import check_keys, check_space_names
from hypersweep.space import Space
from hypersweep.study import Study
from hypersweep.supervision import Supervision


def check_names(resolved: Resolved, keys: Sequence[Key] | None, on_event: OnEvent) -> None:
    """Every setting and parameter must mean something to the runner; all that do not are told together."""
    names = resolved.definition.space.names
    errors: list[HypersweepError] = []
    without_effect: list[str] = []
    try:
        check_space_names(resolved.places, keys)
    except HypersweepError as error:
        errors.append(error)
    try:
        without_effect += check_keys(resolved.loaded, keys, names)
    except HypersweepError as error:
        errors.append(error)
    try:
        check_placeholders(resolved)
    except HypersweepError as error:
        errors.append(error)
    if errors:
        raise type(errors[0]).gather(str(error) for error in errors)
    without_effect += [key.name for key in keys or () if key.name in names and not key.has_effect]
    if without_effect:
        on_event(Noted(f"settings without effect here: {', '.join(without_effect)}"))


def check_placeholders(resolved: Resolved) -> None:
    """Raises `SpaceError` for a parameter that the command names and that is not always there."""
    reference, space = resolved.definition.reference, resolved.definition.space
    named = PLACEHOLDER.findall(reference.text) if reference.is_command else []
    problems = [
        f"{resolved.places[parameter.name]}: {parameter.name!r} is there only if {parameter.only_if}, got "
        f"{{{parameter.name}}} in the command; expected a value for when it is not. Set one: --set {parameter.name}=…"
        for parameter in space.parameters
        if parameter.only_if is not None and parameter.name in named and parameter.name not in resolved.loaded.values
    ]
    if problems:
        raise SpaceError.gather(problems)


def check_end(definition: Definition, budget: Budget) -> None:
    """A search that no grid ends must be ended by something else."""
    if definition.algo != "grid" and budget == Budget():
        raise SearchError(
            f"--algo {definition.algo}: it has no end by itself; expected --max-trials, --time-budget or --stop-after. "
            "Say how much to try, such as --max-trials 100"
        )


def check_sources(definition: Definition, on_event: OnEvent, *, may_extend: bool) -> Definition:
    """Refuse to resume if the space's file holds another space now; warn if the settings' files changed.

    Gives the sweep that goes on: with `may_extend` over what the file holds now, if only values were added.
    """
    if definition.sources.space is None or not Path(definition.sources.space).exists():
        return definition
    space, path = read_space(definition.sources.space)
    assert path is not None
    extended = _extend(definition, space, path, may_extend=may_extend)
    _warn_of_settings(definition, path, on_event)
    return extended


def _extend(definition: Definition, space: Space, path: Path, *, may_extend: bool) -> Definition:
    differences = describe_space_change(definition.space, space)
    if not differences:
        return definition
    has_grown = definition.algo == "grid" and space.extends(definition.space)
    if may_extend and has_grown:
        extended = dataclasses.replace(definition, space=space, older=(*definition.older, definition.space))
        extended.open_searcher()  # which refuses what is too large, before it is recorded
        return extended
    if has_grown:
        what, advice = "the space has changed since the sweep began", "Run what is new as well: resume --extend. Or "
    elif may_extend:
        what, advice = "the space has changed in more than added values of a grid, which --extend takes", ""
    else:
        what, advice = "the space has changed since the sweep began", ""
    raise SpaceError(_tell_differences(f"{path}: {what}", differences, advice))


def _warn_of_settings(definition: Definition, path: Path, on_event: OnEvent) -> None:
    try:
        sources = definition.sources
        loaded = read_settings(path, sources.config, sources.assignments, sources.settings)
    except HypersweepError as error:
        on_event(Noted(f"{error} (the recorded settings are used)", is_warning=True))
        return
    seed = loaded.values.pop("seed", DEFAULT_SEED)
    changes = describe_settings_change(definition.settings, loaded.values)
    if definition.sources.seed is None and seed != definition.seed:
        changes.append(f"seed: {definition.seed} in the sweep, {seed} now")
    for change in changes:
        on_event(Noted(f"{change}; the sweep keeps its own", is_warning=True))


def tell_nothing_left(study: Study, *, is_retrying_failed: bool) -> str | None:
    """Why nothing of a sweep would run now; None if something would."""
    counts, limits = study.counts(), Limits(study)
    is_to_retry = is_retrying_failed and counts["failed"]
    # With the lock held, what is running was left so by a controller that was killed.
    is_between = study.num_recorded() == study.num_begun() * study.repeats  # no combination waits for repeats
    if not is_to_retry and not counts["running"] and is_between and not any(study.to_run_again()):
        if counts["waiting"] == 0:
            return "the sweep is finished: nothing is left to run"
        if limits.has_stalled:
            return f"nothing is left to run: {limits.tell_reached()}"
    return f"nothing runs: {limits.tell_reached()}" if limits.is_time_over else None


def check_options(resources: Resources, supervision: Supervision, session: SessionOptions) -> None:
    """Refuse what cannot be a number of trials that run together, options of a cluster where trials run on this
    machine, and options of a pruner where none has use for them."""
    together = resources.batch_trials
    if together != "auto" and (type(together) is not int or together < 1):
        raise SettingsError(f"--batch-trials: got {together!r}; expected auto or at least 1. Give a number")
    for name in ("ray_address", "gpus_per_trial", "shared"):
        value = session.get(name)
        if value is not None and resources.pool != "ray":
            raise PoolError(
                f"--{name.replace('_', '-')}: is for a cluster, got {value!r} with --pool {resources.pool}; expected "
                "--pool ray. Add it, or drop the option"
            )
    for name, pruners in (("min_steps", ("asha", "hyperband", "median")), ("reduction_factor", ("asha", "hyperband"))):
        value = session.get(name)
        if value is not None and supervision.prune not in pruners:
            raise SearchError(
                f"--{name.replace('_', '-')}: is for pruning, got {value!r} with --prune {supervision.prune}; expected "
                f"--prune {' or '.join(pruners)}. Add it, or drop the option"
            )


def refuse_foreign_log(place: Place) -> None:
    """A log that is there without a store is not ours to overwrite."""
    if place.log.exists():
        raise ResultLogError(
            f"{place.log}: is there already, and no sweep of hypersweep that made it; expected no such file. "
            f"Take its trials as finished: --from-result {as_word(place.log)}; or write elsewhere: --out DIR"
        )


def refuse_existing(place: Place) -> None:
    """Where a sweep is, another does not begin by itself: say how it stands, and the ways on."""
    with Study(place) as study:
        counts = study.tell_counts()
        if study.is_running:
            raise StoreError(
                f"{place.folder}: another controller runs it{tell_holder(place.lock)}, got {counts}; expected no sweep "
                f"here. See it: hypersweep status {as_word(place.folder)}"
            )
    raise StoreError(
        f"{place.folder}: a sweep is here already ({counts}); expected none. Go on with it: --resume, or "
        f"hypersweep resume {as_word(place.folder)}; start anew and keep the old one aside: --restart"
    )


def refuse_changed(place: Place, differences: Sequence[str]) -> None:
    """A sweep goes on only as what it was begun as."""
    if differences:
        raise StoreError(
            _tell_differences(f"{place.folder}: another sweep is here than the one asked for", differences)
        )


def _tell_differences(what: str, differences: Sequence[str], advice: str = "") -> str:
    lines = "".join(f"\n  {difference}" for difference in differences)
    undo = (
        f"{'undo' if advice else 'Undo'} the change, start anew with run --restart, or choose another place with run "
    )
    return f"{what}:{lines}\n{advice}{undo}--out DIR"
