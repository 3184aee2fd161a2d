"""From what the user asked for to the definition of a sweep and its place; reads files, changes nothing."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypedDict

from hypersweep.budget import Budget
from hypersweep.definition import Definition, Sources
from hypersweep.errors import RunnerError, SearchError, SettingsError, SpaceError, naming_places
from hypersweep.place import Place
from hypersweep.pool import Resources
from hypersweep.pool.devices import assign_places
from hypersweep.runner import RunnerReference
from hypersweep.runner.interpreter import find_interpreter
from hypersweep.search.given import Points, read_given
from hypersweep.search.grid import ORDERS
from hypersweep.settings import LoadedSettings, load_settings
from hypersweep.space import Space
from hypersweep.spacefile import find_places, is_yaml, load_space
from hypersweep.supervision import Keep, OnError, Supervision
from hypersweep.trial import is_storable

DEFAULT_RUNNER = "recommend"
DEFAULT_SEED = 2020


class SessionOptions(TypedDict, total=False):
    """What a session may do as it likes: the options of `hypersweep run` that `resume` has too. What is absent or None
    is as it was recorded, for a new sweep the default (see `pool.Resources`, `supervision.Supervision` and
    `budget.Budget`)."""

    workers: int | None
    pool: str | None
    gpus: str | None
    trials_per_gpu: int | None
    ray_address: str | None
    gpus_per_trial: float | None
    shared: str | None
    batch_trials: int | Literal["auto"] | None
    trial_timeout_s: float | None
    retries: int | None
    on_error: OnError | None
    keep: Keep | None
    max_trials: int | None
    time_budget_s: float | None
    stop_after: int | None
    prune: str | None
    min_steps: int | None
    reduction_factor: int | None


@dataclass(frozen=True)
class Request:
    """A sweep as asked for. `runner` is a name as for `--runner`, or a callable; `settings` win over the files.

    What is None was left to the defaults (or, at a resume, to what was recorded).
    """

    space: str | Path | Space
    runner: str | Callable[..., Any] | None = None
    command: str | None = None
    python: str | None = None
    config: Sequence[str | Path] = ()
    assignments: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    metric: str | None = None
    mode: Literal["max", "min"] | None = None
    algo: str = "grid"
    repeats: int = 1
    order: Literal["sequential", "shuffled"] = "sequential"
    seed: int | None = None
    threads: int | None = None
    session: SessionOptions = field(default_factory=SessionOptions)
    enqueue: Points | None = None
    from_result: str | Path | None = None
    out: str | Path | None = None

    def __post_init__(self) -> None:
        unknown = set(self.session) - set(SessionOptions.__annotations__)
        if unknown:
            raise TypeError(f"no such option: {', '.join(sorted(unknown))}")

    @property
    def resources(self) -> Resources:
        """Those of a new sweep."""
        return Resources().replaced_by(self.session)

    @property
    def supervision(self) -> Supervision:
        """That of a new sweep; raises `SettingsError` for values that cannot be."""
        return Supervision().replaced_by(self.session)

    @property
    def budget(self) -> Budget:
        """That of a new sweep; raises `SettingsError` for values that cannot be."""
        return Budget().replaced_by(self.session)


@dataclass(frozen=True)
class Resolved:
    """A request whose files have been read: what the sweep is, and where it lies."""

    definition: Definition
    place: Place
    loaded: LoadedSettings
    places: Mapping[str, str]  # where each parameter stands
    function: Callable[..., Any] | None = None


def resolve(request: Request) -> Resolved:
    """Raises the error of whatever cannot be used: space, settings, runner, metric, order, seed."""
    space, path = read_space(request.space)
    loaded = read_settings(path, request.config, request.assignments, request.settings)
    seed = _choose_seed(request.seed, loaded)
    if request.order not in ORDERS:
        raise SearchError(f"--order: got {request.order!r}; expected {' or '.join(ORDERS)}. Choose one")
    reference, function = _refer_to_runner(request)
    found = find_places(path) if path else {}
    places = {name: found.get(name, "space") for name in space.names}
    with naming_places(settings=loaded.where, space=places):
        definition = Definition(
            space=space,
            settings=loaded.values,
            reference=reference,
            seed=seed,
            order=request.order,
            threads=_choose_threads(request),
            metric=request.metric,
            mode=request.mode,
            algo=request.algo,
            repeats=request.repeats,
            given=() if request.enqueue is None else read_given(request.enqueue, space),
            sources=Sources(
                space=str(path.resolve()) if path else None,
                config=tuple(str(Path(config).resolve()) for config in request.config),
                assignments=tuple(request.assignments),
                settings=request.settings,
                seed=request.seed,
            ),
        )
    definition.objective.check()
    directory = Path(request.out) if request.out is not None else (path.parent if path else Path())
    stem = path.stem if path else "hyper"
    return Resolved(definition, Place.of(directory, stem), loaded, places, function)


def read_space(space: str | Path | Space) -> tuple[Space, Path | None]:
    """The space and the file it stands in."""
    if isinstance(space, Space):
        space.check_rules()
        return space, None
    if Path(space).is_dir():
        raise SpaceError(f"{space}: is a folder; expected a file such as {Path(space, 'hyper.test')}. Name the file")
    return load_space(space), Path(space)


def read_settings(
    space_path: Path | None,
    config: Sequence[str | Path],
    assignments: Sequence[str],
    settings: Mapping[str, Any] | None = None,
) -> LoadedSettings:
    """`hyper.yaml` beside the space (but for one in YAML), then the config files, then the assignments, then
    `settings`: later wins."""
    beside = space_path.with_suffix(".yaml") if space_path and not is_yaml(space_path) else None
    files = [beside] if beside and beside.exists() else []
    loaded = load_settings([*files, *(Path(path) for path in config)], assignments)
    for name, value in (settings or {}).items():
        loaded.values[name] = value
        loaded.where[name] = f"setting {name}"
    return loaded


def count_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _choose_seed(asked: int | None, loaded: LoadedSettings) -> int:
    """The sweep's seed, which is no setting: it reaches runners as `trial.seed`."""
    where = loaded.where.pop("seed", "--seed")
    found = loaded.values.pop("seed", DEFAULT_SEED)
    seed = found if asked is None else asked
    if type(seed) is not int or not is_storable(seed):
        raise SettingsError(f"{where}: 'seed' is no seed, got {seed!r}; expected a whole number of 64 bits. Mend it")
    return seed


