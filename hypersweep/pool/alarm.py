"""The clock of a trial that runs in this process: a timer signal, since nobody else watches."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from hypersweep.errors import PoolError
from hypersweep.runner.execute import TrialInterrupted


class Alarm:
    """Raises `TrialInterrupted` in the trial after `limit_s`, and again after every `grace_s` that pass without its
    end. Raises `PoolError` outside the main thread, where Python delivers no signals."""

    def __init__(self, limit_s: float, grace_s: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise PoolError(
                f"--trial-timeout: got {limit_s:g} s for pool inline outside the main thread, where it cannot stop a "
                "trial; expected no limit. Use --pool local"
            )
        self.limit_s, self.grace_s = limit_s, grace_s
        self.is_set = False
        self.has_rung = False

    @contextlib.contextmanager
    def ringing(self, left_s: float | None = None) -> Iterator[None]:
        """Within it the clock of one trial runs, by `left_s` if it has run before; a timer of somebody else's goes on
        afterwards."""
        self.has_rung = False
        handler = signal.signal(signal.SIGALRM, self._ring)
        due_s = self.limit_s if left_s is None else left_s
        others_s, interval_s = signal.setitimer(signal.ITIMER_REAL, due_s, self.grace_s)
        started_at = time.monotonic()
        try:
            self.is_set = True
            try:
                yield
            finally:
                self.is_set = False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            if others_s:
                signal.setitimer(signal.ITIMER_REAL, max(others_s - (time.monotonic() - started_at), 0.001), interval_s)

    def _ring(self, signum: int, frame: object) -> None:
        if self.is_set:
            self.has_rung = True
            raise TrialInterrupted
