"""The fixed settings of a sweep: `hyper.yaml`, `--config`, `--set` as one mapping, checked against a runner's keys."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from hypersweep.errors import SettingsError, SpaceError, did_you_mean
from hypersweep.textfile import read_lines

if TYPE_CHECKING:
    import yaml

ALWAYS_KNOWN = ("seed",)  # the sweep's own, whatever the runner

# What RecBole reads as a float besides what YAML 1.1 does: 1e-3 has no dot.
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")
_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + name for name in ("str", "int", "float", "bool", "null")}
_MAX_DEPTH = 50
_MAX_NODES = 100_000


@dataclass(frozen=True)
class Key:
    """A setting that a runner knows by name.

    A data key is read by the runner's `prepare`, and a space may not vary it; one without effect is accepted, for
    the sake of files written for other tools, and listed once.
    """

    name: str
    default: Any = None
    help: str = ""
    is_data: bool = False
    has_effect: bool = True


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
        loader, root = _compose(text)
    except yaml.YAMLError as error:
        return [_tell_invalid(error, text, where)]
    if root is None:
        return []
    reader = _Reader(loader, lambda line: f"{where}:{line}")
    values = reader.read(root)
    if values is None and not reader.problems:
        return []
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1
        reader.tell(line, f"no settings, got {_shown(values)}; expected key: value. Write one setting a line")
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
        loader, root = _compose(text)
    except yaml.YAMLError:
        value: Any = text
    else:
        reader = _Reader(loader, lambda line: where)
        value = None if root is None else reader.read(root)
        if reader.problems:
            return reader.problems
    loaded.values[key] = value
    loaded.where[key] = where
    return []


def _compose(text: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The nodes of a YAML text, numbers told as RecBole tells them; raises `YAMLError` for what is no YAML."""
    import yaml

    loader = yaml.SafeLoader(text)
    resolvers = {
        first: [(tag, regexp) for tag, regexp in known if tag not in (_TAG + "timestamp", _TAG + "value")]
        for first, known in loader.yaml_implicit_resolvers.items()
    }
    for first in "-+.0123456789":
        resolvers[first] = [*resolvers.get(first, []), (_TAG + "float", _FLOAT)]
    loader.yaml_implicit_resolvers = resolvers
    try:
        return loader, loader.get_single_node()
    except RecursionError as error:
        raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=loader.get_mark()) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets them through: the character "\UFFFFFFFF"
        raise yaml.MarkedYAMLError(problem=str(error), problem_mark=loader.get_mark()) from error


def _tell_invalid(error: yaml.YAMLError, text: str, where: str) -> str:
    import yaml

    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line, what = error.problem_mark.line + 1, error.problem
    else:  # yaml.reader.ReaderError: a character that YAML does not allow
        line, what = text.count("\n", 0, getattr(error, "position", 0)) + 1, getattr(error, "reason", str(error))
    lines = text.split("\n")
    got = lines[line - 1] if line <= len(lines) else "the end of the file"
    return f"{where}:{line}: no YAML ({what}), got {_shown(got)}; expected key: value. Mend the line"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


class _Reader:
    """Makes plain values of YAML nodes and collects what is wrong, placed by `place(line)`."""

    def __init__(self, loader: yaml.SafeLoader, place: Callable[[int], str]) -> None:
        self.loader = loader
        self.place = place
        self.problems: list[str] = []
        self.nodes_left = _MAX_NODES

    def tell(self, line: int, problem: str) -> None:
        self.problems.append(f"{self.place(line)}: {problem}")

    def read(self, node: yaml.Node, depth: int = 0) -> Any:
        import yaml

        line = node.start_mark.line + 1
        self.nodes_left -= 1
        if self.nodes_left < 0 or depth > _MAX_DEPTH:
            raise SettingsError(
                f"{self.place(line)}: nested too deeply, too large, or an alias of itself; expected plain settings. "
                "Simplify it"
            )
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self.read_mapping(node, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.read(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self.read_scalar(node)
        expected = "expected text, a number, true, false, null, a list or a mapping"
        self.tell(line, f"no plain value, got {node.tag.replace(_TAG, '!!')}; {expected}. Mend it")
        return None

    def read_scalar(self, node: yaml.Node) -> Any:
        import yaml

        line = node.start_mark.line + 1
        try:
            value = self.loader.construct_object(node)
            str(value).encode()
        except (ValueError, KeyError, IndexError, yaml.YAMLError):  # the last: seen before, by another alias
            self.tell(line, f"no value, got {_shown(node.value)}; expected what JSON can carry. Mend it")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.tell(line, f"a number that is not finite, got {node.value!r}; expected a finite number. Mend it")
        return value

    def read_key(self, node: yaml.Node) -> str:
        if node.tag == _TAG + "str" and isinstance(node.value, str):
            return str(self.read_scalar(node))
        got = node.value if isinstance(node.value, str) else node.tag.removeprefix(_TAG)
        self.tell(node.start_mark.line + 1, f"a key that is no text, got {_shown(got)}; expected text. Quote it")
        return ""

    def read_merged(self, node: yaml.Node, depth: int) -> list[dict[str, Any]]:
        """The mappings that a `<<` names."""
        value = self.read(node, depth + 1)
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            self.tell(node.start_mark.line + 1, f"no mapping to merge, got {_shown(value)}; expected one. Mend it")
            return []
        return parts

    def read_mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        explicit: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                for part in reversed(self.read_merged(value_node, depth)):
                    merged.update(part)
                continue
            key = self.read_key(key_node)
            if key in explicit:
                line = key_node.start_mark.line + 1
                self.tell(line, f"a key stands there twice, got {key!r}; expected each key once. Remove one")
            explicit[key] = self.read(value_node, depth + 1)
        return {**merged, **explicit}


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
