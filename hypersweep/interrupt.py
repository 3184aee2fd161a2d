"""Ctrl-C and its kin, as a flag that the loop looks at between commits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def raise_interrupt() -> None:
    """For where nothing needs to be brought to its end first."""
    raise KeyboardInterrupt


class InterruptGuard:
    """Within it, SIGINT, SIGTERM and SIGHUP call `on_signal`; the first is remembered, a second one raises
    `KeyboardInterrupt` at once. Outside the main thread, where Python delivers no signals, it does nothing."""

    def __init__(self, on_signal: Callable[[], None]) -> None:
        self.on_signal = on_signal
        self.is_requested = False
        self.previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> InterruptGuard:
        if threading.current_thread() is threading.main_thread():
            heard = [
                signum for signum in SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN
            ]  # nohup ignores one
            self.previous = {signum: signal.signal(signum, self._handle) for signum in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self.previous.items():
            signal.signal(signum, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        is_second, self.is_requested = self.is_requested, True
        self.on_signal()
        if is_second:
            raise KeyboardInterrupt
