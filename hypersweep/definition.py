"""What a sweep is: all that decides which trials there are and what they give. Recorded once, kept by resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypersweep.errors import SearchError, SpaceError
from hypersweep.runner import Key, RunnerReference
from hypersweep.search import Searcher, check_algorithm, open_searcher
from hypersweep.search.grid import Order
from hypersweep.selection import Objective
from hypersweep.space import Choice, Parameter, Space, Value
from hypersweep.spacefile import describe_parameter, format_space, parse_space
from hypersweep.store import refuse_damage
from hypersweep.study import Study
from hypersweep.trial import Params, is_storable, params_from_json


@dataclass(frozen=True)
class Sources:
    """The files and options that the definition was read from: to see at a resume whether they have changed."""

    space: str | None = None
    config: tuple[str, ...] = ()
    assignments: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None  # as given with --seed


@dataclass(frozen=True)
class Definition:
    """Space, settings, runner, seed, how it is searched, threads per trial, and which score counts.

    `repeats` is how often each point is run, with seeds that count up from the sweep's.
    `given` are points that are tried first, `older` the spaces that the space has grown from, oldest first. Raises
    `SearchError` and `SpaceError` for what cannot be together.
    """

    space: Space
    settings: Mapping[str, Any]
    reference: RunnerReference
    seed: int
    order: Order
    threads: int
    metric: str | None
    mode: str | None
    algo: str = "grid"
    repeats: int = 1
    given: tuple[Params, ...] = ()
    older: tuple[Space, ...] = ()
    sources: Sources = field(default_factory=Sources)

    def __post_init__(self) -> None:
        check_algorithm(self.algo)
        if self.order != "sequential" and self.algo != "grid":
            raise SearchError(
                f"--order: got {self.order!r} with --algo {self.algo}; expected none, since only a grid has an order. "
                "Drop one of the two"
            )
        if self.repeats != 1:
            self._check_repeats()
        for parameter in self.space.parameters:
            if parameter.name == "seed" and not _are_seeds(parameter):
                raise SpaceError(
                    "space: 'seed' has values that are no seeds; expected whole numbers of 64 bits. Mend the list"
                )

    def _check_repeats(self) -> None:
        """Raises `SearchError` unless each repeat can have a seed and a number of its own."""
        if self.repeats < 1:
            raise SearchError(f"--repeats: got {self.repeats}; expected at least 1. Give how often to run each point")
        if "seed" in self.space.names:
            raise SearchError(
                f"--repeats: got {self.repeats} with a space that has 'seed'; expected one of the two. "
                "Drop the parameter or the option"
            )
        size = self.space.grid_size or 1
        if not is_storable(self.seed + self.repeats - 1) or not is_storable(size * self.repeats):
            raise SearchError(
                f"--repeats: got {self.repeats}; expected seeds and numbers of trials of 64 bits. Give fewer"
            )

    @property
    def objective(self) -> Objective:
        return Objective(self.metric, self.mode)

    @property
    def varied(self) -> dict[str, list[Value]]:
        """The choices of the space, by name: what the runner's keys may depend on."""
        return {choice.name: list(choice.values) for choice in self.space.parameters if isinstance(choice, Choice)}

    def open_searcher(self) -> Searcher:
        """Raises what `search.open_searcher` does."""
        return open_searcher(
            self.space, self.algo, order=self.order, seed=self.seed, given=self.given, older=self.older
        )

    def find_valid_metric(self, keys: Sequence[Key] | None) -> str | None:
        """The metric that the runner goes by: the setting `valid_metric`, else the default of its key."""
        defaults = {key.name: key.default for key in keys or ()}
        found = self.settings.get("valid_metric", defaults.get("valid_metric"))
        return None if found is None else str(found)

    def find_decimals(self, keys: Sequence[Key] | None) -> int | None:
        """To how many decimals the runner rounds its metrics, the means of repeats likewise: the setting
        `metric_decimal_place`, else the default of its key; None: it does not say."""
        defaults = {key.name: key.default for key in keys or ()}
        found = self.settings.get("metric_decimal_place", defaults.get("metric_decimal_place"))
        is_fixed = "metric_decimal_place" not in self.space.names
        return found if is_fixed and type(found) is int and found >= 0 else None

    def to_meta(self) -> dict[str, Any]:
        """As the store keeps it."""
        return {
            "space": format_space(self.space),
            "settings": dict(self.settings),
            "runner": {
                "text": self.reference.text,
                "is_command": self.reference.is_command,
                "directory": self.reference.directory,
                "python": self.reference.python,
            },
            "seed": self.seed,
            "order": self.order,
            "threads": self.threads,
            "metric": self.metric,
            "mode": self.mode,
            "algo": self.algo,
            "repeats": self.repeats,
            "given": [dict(params) for params in self.given],
            "older": [format_space(space) for space in self.older],
            "sources": {
                "space": self.sources.space,
                "config": self.sources.config,
                "assignments": self.sources.assignments,
                "settings": dict(self.sources.settings),
                "seed": self.sources.seed,
            },
        }

    @classmethod
    def of(cls, study: Study) -> Definition:
        """That of a sweep as it is recorded; raises `StoreError` if something is missing."""
        meta, where = study.meta, str(study.place.store)
        with refuse_damage(study.place.store):
            sources = meta["sources"]
            return cls(
                space=parse_space(meta["space"], where),
                settings=meta["settings"],
                reference=RunnerReference(**meta["runner"]),
                seed=meta["seed"],
                order=meta["order"],
                threads=meta["threads"],
                metric=meta["metric"],
                mode=meta["mode"],
                algo=meta["algo"],
                repeats=meta.get("repeats", 1),
                given=tuple(params_from_json(params) for params in meta["given"]),
                older=tuple(parse_space(text, where) for text in meta["older"]),
                sources=Sources(
                    space=sources["space"],
                    config=tuple(sources["config"]),
                    assignments=tuple(sources["assignments"]),
                    settings=sources["settings"],
                    seed=sources["seed"],
                ),
            )


