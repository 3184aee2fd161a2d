"""How a runner is named (`--runner`, `--command`), and how the named runner is loaded."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hypersweep.errors import HypersweepError, RunnerError, did_you_mean
from hypersweep.runner.command import CommandRunner
from hypersweep.runner.contract import BatchRunner, Key, Runner
from hypersweep.runner.execute import tell_exception
from hypersweep.runner.function import adapt

# The registered runners: name -> module:attribute.
REGISTERED: Mapping[str, str] = {"recommend": "hypersweep.recommend:run", "recbole": "hypersweep.runner.recbole:run"}
MAX_CODE_BYTES = 16 << 20
EXPECTED = f"expected {', '.join(sorted(REGISTERED))}, module:attribute or path/to/file.py:attribute"


@dataclass(frozen=True)
class RunnerReference:
    """A runner by name, so that any process can load it: `text` as given to `--runner`, or a shell `command`.

    `directory` is where relative paths and modules are looked for: the working directory of the sweep's start.
    `python` is the interpreter that it needs; None: this one.
    """

    text: str
    is_command: bool
    directory: str
    python: str | None = None

    @classmethod
    def parse(cls, text: str, directory: Path) -> RunnerReference:
        """Raises `RunnerError` if `text` has no form of a runner's name; loads nothing."""
        if text not in REGISTERED and not all(text.rpartition(":")[::2]):
            raise RunnerError(
                f"--runner: {text!r} is no runner; {EXPECTED}.{did_you_mean(text, REGISTERED)} "
                "Name the function after a colon"
            )
        return cls(text=text, is_command=False, directory=str(directory))

    @classmethod
    def of_function(cls, function: Callable[..., Any], directory: Path) -> RunnerReference:
        """The name of a function, for processes of its own; raises `RunnerError` if it has none that they could use."""
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
        source = getattr(sys.modules.get(str(module)), "__file__", None)
        if not name or "<" in name or module is None or (module == "__main__" and source is None):
            raise RunnerError(
                f"runner: {function!r} cannot be found by another process; expected a function at the top of a file. "
                "Move it there, or use pool='inline'"
            )
        target = str(Path(str(source)).resolve()) if module == "__main__" else module
        return cls(text=f"{target}:{name}", is_command=False, directory=str(directory))

    @property
    def name(self) -> str:
        name = f"command {self.text!r}" if self.is_command else self.text
        return name if self.python is None else f"{name} in {self.python}"

    def find_files(self) -> list[Path]:
        """The files that the runner's behaviour stands in, as far as its name tells: the function's file, or the
        files that the command names. Nothing of them is run."""
        if self.text in REGISTERED:
            return []  # ours: the version says it
        if self.is_command:
            try:
                words = shlex.split(self.text)
            except ValueError:  # an unclosed quote: the shell will say so
                words = self.text.split()
            candidates = [Path(self.directory, word) for word in words]
        else:
            target = self.text.rpartition(":")[0]
            is_file = target.endswith(".py")
            candidates = [Path(self.directory, target) if is_file else _find_module(target, self.directory)]
        return [path for path in candidates if _is_code(path)]

    def load(self) -> LoadedRunner:
        """Import the runner. Raises `RunnerError` if it cannot be imported or its signature is no runner's."""
        if self.is_command:
            return LoadedRunner(call=CommandRunner(self.text, self.directory), name=self.name)
        target, _, attribute = REGISTERED.get(self.text, self.text).rpartition(":")
        _add_to_path(self.directory)
        module = self.import_module(target)
        function: Any = module
        for part in attribute.split("."):
            if not hasattr(function, part):
                known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
                raise RunnerError(
                    f"{target}: has no {attribute!r}; expected one of {', '.join(known) or 'its functions'}."
                    f"{did_you_mean(attribute, known)} Name a function of it"
                )
            function = getattr(function, part)
        if not callable(function):
            raise RunnerError(f"{self.text}: is a {type(function).__name__}; expected a function. Name a function")
        return self.wrap(function)

    def wrap(self, function: Callable[..., Any]) -> LoadedRunner:
        """A function that is here already, with what it declares. Raises `RunnerError` if it is no runner."""
        return LoadedRunner(
            call=adapt(function, self.text),
            name=self.name,
            declared_keys=getattr(function, "keys", None),
            prepare=getattr(function, "prepare", None),
            preload=tuple(getattr(function, "preload", ())),
            run_batch=getattr(function, "run_batch", None),
            declared_free=getattr(function, "batch_free", ()),
            choose_batch_size=getattr(function, "batch_size", None),
        )

    def import_module(self, target: str) -> ModuleType:
        """A module that the runner needs, by name or file; raises `RunnerError`, naming the place, if it fails."""
        try:
            with _importing(target):
                if target.endswith(".py"):
                    return _import_file(Path(self.directory, target))
                return importlib.import_module(target)
        except HypersweepError:
            raise
        except (Exception, SystemExit) as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = target if "importlib" in frame.filename else f"{frame.filename}:{frame.lineno}"
            raise RunnerError(
                f"--runner {self.text}: {place}: {tell_exception(error)}; expected a module that can be imported. "
                "Mend it, or check the name"
            ) from error


