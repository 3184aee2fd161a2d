"""The entry of a trial process: what happens between the fork and the end of a batch of trials."""

from __future__ import annotations

import _thread
import contextlib
import io
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hypersweep.errors import HypersweepError
from hypersweep.pool.linux import LIBC, adopt_orphans, end_children, set_oom_score
from hypersweep.runner import CommonLog, LiveTrial, LoadedRunner, execute, execute_together
from hypersweep.runner.execute import TrialInterrupted, tell_exception
from hypersweep.trial import Failed, Outcome, Params, Trial, outcome_to_json

Ends = Generator[tuple[int, Outcome], None, None]

END = b"end"
CHECK_S = 0.5
PATIENCE_S = 0.5


class Messages:
    """JSON lines to the server process, from any thread. Reports never wait: what does not fit is sent later."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.unsent = b""
        self.lock = threading.Lock()

    def report(self, message: Mapping[str, Any]) -> None:
        with self.lock, contextlib.suppress(BlockingIOError):
            self.unsent += json.dumps(message).encode() + b"\n"
            self.unsent = self.unsent[self.connection.send(self.unsent, socket.MSG_DONTWAIT) :]

    def is_prune_asked(self, number: int) -> bool:
        """Whether the server wants the trial to stop."""
        return self._is_asked(str(number).encode())

    def is_end_asked(self) -> bool:
        """Whether the server wants the process to end: it has been sent a SIGTERM as well."""
        return self._is_asked(END)

    def _is_asked(self, what: bytes) -> bool:
        """What the server has sent is left there: a process that the trial has forked may ask as well."""
        try:
            asked = self.connection.recv(1 << 16, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except OSError:  # none, or the server is gone
            return False
        return what in asked.split(b"\n")

    def send(self, message: Mapping[str, Any]) -> None:
        with self.lock:
            self.connection.sendall(self.unsent + json.dumps(message).encode() + b"\n")
            self.unsent = b""


def run_in_child(
    connection: socket.socket, work: Callable[[Messages], None], *, parent: int, oom_score: int | None
) -> NoReturn:
    """Run `work` in a process just forked from `parent`, in a process group of its own, and end the process."""
    exit_code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, _raise_interrupted)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the controller's to handle
        set_oom_score(oom_score)
        adopt_orphans()  # so that what a trial starts stays below it while it runs
        messages = Messages(connection)
        watched = (parent, _thread.get_ident(), messages)
        _thread.start_new_thread(_watch, watched)  # what threading adds to it takes longer than all of this
        work(messages)
        exit_code = 0
    except TrialInterrupted:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getppid() == parent:
            os.kill(os.getpid(), signal.SIGTERM)  # which is how the server sees it, and it knows whether it has asked
    except Exception:  # ours: the user's are told by `execute` and `run_prepare`
        traceback.print_exc()
    finally:
        if os.getppid() != parent:
            _end_all()  # nobody else may be left to do it
        os._exit(exit_code)


def run_batch(
    messages: Messages, runner: LoadedRunner, settings: Mapping[str, Any], request: Mapping[str, Any]
) -> None:
    """Run the trials of one request of the server, and tell how each ended."""
    os.environ.update(request["environment"])
    batch = [
        (trial.params, _enliven(trial, Path(folder), messages, settings, request))
        for trial, folder in ((Trial.from_json(text), folder) for text, folder in request["batch"])
    ]
    with contextlib.closing(_run_alone(runner, *batch[0]) if len(batch) == 1 else _run_together(runner, batch)) as ends:
        for number, outcome in ends:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is known now shall arrive
            messages.send({"number": number, "outcome": outcome_to_json(outcome)})
            signal.signal(signal.SIGTERM, _raise_interrupted)


def _enliven(
    trial: Trial, folder: Path, messages: Messages, settings: Mapping[str, Any], request: Mapping[str, Any]
) -> LiveTrial:
    return LiveTrial(
        number=trial.number,
        seed=trial.seed,
        folder=folder,
        settings=settings,
        prepared=Path(request["prepared"]) if request["prepared"] else None,
        device=request["device"],
        attempt=trial.attempt,
        send_report=lambda step, metrics: messages.report({"number": trial.number, "report": [step, metrics]}),
        is_prune_asked=lambda: messages.is_prune_asked(trial.number),
    )


def _run_alone(runner: LoadedRunner, params: Params, live: LiveTrial) -> Ends:
    try:
        with _output_to(live.log_path):
            outcome = execute(runner.call, params, live)
    except OSError as error:
        outcome = _no_log(live, error)
    yield live.number, outcome


def _run_together(runner: LoadedRunner, batch: Sequence[tuple[Params, LiveTrial]]) -> Ends:
    assert runner.run_batch is not None, "the loop has asked"
    log = CommonLog([live for _, live in batch])
    try:
        log.begin()
    except OSError as error:
        for _, live in batch:
            yield live.number, _no_log(live, error)
        return
    with contextlib.closing(execute_together(runner.run_batch, batch)) as ends, contextlib.ExitStack() as output:
        output.enter_context(_output_to(log.holder.log_path))
        for live, outcome in ends:
            if log.note_end(live):
                output.close()
                output.enter_context(_output_to(log.holder.log_path))
            yield live.number, outcome


def _no_log(live: LiveTrial, error: OSError) -> Failed:
    return Failed(f"{live.folder}: cannot be made ({error.strerror}); expected room for the trial's log")


def run_prepare(messages: Messages, runner: LoadedRunner, settings: Mapping[str, Any]) -> None:
    """Call the runner's `prepare` and tell the folder, or the error."""
    assert runner.prepare is not None
    try:
        path = Path(os.fspath(runner.prepare(settings))).resolve()
        messages.send({"prepared": str(path)})
    except HypersweepError as error:
        messages.send({"error": [type(error).__name__, str(error)]})
    except Exception as error:
        traceback.print_exc()
        text = f"{runner.name}: prepare failed: {tell_exception(error)}; see the traceback above"
        messages.send({"error": ["RunnerError", text]})


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Send stdout and stderr, those of C code and child processes too, to `path`, unbuffered: what was printed is
    there also when the process dies. A log with nothing in it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), "utf-8", "backslashreplace", write_through=True)
        for descriptor in (1, 2)
    )
    try:
        yield
    finally:
        LIBC.fflush(None)  # what C code has printed
        with contextlib.suppress(OSError):  # the trial may have removed it
            if os.path.getsize(path) == 0:
                path.unlink()
                path.parent.rmdir()


def _raise_interrupted(signum: int, frame: object) -> None:
    """Once: the `finally` blocks shall not be interrupted."""
    signal.signal(signum, _stay)  # and not SIG_IGN, which a program started in these blocks would inherit
    raise TrialInterrupted(is_group_told=True)


def _stay(signum: int, frame: object) -> None:
    pass


def _watch(parent: int, main_thread: int, messages: Messages) -> None:
    """End this process and all it has started when the server process is gone, however it went. And see that a request
    to end is heard: Python misses the signal that comes just before a call that waits, until that call returns."""
    while os.getppid() == parent:
        time.sleep(CHECK_S)
        if messages.is_end_asked() and signal.getsignal(signal.SIGTERM) is _raise_interrupted:
            signal.pthread_kill(main_thread, signal.SIGTERM)
    _end_all()


def _end_all() -> None:
    end_children(PATIENCE_S)
    os.killpg(0, signal.SIGKILL)
