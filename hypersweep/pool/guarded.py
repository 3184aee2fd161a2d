"""A program of hypersweep's own below a guard (`guard`), as the controller sees it: a process, and the socket to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

CLOSE_GRACE_S = 2.0


def start_guarded(
    command: Sequence[str], environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The guard, and the socket to what it guards; `command` runs a module that begins with `guard_server`."""
    ours, theirs = socket.socketpair()
    with theirs:
        guard = subprocess.Popen(
            [*command, str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
    return guard, ours


def await_end(guard: subprocess.Popen[bytes]) -> None:
    """Once the socket is closed, at which what is guarded ends; what is busy with something else is ended."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            guard.wait(CLOSE_GRACE_S)
            return
        except subprocess.TimeoutExpired:
            os.killpg(guard.pid, signum)
    guard.wait()
