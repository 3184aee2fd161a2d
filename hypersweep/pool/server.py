"""The server process of pool `local`: it imports the runner once and forks a process for each batch of trials.

It has one thread, runs none of the user's code but the imports, and speaks JSON lines with the controller over a
socket. When the controller is gone, however it went, it kills what it has forked and ends.

Requests:  {"batch": [[trial, folder], …], "prepared": path}   {"prepare": true}   {"signal": 15}
Messages:  {"described": {"keys": […], "has_prepare": …}}   {"prepared": path}   {"error": [class, text]}
           {"number": 7, "pid": …}   {"number": 7, "report": [step, {…}]}   {"number": 7, "outcome": …}
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypersweep.errors import HypersweepError
from hypersweep.pool.child import Messages, run_batch, run_in_child, run_prepare
from hypersweep.runner import LoadedRunner, RunnerReference
from hypersweep.runner.execute import name_signal
from hypersweep.trial import Failed, Interrupted, outcome_to_json


@dataclass
class Child:
    """A forked process: the trials it has yet to tell the outcome of, and what it has sent so far.

    Its last message is kept back until the process has ended: then nothing of it runs any more.
    """

    pid: int
    connection: socket.socket
    unended: list[int]
    received: bytes = b""
    last_message: Mapping[str, Any] | None = None


class Server:
    """Forks, relays and reaps; `serve` returns when the controller is gone."""

    def __init__(self, controller: socket.socket, runner: LoadedRunner, settings: Mapping[str, Any]) -> None:
        self.controller = controller
        self.runner = runner
        self.settings = settings
        self.children: dict[int, Child] = {}
        self.received = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(controller, selectors.EVENT_READ, self._read_requests)
        self.wakeup, wakeup_writer = socket.socketpair()
        self.wakeup.setblocking(False)
        wakeup_writer.setblocking(False)
        self.wakeup_writer = wakeup_writer
        self.is_open = True
        self.pid = os.getpid()

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wakeup_writer.fileno(), warn_on_full_buffer=False)
        self.selector.register(self.wakeup, selectors.EVENT_READ, self._reap)
        try:
            while self.is_open:
                for key, _ in self.selector.select():
                    key.data()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the controller is gone
        finally:
            for pid in self.children:
                _kill_group(pid)

    def send(self, message: Mapping[str, Any]) -> None:
        self.controller.sendall(json.dumps(message).encode() + b"\n")

    def _read_requests(self) -> None:
        chunk = self.controller.recv(1 << 16)
        self.is_open = bool(chunk)
        *lines, self.received = (self.received + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "batch" in request:
                numbers = [json.loads(text)["number"] for text, _ in request["batch"]]
                self._fork(numbers, lambda messages: run_batch(messages, self.runner, self.settings, request))  # noqa: B023
            elif "prepare" in request:
                self._fork([], lambda messages: run_prepare(messages, self.runner, self.settings))
            else:
                for pid in self.children:
                    _signal_group(pid, request["signal"])

    def _fork(self, numbers: list[int], work: Callable[[Messages], None]) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self._close_in_child(ours)
            run_in_child(theirs, work, self.pid)
        theirs.close()
        ours.setblocking(False)
        self.children[pid] = child = Child(pid, ours, numbers)
        self.selector.register(ours, selectors.EVENT_READ, lambda: self._relay(child))
        for number in numbers:
            self.send({"number": number, "pid": pid})

    def _close_in_child(self, ours: socket.socket) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for connection in (ours, self.controller, self.wakeup, self.wakeup_writer):
            connection.close()
        for child in self.children.values():
            child.connection.close()

    def _relay(self, child: Child) -> None:
        """Pass what a child has sent on to the controller."""
        if child.pid not in self.children:
            return  # it has ended in this very round of the selector
        chunks = []
        try:
            while chunk := child.connection.recv(1 << 16):
                chunks.append(chunk)
            self.selector.unregister(child.connection)  # closed; its end is told by SIGCHLD
        except BlockingIOError:
            pass
        *lines, child.received = (child.received + b"".join(chunks)).split(b"\n")
        for line in lines:
            self._pass_on(json.loads(line), child)

    def _pass_on(self, message: Mapping[str, Any], child: Child) -> None:
        if "report" in message:
            self.send(message)
            return
        if "outcome" in message:
            if message["number"] not in child.unended:
                return  # the trial has forked, and returned in both processes
            child.unended.remove(message["number"])
        if child.unended:
            self.send(message)
        else:
            child.last_message = message

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.wakeup.recv(1 << 12):
                pass
        for child in list(self.children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._end(child, os.waitstatus_to_exitcode(status))

    def _end(self, child: Child, exit_code: int) -> None:
        """A child is gone: take its last words, and end what it has left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # the number of the process itself may be another's by now
        if child.connection in self.selector.get_map():
            self._relay(child)
        del self.children[child.pid]
        if child.connection in self.selector.get_map():
            self.selector.unregister(child.connection)  # a process that left the group holds it open
        child.connection.close()
        problem = _describe_end(exit_code)
        if child.last_message is not None:
            self.send(child.last_message)
        elif not child.unended:
            self.send({"error": ["RunnerError", f"{self.runner.name}: prepare failed: {problem}"]})
        for position, number in enumerate(child.unended):  # only the first had begun
            outcome = Failed(problem) if position == 0 else Interrupted()
            self.send({"number": number, "outcome": outcome_to_json(outcome)})


def _describe_end(exit_code: int) -> str:
    if exit_code >= 0:
        return f"the process ended with exit code {exit_code} before it returned a result"
    name = name_signal(-exit_code)
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"the process was killed by {name}{hint}"


def _kill_group(pid: int) -> None:
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, signum: int) -> None:
    try:
        os.killpg(pid, signum)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)  # forked, and not yet the leader of its group
    except PermissionError:
        pass  # macOS: what is left of the group is already ending


def main() -> None:
    """`python -m hypersweep.pool.server FD`, started by `pool.local`."""
    controller = socket.socket(fileno=int(sys.argv[1]))
    start = json.loads(controller.makefile("rb").readline())
    reference = RunnerReference(**start["reference"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        runner = reference.load()
        keys = runner.keys(start["settings"], start["varied"])
        described = {
            "keys": None if keys is None else [dataclasses.asdict(key) for key in keys],
            "has_prepare": runner.prepare is not None,
        }
        controller.sendall(json.dumps({"described": described}).encode() + b"\n")
        for name in runner.preload:
            reference.import_module(name)
    except HypersweepError as error:
        controller.sendall(json.dumps({"error": [type(error).__name__, str(error)]}).encode() + b"\n")
        return
    Server(controller, runner, start["settings"]).serve()


if __name__ == "__main__":
    main()
