"""The fixed settings of a sweep: `hyper.yaml`, `--config`, `--set` as one mapping, checked against a runner's keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from hypersweep.errors import SettingsError, SpaceError, did_you_mean
from hypersweep.textfile import read_lines
from hypersweep.yamltext import Reader, compose, shown, tell_invalid

ALWAYS_KNOWN = ("seed",)  # the sweep's own, whatever the runner


@dataclass(frozen=True)
class Key:
    """A setting that a runner knows by name.

    A data key is read by the runner's `prepare`, and a space may not vary it; one without effect is accepted, for
    the sake of files written for other tools, and listed once. `help` and `expected` (which values it takes) are shown
    by `hypersweep settings`.
    """

    name: str
    default: Any = None
    help: str = ""
    is_data: bool = False
    has_effect: bool = True
    expected: str = ""


@dataclass(frozen=True)
class LoadedSettings:
    """The settings by name, and where each comes from: `hyper.yaml:4`, `--set epochs=5`."""

    values: dict[str, Any]
    where: dict[str, str]


def load_settings(config_paths: Sequence[str | PathLike[str]], assignments: Sequence[str]) -> LoadedSettings:
    """The settings of the files and of the `key=value` assignments; what is named later wins.

    Values are what JSON can carry. Raises `SettingsError` with everything that is wrong.
    """
    loaded = LoadedSettings({}, {})
    problems: list[str] = []
    for path in config_paths:
        text = "\n".join(read_lines(path, SettingsError, "Check the path"))
        problems += _read_file(text, fspath(path), loaded)
    for assignment in assignments:
        problems += _read_assignment(assignment, loaded)
    if problems:
        raise SettingsError.gather(problems)
    return loaded


def _read_file(text: str, where: str, loaded: LoadedSettings) -> list[str]:
    """Add what a file sets; gives what is wrong with it."""
    import yaml

    try:
        loader, root = compose(text)
    except yaml.YAMLError as error:
        return [tell_invalid(error, text, where)]
    if root is None:
        return []
    reader = Reader(loader, lambda line: f"{where}:{line}", SettingsError)
    values = reader.read(root)
    if values is None and not reader.problems:
        return []
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1
        reader.tell(line, f"no settings, got {shown(values)}; expected key: value. Write one setting a line")
    if reader.problems:
        return reader.problems
    lines = {key.value: key.start_mark.line + 1 for key, _ in root.value}
    loaded.values.update(values)
    loaded.where.update({key: f"{where}:{lines.get(key, root.start_mark.line + 1)}" for key in values})
    return []


def _read_assignment(assignment: str, loaded: LoadedSettings) -> list[str]:
    """Add what a `--set` sets; gives what is wrong with it."""
    import yaml

    key, equals, text = assignment.partition("=")
    if not key or not equals:
        return [f"--set: no assignment, got {assignment!r}; expected key=value. Write for example: --set epochs=5"]
    where = f"--set {assignment}"
    try:
        loader, root = compose(text)
    except yaml.YAMLError:
        value: Any = text
    else:
        reader = Reader(loader, lambda line: where, SettingsError)
        value = None if root is None else reader.read(root)
        if reader.problems:
            return reader.problems
    loaded.values[key] = value
    loaded.where[key] = where
    return []


def check_keys(loaded: LoadedSettings, keys: Sequence[Key] | None, space_names: Iterable[str] = ()) -> list[str]:
    """The names of settings that are accepted without effect, to be listed once. No keys: anything goes.

    Raises `SettingsError` for every setting that the runner does not know; those that the space varies are told by
    `check_space_names`.
    """
    if keys is None:
        return []
    known = {key.name: key for key in keys}
    passed = {*known, *ALWAYS_KNOWN, *space_names}
    problems = [
        f"{loaded.where[name]}: the runner knows no such setting, got {name!r}; expected one of its settings."
        f"{did_you_mean(name, [*known, *ALWAYS_KNOWN])} Rename or remove it"
        for name in loaded.values
        if name not in passed
    ]
    if problems:
        raise SettingsError.gather(problems)
    return [name for name in loaded.values if name in known and not known[name].has_effect]


def check_space_names(places: Mapping[str, str], keys: Sequence[Key] | None) -> None:
    """Raises `SpaceError` for every parameter of the space that the runner does not know or may not vary.

    `places` says where each parameter stands: {"learning_rate": "hyper.test:1"}.
    """
    if keys is None:
        return
    is_data = {key.name: key.is_data for key in keys}
    may_vary = sorted(key.name for key in keys if not key.is_data and key.has_effect)
    problems = []
    for name, where in places.items():
        if is_data.get(name, False):
            problems.append(
                f"{where}: a space may not vary the data, got {name!r}; expected parameters of the model or "
                "its training. Set it in the settings, and sweep each value by itself"
            )
        elif name not in is_data and name not in ALWAYS_KNOWN:
            problems.append(
                f"{where}: the runner knows no such parameter, got {name!r}; expected one of {', '.join(may_vary)}."
                f"{did_you_mean(name, may_vary)} Rename or remove it"
            )
    if problems:
        raise SpaceError.gather(problems)