def _choose_threads(request: Request) -> int:
    if request.threads is None:
        return max(1, count_cores() // max(1, _count_slots(request.resources)))
    if request.threads < 1:
        raise SettingsError(f"--threads: got {request.threads}; expected at least 1. Give a positive number")
    return request.threads


def _count_slots(resources: Resources) -> int:
    """How many trials share the cores of a machine, as far as can be said before the pool is open."""
    if resources.pool == "ray":  # other machines, and as many trials on each as it has cores
        return count_cores()
    return assign_places(resources).num_slots if resources.workers is None else resources.workers


def _refer_to_runner(request: Request) -> tuple[RunnerReference, Callable[..., Any] | None]:
    directory = Path.cwd()
    if request.python is not None:
        return _refer_to_other_python(request, request.python, directory), None
    if request.command is not None:
        if request.runner is not None:
            raise RunnerError("--command and --runner: both are given; expected one. Drop one of them")
        if not request.command.strip():
            got = repr(request.command)
            raise RunnerError(f"--command: got {got}; expected a command for the shell. Give one, or name a --runner")
        return RunnerReference(request.command, is_command=True, directory=str(directory)), None
    if request.runner is None:
        return RunnerReference.parse(DEFAULT_RUNNER, directory), None
    if isinstance(request.runner, str):
        return RunnerReference.parse(request.runner, directory), None
    if request.resources.pool == "inline":
        is_named = inspect.isroutine(request.runner) or inspect.isclass(request.runner)
        named = request.runner if is_named else type(request.runner)
        name = f"{named.__module__}:{named.__qualname__}"
        return RunnerReference(name, is_command=False, directory=str(directory)), request.runner
    return RunnerReference.of_function(request.runner, directory), None


def _refer_to_other_python(request: Request, python: str, directory: Path) -> RunnerReference:
    if request.command is not None:
        raise RunnerError("--python and --command: both are given; expected one. Name the Python in the command")
    if request.runner is None or isinstance(request.runner, str):
        reference = RunnerReference.parse(request.runner or DEFAULT_RUNNER, directory)
    else:
        reference = RunnerReference.of_function(request.runner, directory)
    return replace(reference, python=find_interpreter(python))
