"""`call`: a command of hypersweep within this process, in a folder of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyper_tests.cli.sweeps import write_inputs
from hyper_tests.processes import environment
from hypersweep.cli import main
from hypersweep.pool.threads import VARIABLES


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit code, what it wrote to stdout and to stderr."""

    code: int
    out: str
    err: str


Call = Callable[..., Answer]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: `hyper.test` with 3 × 2 combinations, and `train.py`."""
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """`hypersweep …` as `main` runs it; trials run in this process too, unless it says otherwise."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    for name in VARIABLES:
        monkeypatch.setenv(name, "1")  # pool inline sets them for good
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])

    def call(*arguments: str | Path) -> Answer:
        words = [str(argument) for argument in arguments]
        if words[:1] == ["run"] and not {"--pool", "--help"} & {*words}:
            words[1:1] = ["--pool", "inline"]
        monkeypatch.setattr(sys, "argv", ["hypersweep", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit, match=r"^[0-9]*$") as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Answer(int(ended.value.code or 0), out, err)

    return call
