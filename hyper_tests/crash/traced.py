"""Trials that leave a line of every execution in one file, and its reader: counted without asking the store."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hypersweep.errors import TrialPruned
from hypersweep.runner import LiveTrial
from hypersweep.trial import Params

VARIABLE = "HYPERSWEEP_TEST_TRACE"  # the path of the file


def append(*words: str | int) -> None:
    """A line, whole or not at all."""
    with open(os.environ[VARIABLE], "a") as file:
        file.write(" ".join(map(str, words)) + "\n")


if VARIABLE in os.environ:
    append("loaded", os.getpid())  # the process that trials are forked from


def run(params: Params, trial: LiveTrial) -> dict[str, float]:
    """Takes some milliseconds, now and then more; what it gives depends on the params only. Some trials start a
    process of their own and leave it behind, some write a checkpoint, some are pruned."""
    x = params["x"]
    assert isinstance(x, int)
    append("begun", trial.number, os.getpid(), os.getppid())
    if x % 29 == 5:
        append("child", subprocess.Popen(["sleep", "60"]).pid)
    if x % 13 == 2:
        (trial.checkpoint_dir / "state").touch()
    trial.report(1, {"score": x / 2})
    time.sleep(0.3 if x % 97 == 11 else x * 7919 % 8 / 1000)
    print("trial", trial.number)
    append("ended", trial.number, os.getpid())
    if x % 31 == 9:
        raise TrialPruned
    return {"score": x * 7919 % 60 / 60}


@dataclass
class Execution:
    """One time that a trial ran, in process `pid` forked from `server`, with the lines of the trace where it begins
    and ends."""

    number: int
    pid: int
    server: int
    begun_at: int
    ended_at: int | None = None


class Trace:
    """The file as far as it has been read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self.offset = 0
        self.num_lines = 0
        self.executions: list[Execution] = []
        self.loads: list[int] = []  # the lines at which servers had loaded
        self.servers: list[int] = []
        self.pids: set[int] = set()

    def begin_session(self) -> None:
        """Forget the processes: all have ended."""
        self.servers.clear()
        self.pids.clear()

    def read(self) -> int:
        """Take in what has been written since; gives the number of lines."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self.offset += len(whole) + len(newline)
        for line in whole.decode().splitlines():
            word, *numbers = line.split()
            self._take(word, list(map(int, numbers)))
            self.num_lines += 1
        return self.num_lines

    def _take(self, word: str, numbers: list[int]) -> None:
        if word == "loaded":
            self.loads.append(self.num_lines)
            self.servers += numbers
            self.pids.update(numbers)
        elif word == "begun":
            number, pid, server = numbers
            self.executions.append(Execution(number, pid, server, begun_at=self.num_lines))
            self.pids.add(pid)
        elif word == "child":
            self.pids.update(numbers)
        else:
            number, pid = numbers
            (execution,) = [one for one in self.executions if (one.number, one.pid) == (number, pid)]
            execution.ended_at = self.num_lines

    def running(self) -> list[Execution]:
        """What has begun and not ended in a process forked from the last server."""
        server = self.servers[-1] if self.servers else None
        return [one for one in self.executions if one.server == server and one.ended_at is None]
