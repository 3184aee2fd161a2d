"""Kills a controller before each statement it sends to SQLite and each file it makes, moves or removes, in turn.

`python -m hyper_tests.crash.points FOLDER`: in a process of its own, since it forks a controller for each point.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyper_tests.crash import runner
from hypersweep.launch import sweep
from hypersweep.study import Study

NUM_TRIALS = 3
FILE_OPERATIONS = ("mkdir", "rename", "replace", "unlink", "rmdir")


class Countdown:
    """Kills this process when it has been called so many times."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def install(count: Countdown) -> None:
    """Count every statement of every connection, and the file operations."""

    class Connection(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.set_trace_callback(lambda statement: count())

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **options: connect(*arguments, factory=Connection, **options)  # type: ignore[assignment]
    for name in FILE_OPERATIONS:
        setattr(os, name, counted(getattr(os, name), count))


def counted(operation: Callable[..., Any], count: Countdown) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        count()
        return operation(*arguments, **options)

    return call


def run(folder: Path) -> None:
    settings = {"traces": str(folder / "traces"), "duration_s": 0.0}
    space = folder / "hyper.test"
    sweep(space, runner=f"{runner.__file__}:run", pool="inline", settings=settings, if_exists="resume").close()


def fork(work: Callable[[], None]) -> int:
    """Do the work in a child process; gives its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def make(folder: Path) -> Path:
    (folder / "traces").mkdir(parents=True)
    (folder / "hyper.test").write_text(f"x choice {list(range(NUM_TRIALS))}\n")
    return folder


def finished(folder: Path) -> set[int]:
    if not (folder / "hyper.sweep" / "sweep.db").exists():
        assert not (folder / "hyper.sweep").exists(), "the folder appears at once or not at all"
        return set()
    with Study(folder) as study:
        return {recorded.trial.number for recorded in study.trials("finished")}


def executions(folder: Path, number: int) -> int:
    path = folder / "traces" / str(number)
    return path.read_text().count("begun") if path.exists() else 0


def check_point(folder: Path, point: int, expected: dict[str, bytes]) -> bool:
    """Whether there is such a point: the sweep killed there, and resumed, is the unbroken one."""

    def run_and_die() -> None:
        install(Countdown(point))
        run(folder)

    code = fork(run_and_die)
    assert code in (0, -signal.SIGKILL), code
    done = finished(folder)
    counts = {number: executions(folder, number) for number in done}
    assert set(counts.values()) <= {1}
    assert fork(lambda: run(folder)) == 0
    assert finished(folder) == set(range(NUM_TRIALS))
    for number in range(NUM_TRIALS):
        assert executions(folder, number) == 1 if number in done else executions(folder, number) <= 2
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == expected
    return code != 0


def main(folder: Path) -> int:
    """The number of points."""
    unbroken = make(folder / "unbroken")
    assert fork(lambda: run(unbroken)) == 0
    expected = {name: (unbroken / name).read_bytes() for name in ("hyper.test", "hyper.result")}
    point = 0
    while check_point(make(folder / str(point)), point, expected):
        point += 1
    return point


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
