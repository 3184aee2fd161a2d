"""Each batch of trials in a process of its own on this machine, forked from a server process."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hypersweep import errors
from hypersweep.errors import PoolError, RunnerError
from hypersweep.pool.devices import FORK_SAFE, Device, Places, assign_places, find_memory_bytes
from hypersweep.pool.guarded import CLOSE_GRACE_S, await_end, start_guarded
from hypersweep.pool.protocol import Description, Ended, Placed, PoolEvent, Reported, Work
from hypersweep.pool.resources import Resources
from hypersweep.pool.threads import thread_environment
from hypersweep.runner.execute import name_signal
from hypersweep.runner.interpreter import command_for
from hypersweep.trial import Interrupted, Outcome, Trial, outcome_from_json

SERVER = "hypersweep.pool.server"
MAX_RESTARTS = 3  # of the server process, without any trial having ended in between


@dataclass
class Batch:
    """Trials that run in one process, in a place on `device`; `pid` as soon as it is known."""

    device: Device
    unended: set[int]
    pid: int | None = None


class LocalPool:
    """`num_slots` processes at once; a crash, a leak or an `os._exit` in a trial harms nothing else."""

    def __init__(self, work: Work, resources: Resources, places: Places | None = None) -> None:
        """`places`: instead of those that the resources ask for."""
        refuse_function(work)
        self.places = places or assign_places(resources)
        self.num_slots = self.places.num_slots
        self.memory_bytes = find_memory_bytes(resources)
        self.work = work
        self.prepared: Path | None = None
        self.batch_of: dict[int, Batch] = {}  # the trials that run
        self.num_restarts = 0
        self.is_closed = False
        self._start_server()

    def _start_server(self) -> None:
        self.guard, self.server_socket = start_guarded(
            command_for(self.work.reference.python, SERVER),
            {
                **FORK_SAFE,
                **os.environ,
                **thread_environment(self.work.threads),
                **self.places.common_environment,
            },
        )
        self.received = b""
        self.unread: list[dict[str, Any]] = []
        self._send(
            {
                "reference": dataclasses.asdict(self.work.reference),
                "settings": dict(self.work.settings),
                "varied": dict(self.work.varied),
                "limits": [self.work.trial_timeout_s, self.work.grace_s],
                "memory_bytes": self.memory_bytes,
            }
        )

    def describe(self) -> Description:
        return Description.from_json(self._await("described"))

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
        device = self.places.take()
        self.batch_of.update(dict.fromkeys((trial.number for trial in batch), Batch(device, set())))
        for trial in batch:
            self.batch_of[trial.number].unended.add(trial.number)
        place = self.work.place
        self._send(
            {
                "batch": [[trial.to_json(), str(place.trial_folder(trial.number).resolve())] for trial in batch],
                "prepared": str(self.prepared) if self.prepared else None,
                "device": device.name,
                "environment": dict(device.environment),
            }
        )

    def listen(self, on_report: Callable[[Reported], None]) -> None:
        """The trials do not run here."""

    def prune(self, number: int) -> None:
        self._send({"prune": number})

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        is_guarded = self.guard.poll() is None
        messages = self._receive(timeout_s if is_guarded else 0)
        if messages is None or not (messages or is_guarded):
            return self._restart_server()
        return [event for message in messages for event in self._read(message)]

    def _read(self, message: Mapping[str, Any]) -> Iterator[PoolEvent]:
        if "error" in message:  # while preloading
            _raise_told(message)
        number = message["number"]
        if "begun" in message:
            batch = self.batch_of[number]
            batch.pid = message["begun"]
            if batch.device.label:
                yield Placed(number, batch.device.label)
        elif "report" in message:
            yield Reported(number, *message["report"])
        else:
            self.num_restarts = 0
            yield self._end(number, outcome_from_json(message["outcome"]))

    def _end(self, number: int, outcome: Outcome) -> Ended:
        batch = self.batch_of.pop(number)
        batch.unended.remove(number)
        if not batch.unended:
            self.places.give_back(batch.device)
        return Ended(number, outcome)

    def _end_all(self) -> list[PoolEvent]:
        """Nothing runs any more."""
        return [self._end(number, Interrupted()) for number in list(self.batch_of)]

    def interrupt(self) -> None:
        """The user's code does not run here."""

    def stop(self, grace_s: float) -> list[PoolEvent]:
        events: list[PoolEvent] = []
        deadline = time.monotonic() + grace_s + CLOSE_GRACE_S
        self._send({"stop": grace_s})
        while self.batch_of and (left := deadline - time.monotonic()) > 0:
            messages = self._receive(left)
            if messages is None:
                break
            events.extend(event for message in messages for event in self._read(message))
        self.close()
        return [*events, *self._end_all()]

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self.server_socket.close()  # at which the server kills what still runs, and ends
        self._kill_running()
        await_end(self.guard)

    def _restart_server(self) -> list[PoolEvent]:
        """The server is gone, or its guard is: end what is left, start others, and have their trials run again."""
        self.server_socket.close()
        self.guard.wait()
        self._kill_running()
        self.num_restarts += 1
        if not self.batch_of or self.num_restarts > MAX_RESTARTS:
            raise PoolError(self._describe_server_end())
        events = self._end_all()
        self._start_server()
        self.describe()
        return events

    def _describe_server_end(self) -> str:
        status = self.guard.wait()
        how = (
            f"ended with exit code {status}" if 0 <= status < 128 else f"was killed by {name_signal(abs(status) % 128)}"
        )
        return (
            f"pool local: the server process {how}; expected it to serve trials. What it printed stands above; "
            "then: hypersweep resume"
        )

    def _kill_running(self) -> None:
        """What the guard does, where it cannot or was killed itself."""
        for batch in self.batch_of.values():
            if batch.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(batch.pid, signal.SIGKILL)

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


def refuse_function(work: Work) -> None:
    """Raises `RunnerError` if the runner is none that another process could load."""
    if work.function is not None:
        raise RunnerError(
            f"runner: {work.reference.text} is a function without a file; expected one that another process can "
            "import. Move it to the top of a file, or use pool='inline'"
        )


def _raise_told(message: Mapping[str, Any]) -> NoReturn:
    """Raise the error that the server tells, as the class it had there."""
    class_name, text = message["error"]
    raise getattr(errors, class_name, RunnerError)(text)
