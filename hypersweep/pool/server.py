"""The server process of pool `local`: it imports the runner once and forks a process for each batch of trials.

It has one thread, runs none of the user's code but the imports, and speaks JSON lines with the controller over a
socket. It watches how long each trial runs. When the controller is gone, however it went, it kills what it has forked
and ends.

Requests:  {"batch": [[trial, folder], …], "prepared": path, "device": name, "environment": {…}}   {"prepare": true}
           {"prune": 7}   {"stop": grace_s}
Messages:  {"described": {"keys": […], …}}   {"prepared": path}   {"error": [class, text]}
           {"number": 7, "begun": pid}   {"number": 7, "report": [step, {…}]}   {"number": 7, "outcome": …}
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import gc
import json
import math
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypersweep.errors import HypersweepError, RunnerError
from hypersweep.pool.child import Messages, run_batch, run_in_child, run_prepare
from hypersweep.pool.devices import has_initialised_cuda
from hypersweep.pool.endings import describe_death, not_started, timed_out
from hypersweep.pool.forked import Forked
from hypersweep.pool.guard import guard_server
from hypersweep.pool.linux import (
    adopt_orphans,
    collapse_memory,
    end_children,
    find_children,
    find_oom_score,
    kill_below,
)
from hypersweep.pool.protocol import Description
from hypersweep.runner import LoadedRunner, RunnerReference
from hypersweep.runner.memory import KernelKills
from hypersweep.trial import Failed, Interrupted, outcome_from_json, outcome_to_json

ORPHAN_PATIENCE_S = 1.0


class Server:
    """Forks, relays, watches the time and reaps; `serve` returns when the controller is gone."""

    def __init__(
        self,
        controller: socket.socket,
        runner: LoadedRunner,
        settings: Mapping[str, Any],
        limits: tuple[float | None, float],
    ) -> None:
        self.controller = controller
        self.runner = runner
        self.settings = settings
        self.trial_timeout_s, self.grace_s = limits
        self.processes: dict[int, Forked] = {}
        self.spared: set[int] = set()  # children that are no trial's, or that could not be killed
        self.received = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(controller, selectors.EVENT_READ, self._read_requests)
        self.wakeup, self.wakeup_writer = socket.socketpair()
        self.wakeup.setblocking(False)
        self.wakeup_writer.setblocking(False)
        self.is_open = True
        self.pid = os.getpid()
        self.oom_score = find_oom_score()
        self.kernel_kills = KernelKills()
        self.is_gathered = False

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wakeup_writer.fileno(), warn_on_full_buffer=False)
        self.selector.register(self.wakeup, selectors.EVENT_READ, self._reap)
        faulthandler.enable(file=2)  # in the trials as well, where that is their log
        self.spared = find_children()
        adopt_orphans()
        gc.freeze()  # a collection in a trial would copy the pages of all that is here
        gc.enable()
        try:
            while self.is_open:
                due_at = min((process.due_at for process in self.processes.values()), default=math.inf)
                timeout_s = None if due_at == math.inf else max(0.0, due_at - time.monotonic())
                for key, _ in self.selector.select(timeout_s):
                    key.data()
                self._end_overdue()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the controller is gone
        finally:
            for process in self.processes.values():
                kill_below(process.pid)  # not the trial first: nobody would know of these if this process were killed
                process.send_signal(signal.SIGKILL)
            end_children(ORPHAN_PATIENCE_S)

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
                self._gather_memory()
            elif "prepare" in request:
                self._fork([], lambda messages: run_prepare(messages, self.runner, self.settings))
            elif "prune" in request:
                for process in self.processes.values():
                    process.ask_to_prune(request["prune"])
            else:
                for process in self.processes.values():
                    self._ask_to_end(process, Interrupted(), request["stop"])

    def _fork(self, numbers: list[int], work: Callable[[Messages], None]) -> None:
        try:
            ours, theirs = socket.socketpair()
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
        except OSError as error:
            self._tell_ends(numbers, not_started(error))
            return
        if pid == 0:
            self._close_in_child(ours)
            run_in_child(theirs, work, parent=self.pid, oom_score=self.oom_score)
        theirs.close()
        ours.setblocking(False)
        self.processes[pid] = process = Forked(pid, ours, numbers)
        self.selector.register(ours, selectors.EVENT_READ, lambda: self._relay(process))
        self._begin(process)

    def _gather_memory(self) -> None:
        """For the forks to come, once: it may take as long as hundreds of them, and the first trial has not to wait."""
        if not self.is_gathered:
            self.is_gathered = True
            collapse_memory()

    def _close_in_child(self, ours: socket.socket) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for connection in (ours, self.controller, self.wakeup, self.wakeup_writer):
            connection.close()
        for process in self.processes.values():
            process.connection.close()

    def _begin(self, process: Forked) -> None:
        """Its trials begin now; it has none if it prepares."""
        if process.unended and self.trial_timeout_s is not None:
            process.due_at = time.monotonic() + self.trial_timeout_s
        for number in process.unended:
            self.send({"number": number, "begun": process.pid})

    def _ask_to_end(self, process: Forked, ends_as: Failed | Interrupted, grace_s: float) -> None:
        """Once: what was asked already keeps its reason, and has no longer than this."""
        kill_at = time.monotonic() + grace_s
        if process.is_ending:
            process.due_at = min(process.due_at, kill_at)
        else:
            process.ends_as, process.due_at = ends_as, kill_at
            process.ask_to_end()

    def _end_overdue(self) -> None:
        for process in self.processes.values():
            if not process.is_ending and process.due_at <= time.monotonic():
                self._relay(process)  # it may have ended just now
            if process.due_at <= time.monotonic():
                if process.is_ending:
                    process.send_signal(signal.SIGKILL)
                    process.due_at = math.inf
                else:
                    assert self.trial_timeout_s is not None
                    self._ask_to_end(process, timed_out(self.trial_timeout_s), self.grace_s)

    def _relay(self, process: Forked) -> None:
        """Pass what a process has sent on to the controller."""
        if process.pid not in self.processes:
            return  # it has ended in this very round of the selector
        messages, is_open = process.read()
        if not is_open:
            self.selector.unregister(process.connection)  # its end is told by SIGCHLD
        for message in messages:
            if "outcome" in message:
                self._take_outcome(process, message)
            elif "number" in message:
                self.send(message)
            else:
                process.last_message = message

    def _take_outcome(self, process: Forked, message: dict[str, Any]) -> None:
        if message["number"] not in process.unended:
            return  # the trial has forked, and returned in both processes
        process.unended.remove(message["number"])
        if process.ends_as is not None:
            outcome = process.settle(outcome_from_json(message["outcome"]))
            message = {**message, "outcome": outcome_to_json(outcome)}
        if process.unended:
            self.send(message)
        else:
            process.last_message, process.due_at = message, time.monotonic() + self.grace_s

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.wakeup.recv(1 << 12):
                pass
        for process in list(self.processes.values()):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid:
                self._end(process, os.waitstatus_to_exitcode(status))

    def _end(self, process: Forked, exit_code: int) -> None:
        """A process is gone: take its last words, and end what it has left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # the number of the process itself may be another's by now
        if process.connection in self.selector.get_map():
            self._relay(process)
        del self.processes[process.pid]
        self.spared |= end_children(ORPHAN_PATIENCE_S, self.spared.union(self.processes))
        if process.connection in self.selector.get_map():
            self.selector.unregister(process.connection)  # a process that left the group holds it open
        process.connection.close()
        if process.last_message is not None:
            self.send(process.last_message)
        else:
            is_out_of_memory = exit_code == -signal.SIGKILL and self.kernel_kills.has_risen()
            death = describe_death(exit_code, is_out_of_memory=is_out_of_memory)
            self._tell_ends(process.unended, process.ends_as or Failed(death))

    def _tell_ends(self, numbers: Sequence[int], outcome: Failed | Interrupted) -> None:
        """These trials ended so; none: it was the preparation."""
        if not numbers:
            problem = outcome.error if isinstance(outcome, Failed) else "interrupted"
            self.send({"error": ["RunnerError", f"{self.runner.name}: prepare failed: {problem}"]})
        for number in numbers:
            self.send({"number": number, "outcome": outcome_to_json(outcome)})


def main() -> None:
    """`python -m hypersweep.pool.server FD PROCESS`, started by `pool.local` in the process of that number."""
    controller = socket.socket(fileno=int(sys.argv[1]))
    guard_server(controller, int(sys.argv[2]))
    start = json.loads(controller.makefile("rb").readline())
    reference = RunnerReference(**start["reference"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # until all is imported: hardly any of it is garbage, and looking for that takes a tenth of the time
    try:
        runner = reference.load()
        described = Description.of(runner, start["settings"], start["varied"], start["memory_bytes"])
        controller.sendall(json.dumps({"described": dataclasses.asdict(described)}).encode() + b"\n")
        for name in runner.preload:
            reference.import_module(name)
        if has_initialised_cuda():
            raise RunnerError(
                f"--runner {reference.text}: its import has initialised CUDA, which the trials forked from there "
                "cannot do again; expected imports only. Move into the function what computes on a GPU"
            )
    except HypersweepError as error:
        controller.sendall(json.dumps({"error": [type(error).__name__, str(error)]}).encode() + b"\n")
        return
    Server(controller, runner, start["settings"], start["limits"]).serve()


if __name__ == "__main__":
    main()
