"""Trials one after another in the controller itself: for cheap Python functions and for debugging."""

from __future__ import annotations

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hypersweep.errors import PoolError
from hypersweep.pool.alarm import Alarm
from hypersweep.pool.devices import assign_places, find_memory_bytes
from hypersweep.pool.endings import timed_out
from hypersweep.pool.inline_output import TrialOutput
from hypersweep.pool.inline_together import Together
from hypersweep.pool.local import LocalPool
from hypersweep.pool.protocol import Description, Ended, Placed, Pool, PoolEvent, Reported, Work
from hypersweep.pool.resources import Resources
from hypersweep.pool.threads import thread_environment
from hypersweep.runner import LiveTrial, execute
from hypersweep.runner.execute import TrialInterrupted
from hypersweep.trial import Interrupted, Outcome, Trial


def open_inline(work: Work, resources: Resources) -> Pool:
    """The pool that runs trials in the controller. A command is a process in any case: it gets one of pool `local`'s,
    which are watched and ended as a whole."""
    if resources.workers not in (None, 1):
        raise PoolError(
            f"--workers: pool inline runs one trial at a time, got {resources.workers}; expected 1. Use --pool local"
        )
    if work.reference.python is not None:
        raise PoolError(
            f"--python: pool inline runs trials in the controller, got {work.reference.python!r}; expected no other "
            "Python. Use --pool local"
        )
    alone = dataclasses.replace(resources, workers=1)
    return LocalPool(work, alone) if work.reference.is_command else InlinePool(work, alone)


class InlinePool:
    """One slot, no process: what a trial breaks (memory, the interpreter) breaks the sweep."""

    def __init__(self, work: Work, resources: Resources) -> None:
        places = assign_places(resources)
        self.num_slots = places.num_slots
        self.device = places.take()
        self.alarm = None if work.trial_timeout_s is None else Alarm(work.trial_timeout_s, work.grace_s)
        self.memory_bytes = find_memory_bytes(resources)
        self.work = work
        os.environ.update({**thread_environment(work.threads), **self.device.environment})
        self.runner = work.reference.load() if work.function is None else work.reference.wrap(work.function)
        self.prepared: Path | None = None
        self.waiting: deque[Sequence[Trial]] = deque()
        self.together: Together | None = None
        self.output = TrialOutput()
        self.on_report: Callable[[Reported], None] | None = None
        self.pruned: set[int] = set()
        self.is_in_trial = False
        self.is_interrupted = False
        self.listener_error: Exception | None = None

    def describe(self) -> Description:
        return Description.of(self.runner, self.work.settings, self.work.varied, self.memory_bytes)

    def prepare(self) -> Path | None:
        if self.runner.prepare is None:
            return None
        helper = LocalPool(dataclasses.replace(self.work, function=None), Resources())
        try:
            helper.describe()
            self.prepared = helper.prepare()
        finally:
            helper.close()
        return self.prepared

    def submit(self, batch: Sequence[Trial]) -> None:
        self.waiting.append(batch)

    def listen(self, on_report: Callable[[Reported], None]) -> None:
        self.on_report = on_report

    def prune(self, number: int) -> None:
        self.pruned.add(number)

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        events: list[PoolEvent] = []
        while self.waiting and self.together is None:
            batch = self.waiting.popleft()
            if len(batch) > 1:
                self.together = self._begin_together(batch)
                break
            (trial,) = batch
            try:
                events.extend(self._run(trial))
            except TrialInterrupted:
                events.append(Ended(trial.number, Interrupted()))
                break
            finally:
                self.pruned.discard(trial.number)
        if self.together is not None:
            events.extend(self._go_on_together(self.together))
        if self.listener_error is not None:
            raise self.listener_error
        return events

    def _run(self, trial: Trial) -> list[PoolEvent]:
        events: list[PoolEvent] = []
        live = self._enliven(trial, events)
        with self.output.sent_to(live):
            outcome = self._execute(trial, live) if self.alarm is None else self._execute_by(self.alarm, trial, live)
        return [*events, Ended(trial.number, outcome)]

    def _enliven(self, trial: Trial, events: list[PoolEvent]) -> LiveTrial:
        """The trial as the runner is handed it; what happens to it goes to `events` if nobody listens."""
        if self.device.label:
            events.append(Placed(trial.number, self.device.label))

        def send_report(step: int, metrics: Mapping[str, float]) -> None:
            reported = Reported(trial.number, step, metrics)
            if self.on_report is None:
                events.append(reported)
            else:
                self._tell(reported, self.on_report)

        return LiveTrial(
            number=trial.number,
            seed=trial.seed,
            folder=self.work.place.trial_folder(trial.number),
            settings=self.work.settings,
            prepared=self.prepared,
            device=self.device.name,
            attempt=trial.attempt,
            send_report=send_report,
            is_prune_asked=lambda: trial.number in self.pruned,
        )

    def _begin_together(self, batch: Sequence[Trial]) -> Together:
        assert self.runner.run_batch is not None, "the loop has asked"
        told: list[PoolEvent] = []
        lives = [(trial.params, self._enliven(trial, told)) for trial in batch]
        together = Together(self.runner.run_batch, lives, told, self.alarm)
        together.begin_logs()
        return together

    def _go_on_together(self, together: Together) -> list[PoolEvent]:
        """What has ended is committed before the others go on."""
        try:
            with self.output.sent_to(together.log.holder):
                self.is_in_trial = True
                together.go_on()
        except TrialInterrupted:
            together.end_all(Interrupted())
        finally:
            self.is_in_trial = False
        if not together.running:
            self.together = None
        told = together.take_told()
        self.pruned -= {event.number for event in told if isinstance(event, Ended)}
        return told

    def _tell(self, reported: Reported, on_report: Callable[[Reported], None]) -> None:
        """The listener's code runs within the trial, but is no part of it: a signal waits for its end, its errors are
        not the trial's, and what it prints is not for the trial's log."""
        self.is_in_trial = False
        try:
            with self.output.interrupted():
                on_report(reported)
        except Exception as error:
            self.listener_error = error
            raise TrialInterrupted from error
        finally:
            self.is_in_trial = True
        if self.is_interrupted:
            raise TrialInterrupted

    def _execute(self, trial: Trial, live: LiveTrial) -> Outcome:
        self.is_in_trial = True
        try:
            return execute(self.runner.call, trial.params, live)
        finally:
            self.is_in_trial = False

    def _execute_by(self, alarm: Alarm, trial: Trial, live: LiveTrial) -> Outcome:
        outcome: Outcome = Interrupted()
        try:
            with alarm.ringing():
                outcome = self._execute(trial, live)
        except TrialInterrupted:
            if not alarm.has_rung:
                raise
        return timed_out(alarm.limit_s) if alarm.has_rung else outcome

    def interrupt(self) -> None:
        self.is_interrupted = True
        if self.is_in_trial:
            raise TrialInterrupted

    def stop(self, grace_s: float) -> list[PoolEvent]:
        ended: list[PoolEvent] = [Ended(trial.number, Interrupted()) for batch in self.waiting for trial in batch]
        self.waiting.clear()
        if self.together is not None:
            self.together.end_all(Interrupted())
            ended += self.together.take_told()
        return ended

    def close(self) -> None:
        """Nothing to give back."""
