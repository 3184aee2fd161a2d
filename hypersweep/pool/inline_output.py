"""What trials of pool `inline` print."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TextIO

from hypersweep.runner import LiveTrial


class TrialOutput(io.TextIOBase):
    """What Python prints during a trial, in a file that appears with its first character.

    One stream for all trials: what the first one has set up to write there, such as logging, serves the next as well.
    """

    def __init__(self) -> None:
        self.trial: LiveTrial | None = None
        self.file: TextIO | None = None
        self.streams = sys.stdout, sys.stderr

    @contextlib.contextmanager
    def sent_to(self, trial: LiveTrial) -> Iterator[None]:
        self.trial = trial
        self.streams = sys.stdout, sys.stderr
        try:
            sys.stdout = sys.stderr = self
            yield
        finally:
            sys.stdout, sys.stderr = self.streams
            file, self.trial, self.file = self.file, None, None
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()

    @contextlib.contextmanager
    def interrupted(self) -> Iterator[None]:
        """Within it, what is printed goes where it went before the trial."""
        stdout, stderr = self.streams
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            yield

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.file is None and self.trial is not None:
            path = self.trial.log_path
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(path, "a", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
        return len(text) if self.file is None else self.file.write(text)  # None: a thread that outlives its trial

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        """Stays open: it is not the trial's to close."""
