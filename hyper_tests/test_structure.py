"""The house as designed: which room may use which, what an import loads, and how large a file may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hypersweep"
TESTS = ROOT / "hyper_tests"

# A room imports only what stands before it here. recommend stands outside: it imports the first two floors and is
# itself imported by nobody, since the runner registry knows it by name.
FLOORS = (
    ("errors", "space", "trial"),
    (
        "textfile",
        "optionset",
        "budget",
        "yamltext",
        "spacefile",
        "selection",
        "repeats",
        "resultlog",
        "settings",
        "search",
        "pruning",
        "datasets",
        "runner",
    ),
    ("place", "store", "recorded", "combinations", "sweeprecord", "study", "certificate", "resultfile", "pool"),
    (
        "events",
        "interrupt",
        "provenance",
        "supervision",
        "definition",
        "relocation",
        "adopt",
        "request",
        "limits",
        "checks",
    ),
    ("replay", "batching", "agenda", "checkpoints", "watcher", "running", "loop", "session", "launch"),
    ("cli",),
)
ROOMS = [room for floor in FLOORS for room in floor]
OUTSIDE = ("__init__", "__main__")  # the package's own doors

ONLY_IMPORTERS = {
    "rich": {"cli/console.py"},
    "hyperopt": {"search/hyperopt.py"},
    "optuna": {"search/optuna.py"},
    "ray": {f"pool/{name}.py" for name in ("ray", "ray_cluster", "ray_head", "ray_hosts", "ray_token")},
}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in SOURCES.items()}
EVERY_FILE = [*SOURCES.values(), *sorted(TESTS.rglob("*.py"))]


def room_of(module: str) -> str:
    """'hypersweep.pool.local' -> 'pool'; the package itself is '__init__'."""
    return (*module.split("."), "__init__")[1]


def absolute(node: ast.ImportFrom, importer: str) -> str:
    if not node.level:
        return node.module or ""
    is_package = SOURCES[importer].name == "__init__.py"
    above = importer.split(".")[: -(node.level - is_package) or None]
    return ".".join([*above, *([node.module] if node.module else [])])


def imports(importer: str) -> Iterator[str]:
    """All modules a module names in imports, those in functions and under TYPE_CHECKING included."""
    for node in ast.walk(TREES[importer]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, importer)
            for alias in node.names:
                submodule = f"{module}.{alias.name}"
                yield submodule if submodule in SOURCES else module


def inner_imports(importer: str) -> set[str]:
    return {name for name in imports(importer) if name.split(".")[0] == "hypersweep"}


def calls(tree: ast.AST, *names: str) -> list[int]:
    """The lines where one of these built-in functions is called."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]


def test_the_source_is_found() -> None:
    assert "hypersweep.space" in SOURCES


@pytest.mark.parametrize("name", SOURCES)
def test_a_room_imports_only_what_stands_above_it(name: str) -> None:
    room = room_of(name)
    if room in OUTSIDE:
        return
    if room == "recommend":
        allowed = {"__init__", "recommend", *FLOORS[0], *FLOORS[1]}
    elif room == "cli":
        allowed = {"__init__", *ROOMS}
    else:
        assert room in ROOMS, f"{name} stands on no floor"
        allowed = set(ROOMS[: ROOMS.index(room) + 1])
    assert {other for other in inner_imports(name) if room_of(other) not in allowed} == set()


def test_no_import_cycle() -> None:
    graph = {name: inner_imports(name) & SOURCES.keys() - {name} for name in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(reversed(error.args[1]))}")


@pytest.mark.parametrize(("library", "allowed"), ONLY_IMPORTERS.items())
def test_a_library_stays_in_its_corner(library: str, allowed: set[str]) -> None:
    importers = {
        SOURCES[name].relative_to(PACKAGE).as_posix()
        for name in SOURCES
        if any(imported.split(".")[0] == library for imported in imports(name))
    }
    assert importers <= allowed


HELP = "sys.argv[1:] = ['--help']\ntry: runpy.run_module('hypersweep', run_name='__main__')\nexcept SystemExit: pass"


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import hypersweep", {"torch", "numpy", "hyperopt", "optuna", "polars", "ray", "rich"}),
        (HELP, {"torch", "numpy", "hyperopt", "optuna", "polars", "ray"}),
    ],
    ids=["import", "help"],
)
def test_what_stays_unloaded(statement: str, unwanted: set[str]) -> None:
    code = f"import runpy, sys\n{statement}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert "hypersweep" in loaded
    assert loaded & unwanted == set()


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    num_lines = text.count("\n")
    assert num_lines <= MAX_FILE_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = [(node.name, (node.end_lineno or 0) - node.lineno + 1) for node in functions]
    assert [(name, length) for name, length in lengths if length > MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("name", SOURCES)
def test_what_no_file_contains(name: str) -> None:
    assert calls(TREES[name], "eval", "exec") == []
    assert re.findall(r"\b(?:TO[D]O|FIX[M]E)\b.*", SOURCES[name].read_text(encoding="utf-8")) == []
    if room_of(name) not in ("cli", "recommend"):  # the trainer's epoch lines go to the trial's log
        assert calls(TREES[name], "print") == []


def test_test_folders_are_packages() -> None:
    """So that files in two folders may bear the same name, and trial processes can import what stands in them."""
    folders = {path.parent for path in TESTS.rglob("test_*.py")}
    assert {folder for folder in folders if not (folder / "__init__.py").is_file()} == set()
