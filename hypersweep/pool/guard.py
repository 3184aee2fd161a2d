"""The guard of pool `local`: a process between the controller and the server that outlives both by a moment.

Whatever is killed, in whatever way, nothing that a trial has started stays behind: the guard runs none of the user's
code, so that it is always there to notice. On Linux it becomes the parent of all that lose theirs, and ends them. Where
it cannot, the trials notice for themselves (`child`), and so does the controller.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from typing import NoReturn

from hypersweep.pool.linux import adopt_orphans, end_children

POLL_S = 0.5
PATIENCE_S = 2.0


def guard_server(connection: socket.socket, controller: int) -> None:
    """Fork: returns in the child, which is the server process. The parent, which the process `controller` has started,
    guards it, and ends as it ends."""
    adopt_orphans()
    server = os.fork()
    if server:
        connection.close()  # when the server is gone, the controller shall see it
        _guard(server, controller)


def _guard(server: int, controller: int) -> NoReturn:
    exit_code = 1
    try:
        exit_code = _await_end(server, controller)
        end_children(PATIENCE_S)
    finally:
        os._exit(exit_code)


def _await_end(server: int, controller: int) -> int:
    """Until the server has ended, or the controller has, or has had enough (SIGTERM); gives how the server ended, as a
    shell tells it."""
    is_enough: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda signum, _: is_enough.append(signum))
    wakeup, wakeup_writer = socket.socketpair()
    wakeup_writer.setblocking(False)
    signal.set_wakeup_fd(wakeup_writer.fileno(), warn_on_full_buffer=False)
    try:
        while os.getppid() == controller and not is_enough:
            pid, status = os.waitpid(server, os.WNOHANG)
            if pid:
                exit_code = os.waitstatus_to_exitcode(status)
                return exit_code if exit_code >= 0 else 128 - exit_code
            if select.select([wakeup], [], [], POLL_S)[0]:
                wakeup.recv(1 << 12)
        return 1
    finally:
        signal.set_wakeup_fd(-1)
