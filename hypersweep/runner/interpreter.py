"""Another Python for the trials (`--python`): what must hold of it, and how it comes by hypersweep."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hypersweep.errors import RunnerError

OLDEST = (3, 10)
ANSWER_TIMEOUT_S = 60.0

_PACKAGE = Path(__file__).resolve().parent.parent
_EXPECTED = "expected a Python of 3.10 or newer that can be run"

# That Python finds this very hypersweep, and nothing else of what is installed here.
_BOOTSTRAP = """
import importlib.util, runpy, sys
spec = importlib.util.spec_from_file_location("hypersweep", {init!r}, submodule_search_locations=[{package!r}])
sys.modules["hypersweep"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["hypersweep"])
runpy.run_module({module!r}, run_name="__main__")
"""


def find_interpreter(text: str) -> str:
    """The absolute path of the Python that `--python TEXT` names: a path, or a program on the PATH.

    Links are kept, for an environment is known by its link. Raises `RunnerError` if it cannot run hypersweep.
    """
    found = shutil.which(os.path.expanduser(text))
    if found is None:
        raise RunnerError(f"--python: no such program, got {text!r}; {_EXPECTED}. Check the path")
    path = os.path.abspath(found)
    try:
        done = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=ANSWER_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
        version = tuple(int(part) for part in done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise RunnerError(
            f"--python: {path} does not answer as Python does ({error}); {_EXPECTED}. Check it"
        ) from error
    if version < OLDEST:
        told = ".".join(map(str, version)) or (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RunnerError(f"--python: {path} cannot be used, got {told!r}; {_EXPECTED}. Choose another one")
    return path


def command_for(python: str | None, module: str) -> list[str]:
    """The words that run a module of hypersweep in that Python; None: in this one."""
    if python is None:
        return [sys.executable, "-m", module]
    return [python, "-c", _BOOTSTRAP.format(init=str(_PACKAGE / "__init__.py"), package=str(_PACKAGE), module=module)]
