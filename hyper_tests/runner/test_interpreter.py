"""Another Python for the trials: which can be, and what it has of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hypersweep.errors import RunnerError
from hypersweep.runner.interpreter import command_for, find_interpreter


def write_program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_path_and_a_name_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_interpreter(sys.executable) == os.path.abspath(sys.executable)
    link = tmp_path / "mypython"
    link.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    assert find_interpreter("mypython") == find_interpreter("./mypython") == str(link)  # not what it points to


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (None, r"--python: no such program, got '.*'; expected a Python of 3\.10 or newer.*Check the path"),
        ("echo 3 8", r"--python: .*/python cannot be used, got '3\.8'; expected a Python of 3\.10 or newer"),
        ("echo no >&2; exit 1", r"--python: .*/python cannot be used, got 'no'; expected"),
        ("echo hello", r"--python: .*/python does not answer as Python does"),
        ("true", r"--python: .*/python cannot be used, got 'nothing'"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, script: str | None, problem: str) -> None:
    path = str(tmp_path / "python") if script is None else write_program(tmp_path / "python", script)
    with pytest.raises(RunnerError, match=problem):
        find_interpreter(path)


@pytest.mark.parametrize("module", ["hypersweep.pool.child", "hypersweep.pool.server", "hypersweep.runner.recbole"])
def test_the_server_needs_the_standard_library_only(tmp_path: Path, module: str) -> None:
    """-S -I: nothing that is installed is found, nor what PYTHONPATH names."""
    python, *words = command_for(sys.executable, "this")
    code = words[1].replace("'this'", repr(module)).replace("__main__", "loaded")
    done = subprocess.run(
        [python, "-S", "-I", "-c", f"{code}\nimport hypersweep, sys\nprint(hypersweep.__file__, *sys.path)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    file, *path = done.stdout.split()
    assert Path(file).parent.parent == Path(__file__).parents[2]
    assert str(Path(file).parent.parent) not in path  # nothing but the package is shared


def test_this_python_needs_no_detour() -> None:
    assert command_for(None, "hypersweep.pool.server") == [sys.executable, "-m", "hypersweep.pool.server"]