@dataclass(frozen=True)
class LoadedRunner:
    """A runner in this process: how to call it, and what it declares (see `contract.Runner`)."""

    call: Runner
    name: str
    declared_keys: Sequence[Key | str] | Callable[[Mapping[str, Any]], Sequence[Key | str]] | None = None
    prepare: Callable[[Mapping[str, Any]], str | os.PathLike[str]] | None = None
    preload: tuple[str, ...] = ()
    run_batch: BatchRunner | None = None
    declared_free: Sequence[str] | Callable[[Mapping[str, Any]], Sequence[str] | None] | None = ()
    choose_batch_size: Callable[[Mapping[str, Any], int], int] | None = None

    def keys(self, settings: Mapping[str, Any], varied: Mapping[str, Sequence[Any]]) -> list[Key] | None:
        """The declared keys; None if any key is accepted. A plain name counts as a key of that name."""
        declared = self.declared_keys({**settings, **varied}) if callable(self.declared_keys) else self.declared_keys
        return None if declared is None else [Key(key) if isinstance(key, str) else key for key in declared]

    def batch_free(self, settings: Mapping[str, Any], varied: Mapping[str, Sequence[Any]]) -> list[str] | None:
        """The parameters in which trials that run together may differ; None if trials never do."""
        free = self.declared_free({**settings, **varied}) if callable(self.declared_free) else self.declared_free
        return None if free is None or self.run_batch is None else list(free)

    def batch_size(
        self, settings: Mapping[str, Any], varied: Mapping[str, Sequence[Any]], memory_bytes: int | None
    ) -> int:
        """How many trials fit together on a device with so much memory; None: unknown, or no device."""
        if memory_bytes is None or self.choose_batch_size is None:
            return 1
        return max(1, self.choose_batch_size({**settings, **varied}, memory_bytes))


_imports_under_way: list[str] = []


@contextlib.contextmanager
def _importing(target: str) -> Iterator[None]:
    _imports_under_way.append(target)
    try:
        yield
    finally:
        _imports_under_way.pop()


def refuse_within_import() -> None:
    """Raises `RunnerError` if a runner's module is being imported: a sweep that it starts would import it again."""
    if _imports_under_way:
        raise RunnerError(
            f"{_imports_under_way[-1]}: starts a sweep when it is imported, as trial processes do; expected functions "
            "only. Put the call of sweep under: if __name__ == '__main__':"
        )


def hash_files(paths: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each file that can be read, by its path."""
    hashes = {}
    for path in paths:
        with contextlib.suppress(OSError):
            hashes[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


def _is_code(path: Path) -> bool:
    """Whether it is a file that may be a program: not a data set that the command names."""
    try:
        return path.is_file() and path.stat().st_size <= MAX_CODE_BYTES
    except (OSError, ValueError):  # a word too long for a file name, or with a NUL in it
        return False


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise RunnerError(f"--runner: no file {str(path)!r}; {EXPECTED}. Check the path")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RunnerError(f"--runner: {str(path)!r} cannot be imported; {EXPECTED}. Name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    _add_to_path(str(path.parent.resolve()))  # its neighbours can be imported, as by `python file.py`
    spec.loader.exec_module(module)
    return module


def _find_module(name: str, directory: str) -> Path:
    """Where `name` would be imported from, found without importing its packages."""
    relative = Path(*name.split("."))
    candidates = (
        Path(root, candidate)
        for root in (directory, *sys.path)
        for candidate in (relative.with_suffix(".py"), relative / "__init__.py")
    )
    return next((path for path in candidates if path.is_file()), relative)


def _add_to_path(directory: str) -> None:
    """Let modules be imported from `directory`, for good: the runner may import more when it runs."""
    if directory not in sys.path:
        sys.path.insert(0, directory)
        importlib.invalidate_caches()
