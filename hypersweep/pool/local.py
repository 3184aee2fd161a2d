"""Each batch of trials in a process of its own on this machine, forked from a server process."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hypersweep import errors
from hypersweep.errors import PoolError, RunnerError
from hypersweep.pool.protocol import Description, Ended, PoolEvent, Reported, Work
from hypersweep.pool.resources import Resources
from hypersweep.pool.threads import thread_environment
from hypersweep.runner import Key
from hypersweep.trial import Failed, Interrupted, Trial, outcome_from_json

MAX_RESTARTS = 3  # of the server process, without any trial having ended in between
CLOSE_GRACE_S = 2.0


class LocalPool:
    """`num_slots` processes at once; a crash, a leak or an `os._exit` in a trial harms nothing else."""

    def __init__(self, work: Work, resources: Resources) -> None:
        if work.function is not None:
            raise RunnerError(
                f"runner: {work.reference.text} is a function without a file; expected one that another process can "
                "import. Move it to the top of a file, or use pool='inline'"
            )
        self.num_slots = resources.workers or 1
        self.work = work
        self.prepared: Path | None = None
        self.pid_of: dict[int, int | None] = {}  # running trials; None until the server has told
        self.num_restarts = 0
        self.is_closed = False
        self._start_server()

    def _start_server(self) -> None:
        self.server_socket, theirs = socket.socketpair()
        self.received = b""
        self.unread: list[dict[str, Any]] = []
        with theirs:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "hypersweep.pool.server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **thread_environment(self.work.threads)},
            )
        self._send(
            {
                "reference": dataclasses.asdict(self.work.reference),
                "settings": dict(self.work.settings),
                "varied": dict(self.work.varied),
            }
        )

    def describe(self) -> Description:
        described = self._await("described")
        keys = described["keys"]
        return Description(
            keys=None if keys is None else [Key(**key) for key in keys], has_prepare=described["has_prepare"]
        )

    def prepare(self) -> Path | None:
        self._send({"prepare": True})
        self.prepared = Path(self._await("prepared"))
        return self.prepared

    def _await(self, name: str) -> Any:
        """The message of that name; raises what the server tells instead."""
        while True:
            messages = self._receive(None)
            if messages is None:
                raise PoolError(self._describe_server_end())
            for position, message in enumerate(messages):
                if name in message:
                    self.unread = messages[position + 1 :]
                    return message[name]
                if "error" in message:
                    _raise_told(message)

    def submit(self, batch: Sequence[Trial]) -> None:
        self.pid_of.update(dict.fromkeys(trial.number for trial in batch))
        place = self.work.place
        self._send(
            {
                "batch": [[trial.to_json(), str(place.trial_folder(trial.number).resolve())] for trial in batch],
                "prepared": str(self.prepared) if self.prepared else None,
            }
        )

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        messages = self._receive(timeout_s)
        if messages is None:
            return self._restart_server()
        events: list[PoolEvent] = []
        for message in messages:
            if "error" in message:  # while preloading
                _raise_told(message)
            number = message["number"]
            if "pid" in message:
                self.pid_of[number] = message["pid"]
            elif "report" in message:
                events.append(Reported(number, *message["report"]))
            else:
                del self.pid_of[number]
                self.num_restarts = 0
                events.append(Ended(number, outcome_from_json(message["outcome"])))
        return events

    def interrupt(self) -> None:
        """The user's code does not run here."""

    def stop(self, grace_s: float) -> list[PoolEvent]:
        events: list[PoolEvent] = []
        for signum, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s)):
            deadline = time.monotonic() + patience_s
            if self.pid_of and not self.is_closed:
                self._send({"signal": signum})
            while self.pid_of and not self.is_closed and (left := deadline - time.monotonic()) > 0:
                messages = self.wait(left)
                events.extend(messages)
        events.extend(Ended(number, Interrupted()) for number in self.pid_of)
        self.close()
        return [_without_failure(event) for event in events]

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.server_socket.close()  # at which the server kills what still runs, and ends
            self._kill_running()
            try:
                self.server.wait(CLOSE_GRACE_S)
            except subprocess.TimeoutExpired:  # still importing the runner
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()

    def _restart_server(self) -> list[PoolEvent]:
        """The server is gone: end what it has left, start another, and have its trials run again."""
        self.server_socket.close()
        self.server.wait()
        self._kill_running()
        self.num_restarts += 1
        if not self.pid_of or self.num_restarts > MAX_RESTARTS:
            raise PoolError(self._describe_server_end())
        events: list[PoolEvent] = [Ended(number, Interrupted()) for number in self.pid_of]
        self.pid_of.clear()
        self._start_server()
        self.describe()
        return events

    def _describe_server_end(self) -> str:
        return (
            f"pool local: the server process ended with status {self.server.wait()}; expected it to serve trials. "
            "What it printed stands above; then: hypersweep resume"
        )

    def _kill_running(self) -> None:
        for pid in self.pid_of.values():
            if pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)

    def _send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # told by the next `_receive`
            self.server_socket.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self, timeout_s: float | None) -> list[dict[str, Any]] | None:
        """What the server has sent, waiting up to `timeout_s` for it; None if the server is gone."""
        if self.unread:
            messages, self.unread = self.unread, []
            return messages
        ready, _, _ = select.select([self.server_socket], [], [], timeout_s)
        if not ready:
            return []
        try:
            chunk = self.server_socket.recv(1 << 20)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            return None
        *lines, self.received = (self.received + chunk).split(b"\n")
        return [json.loads(line) for line in lines]


def _raise_told(message: Mapping[str, Any]) -> NoReturn:
    """Raise the error that the server tells, as the class it had there."""
    class_name, text = message["error"]
    raise getattr(errors, class_name, RunnerError)(text)


def _without_failure(event: PoolEvent) -> PoolEvent:
    """A trial that failed while it was being stopped failed because of that."""
    if isinstance(event, Ended) and isinstance(event.outcome, Failed):
        return Ended(event.number, Interrupted())
    return event
