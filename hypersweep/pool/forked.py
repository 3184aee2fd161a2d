"""A process that the server of pool `local` has forked, as the server sees it: its trials, its clock, its words."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypersweep.pool.child import END
from hypersweep.trial import Failed, Finished, Interrupted, Outcome, Pruned


@dataclass
class Forked:
    """A process and the trials it has yet to tell the outcome of, all of them under way.

    due_at        when it is to be asked to end; once it was asked, or is over, when it is to be killed
    ends_as       what the trials come to, once the process was asked to end: timed out, or interrupted
    last_message  kept back until the process has ended: then nothing of it runs any more
    """

    pid: int
    connection: socket.socket
    unended: list[int]
    due_at: float = math.inf
    ends_as: Failed | Interrupted | None = None
    last_message: Mapping[str, Any] | None = None
    received: bytes = field(default=b"", repr=False)

    @property
    def is_ending(self) -> bool:
        return self.ends_as is not None or self.last_message is not None

    def read(self) -> tuple[list[dict[str, Any]], bool]:
        """The messages that have come since, and whether there can be more."""
        chunks, is_open = [self.received], True
        try:
            while chunk := self.connection.recv(1 << 16):
                chunks.append(chunk)
            is_open = False
        except ConnectionResetError:  # it has ended without taking all that it was sent
            is_open = False
        except BlockingIOError:
            pass
        *lines, self.received = b"".join(chunks).split(b"\n")
        return [json.loads(line) for line in lines], is_open

    def ask_to_prune(self, number: int) -> None:
        """If the trial is one of its: a line with the number, for when it looks."""
        if number in self.unended:
            self._tell(b"%d" % number)

    def ask_to_end(self) -> None:
        """A SIGTERM, and a line to see that it is heard."""
        self._tell(END)
        self.send_signal(signal.SIGTERM)

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # it has just ended
            self.connection.send(line + b"\n")

    def settle(self, outcome: Outcome) -> Outcome:
        """What counts, when a trial says it ended as `outcome`. One that has run too long is a failure
        whatever it returned; one that failed while it was being stopped failed because of that."""
        if self.ends_as is None or (isinstance(self.ends_as, Interrupted) and isinstance(outcome, Finished | Pruned)):
            return outcome
        return self.ends_as

    def send_signal(self, signum: int) -> None:
        """To the whole process group."""
        try:
            os.killpg(self.pid, signum)
        except ProcessLookupError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)  # forked, and not yet the leader of its group
        except PermissionError:
            pass  # macOS: what is left of the group is already ending
