"""YAML read node by node, so that every value has its line, and nothing in a file costs more than its size."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

from hypersweep.errors import HypersweepError

if TYPE_CHECKING:
    import yaml

# What RecBole reads as a float besides what YAML 1.1 does: 1e-3 has no dot.
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")
TAG = "tag:yaml.org,2002:"
_SCALARS = {TAG + name for name in ("str", "int", "float", "bool", "null")}
_MAX_DEPTH = 50
_MAX_NODES = 100_000


def compose(text: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The nodes of a YAML text, numbers told as RecBole tells them; raises `YAMLError` for what is no YAML."""
    import yaml

    loader = yaml.SafeLoader(text)
    resolvers = {
        first: [(tag, regexp) for tag, regexp in known if tag not in (TAG + "timestamp", TAG + "value")]
        for first, known in loader.yaml_implicit_resolvers.items()
    }
    for first in "-+.0123456789":
        resolvers[first] = [*resolvers.get(first, []), (TAG + "float", _FLOAT)]
    loader.yaml_implicit_resolvers = resolvers
    try:
        return loader, loader.get_single_node()
    except RecursionError as error:
        raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=loader.get_mark()) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets them through: the character "\UFFFFFFFF"
        raise yaml.MarkedYAMLError(problem=str(error), problem_mark=loader.get_mark()) from error


def tell_invalid(error: yaml.YAMLError, text: str, where: str) -> str:
    import yaml

    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line, what = error.problem_mark.line + 1, error.problem
    else:  # yaml.reader.ReaderError: a character that YAML does not allow
        line, what = text.count("\n", 0, getattr(error, "position", 0)) + 1, getattr(error, "reason", str(error))
    lines = text.split("\n")
    got = lines[line - 1] if line <= len(lines) else "the end of the file"
    return f"{where}:{line}: no YAML ({what}), got {shown(got)}; expected key: value. Mend the line"


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


class Reader:
    """Makes plain values of YAML nodes and collects what is wrong, placed by `place(line)`."""

    def __init__(
        self, loader: yaml.SafeLoader, place: Callable[[int], str], error_class: type[HypersweepError]
    ) -> None:
        self.loader = loader
        self.place = place
        self.error_class = error_class
        self.problems: list[str] = []
        self.nodes_left = _MAX_NODES

    def tell(self, line: int, problem: str) -> None:
        self.problems.append(f"{self.place(line)}: {problem}")

    def read(self, node: yaml.Node, depth: int = 0) -> Any:
        """The value of a node. Raises the error class if it is an alias bomb."""
        import yaml

        line = node.start_mark.line + 1
        self._count(node, depth)
        if is_mapping(node):
            return {key: self.read(value, depth + 1) for key, _, value in self.pairs(node, depth)}
        if is_sequence(node):
            return [self.read(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self.read_scalar(node)
        expected = "expected text, a number, true, false, null, a list or a mapping"
        self.tell(line, f"no plain value, got {node.tag.replace(TAG, '!!')}; {expected}. Mend it")
        return None

    def read_scalar(self, node: yaml.Node) -> Any:
        import yaml

        line = node.start_mark.line + 1
        try:
            value = self.loader.construct_object(node)
            str(value).encode()
        except (ValueError, KeyError, IndexError, yaml.YAMLError):  # the last: seen before, by another alias
            self.tell(line, f"no value, got {shown(node.value)}; expected what JSON can carry. Mend it")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.tell(line, f"a number that is not finite, got {node.value!r}; expected a finite number. Mend it")
        return value

    def read_key(self, node: yaml.Node) -> str:
        if node.tag == TAG + "str" and isinstance(node.value, str):
            return str(self.read_scalar(node))
        got = node.value if isinstance(node.value, str) else node.tag.removeprefix(TAG)
        self.tell(node.start_mark.line + 1, f"a key that is no text, got {shown(got)}; expected text. Quote it")
        return ""

    def pairs(self, node: yaml.MappingNode, depth: int = 0) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """(key, its node, the node of its value), those that a `<<` names first: of several with one key the last
        counts, as in a dict. A key that stands there twice is told."""
        for key_node, value_node in node.value:
            if key_node.tag == TAG + "merge":
                for part in reversed(self._find_merged(value_node)):
                    self._count(part, depth)
                    yield from self.pairs(part, depth + 1)
        explicit: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag != TAG + "merge":
                key = self.read_key(key_node)
                if key in explicit:
                    line = key_node.start_mark.line + 1
                    self.tell(line, f"a key stands there twice, got {key!r}; expected each key once. Remove one")
                explicit.add(key)
                yield key, key_node, value_node

    def _find_merged(self, node: yaml.Node) -> list[yaml.MappingNode]:
        """The mappings that a `<<` names."""
        import yaml

        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if all(map(is_mapping, parts)):
            return list(parts)
        value = self.read(node)
        self.tell(node.start_mark.line + 1, f"no mapping to merge, got {shown(value)}; expected one. Mend it")
        return []

    def _count(self, node: yaml.Node, depth: int) -> None:
        """Few bytes of aliases may stand for more than any machine can hold."""
        self.nodes_left -= 1
        if self.nodes_left < 0 or depth > _MAX_DEPTH:
            where = self.place(node.start_mark.line + 1)
            raise self.error_class(
                f"{where}: nested too deeply, too large, or an alias of itself; expected plain values. Simplify it"
            )


def is_mapping(node: yaml.Node) -> TypeGuard[yaml.MappingNode]:
    """Whether it is a plain mapping."""
    import yaml

    return isinstance(node, yaml.MappingNode) and node.tag == TAG + "map"


def is_sequence(node: yaml.Node) -> TypeGuard[yaml.SequenceNode]:
    """Whether it is a plain list."""
    import yaml

    return isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq"