def describe_differences(old: Definition, new: Definition) -> list[str]:
    """What `new` asks for that `old` did not, a line each; metric, mode and threads do not count."""
    lines = describe_space_change(old.space, new.space)
    lines += describe_settings_change(old.settings, new.settings)
    if old.reference.name != new.reference.name:
        lines.append(f"runner: {old.reference.name} in the sweep, {new.reference.name} now")
    for name in ("seed", "algo", "order", "repeats"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            lines.append(f"{name}: {before} in the sweep, {after} now")
    if repr(old.given) != repr(new.given):
        lines.append(f"enqueue: {len(old.given)} points in the sweep, {len(new.given)} now, not the same ones")
    return lines


def describe_settings_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Which settings have come, gone or changed, a line each."""
    lines = []
    for name in sorted({*old, *new}):
        if name not in new:
            lines.append(f"setting {name}: {old[name]!r} in the sweep, not set now")
        elif name not in old:
            lines.append(f"setting {name}: not set in the sweep, {new[name]!r} now")
        elif repr(old[name]) != repr(new[name]):
            lines.append(f"setting {name}: {old[name]!r} in the sweep, {new[name]!r} now")
    return lines


def describe_space_change(old: Space, new: Space) -> list[str]:
    """Which parameters have come, gone or changed, a line each, or that their order has."""
    before, after = ({parameter.name: parameter for parameter in space.parameters} for space in (old, new))
    lines = [f"parameter {name} is not in the space any more" for name in before if name not in after]
    lines += [f"parameter {name} is new in the space" for name in after if name not in before]
    lines += [f"{rule} is not in the space any more" for rule in old.rules if rule not in new.rules]
    lines += [f"{rule} is new in the space" for rule in new.rules if rule not in old.rules]
    for name in before:
        if name in after and repr(before[name]) != repr(after[name]):
            lines.append(f"parameter {name}: {_tell_parameter_change(before[name], after[name])}")
    if not lines and old.names != new.names:
        lines.append(f"the parameters' order: {', '.join(old.names)} in the sweep, {', '.join(new.names)} now")
    elif not lines and old != new:
        lines.append("the order of the rules")
    return lines


def _tell_parameter_change(old: Parameter, new: Parameter) -> str:
    if not isinstance(old, Choice) or not isinstance(new, Choice) or old.only_if != new.only_if:
        before, after = (f"{parameter.name} {describe_parameter(parameter)}" for parameter in (old, new))
        return f"{before} in the sweep, {after} now"
    removed = [str(value) for value in old.values if str(value) not in new.index_of_text]
    added = [str(value) for value in new.values if str(value) not in old.index_of_text]
    parts = [f"added {', '.join(added)}"] * bool(added) + [f"removed {', '.join(removed)}"] * bool(removed)
    return "; ".join(parts) or "the order of its values"


def _are_seeds(parameter: Parameter) -> bool:
    if isinstance(parameter, Choice):
        return all(type(value) is int and is_storable(value) for value in parameter.values)
    return parameter.kind in ("int", "randint", "uniformint")
