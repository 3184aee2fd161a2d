"""Trials of pool `inline` that run together, from the end of one to the end of the next."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from hypersweep.pool.alarm import Alarm
from hypersweep.pool.endings import timed_out
from hypersweep.pool.protocol import Ended, PoolEvent
from hypersweep.runner import CommonLog, LiveTrial, execute_together
from hypersweep.runner.contract import BatchRunner
from hypersweep.runner.execute import TrialInterrupted
from hypersweep.trial import Failed, Interrupted, Outcome, Params


class Together:
    """`told` is what the trials tell as they run; `alarm` is their common clock."""

    def __init__(
        self,
        run_batch: BatchRunner,
        batch: Sequence[tuple[Params, LiveTrial]],
        told: list[PoolEvent],
        alarm: Alarm | None,
    ) -> None:
        self.running = [live for _, live in batch]
        self.ends = execute_together(run_batch, batch)
        self.told = told
        self.alarm = alarm
        self.due_at = None if alarm is None else time.monotonic() + alarm.limit_s
        self.is_too_late = False
        self.log = CommonLog(self.running)

    def begin_logs(self) -> None:
        """Ends all trials if there is no room for their logs."""
        try:
            self.log.begin()
        except OSError as error:
            self.end_all(Failed(f"{self.log.holder.folder}: cannot be made ({error.strerror}); expected room for logs"))

    def go_on(self) -> None:
        """Until one of the trials has ended, or all. Raises `TrialInterrupted` if the pool is stopped."""
        if not self.running:
            return
        try:
            with contextlib.nullcontext() if self.alarm is None else self.alarm.ringing(self._left_s()):
                live, outcome = next(self.ends)
        except TrialInterrupted:
            if not self._has_rung():
                raise
            self.end_all(self._judge(Interrupted()))
        else:
            self.log.note_end(live)
            self.running.remove(live)
            self.told.append(Ended(live.number, self._judge(outcome)))

    def end_all(self, outcome: Outcome) -> None:
        """Those that still run; their code has been left."""
        with contextlib.suppress(Exception):  # what its `finally` blocks raise says nothing any more
            self.ends.close()
        self.told += [Ended(live.number, outcome) for live in self.running]
        self.running.clear()

    def take_told(self) -> list[PoolEvent]:
        told, self.told[:] = list(self.told), []
        return told

    def _left_s(self) -> float:
        assert self.alarm is not None
        assert self.due_at is not None
        return self.alarm.grace_s if self.is_too_late else max(0.001, self.due_at - time.monotonic())

    def _has_rung(self) -> bool:
        self.is_too_late = self.is_too_late or (self.alarm is not None and self.alarm.has_rung)
        return self.is_too_late

    def _judge(self, outcome: Outcome) -> Outcome:
        return timed_out(self.alarm.limit_s) if self.alarm is not None and self._has_rung() else outcome
