"""A search space as a text and as a file: a parameter a line (`hyper.test`), or YAML."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import PurePath

from hypersweep.errors import SpaceError
from hypersweep.space import Space
from hypersweep.spacefile import document, lines
from hypersweep.spacefile.writing import describe_parameter, format_document, format_space
from hypersweep.textfile import read_lines

__all__ = [
    "SUFFIXES",
    "describe_parameter",
    "find_places",
    "format_document",
    "format_space",
    "is_yaml",
    "load_space",
    "parse_space",
]

YAML_SUFFIXES = (".yaml", ".yml")
SUFFIXES = (".test", *YAML_SUFFIXES)


def load_space(path: str | PathLike[str]) -> Space:
    """The space in a file, YAML if its name says so; raises `SpaceError` if it cannot be read or used."""
    text = _read(path)
    return document.parse_document(text, fspath(path)) if is_yaml(path) else lines.parse_lines(text, fspath(path))


def find_places(path: str | PathLike[str]) -> dict[str, str]:
    """Where each parameter of a readable file stands: {"learning_rate": "hyper.test:1"}."""
    text = _read(path)
    found = document.find_lines(text) if is_yaml(path) else lines.find_lines(text)
    return {name: f"{fspath(path)}:{line}" for name, line in found.items()}


def parse_space(text: str, where: str = "hyper.test") -> Space:
    """The space of a text in either form, told apart by its first word; raises one `SpaceError` with everything that is
    wrong, by `where` and line."""
    is_document = text.startswith(f"{document.PARAMETERS}:")
    return document.parse_document(text, where) if is_document else lines.parse_lines(text, where)


def is_yaml(path: str | PathLike[str]) -> bool:
    """Whether a file of that name is YAML."""
    return PurePath(path).suffix in YAML_SUFFIXES


def _read(path: str | PathLike[str]) -> str:
    next_step = "Check the path, or write one with a line such as: learning_rate choice [0.001, 0.003]"
    return "\n".join(read_lines(path, SpaceError, next_step))
