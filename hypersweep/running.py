"""What runs now: the trials that were handed out, by batch, and what they have reported that is not committed yet."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hypersweep.pool import Reported
from hypersweep.store import Store
from hypersweep.trial import Trial

REPORT_INTERVAL_S = 1.0  # intermediate results are committed together


class RunningTrials:
    """The trials that run, each with when it was started; a batch holds its slot until its last trial has ended."""

    def __init__(self) -> None:
        self.started: dict[int, tuple[Trial, float]] = {}
        self.batch_of: dict[int, set[int]] = {}  # the ones of a trial's batch that still run
        self.num_batches = 0

    def __len__(self) -> int:
        return len(self.started)

    def __getitem__(self, number: int) -> Trial:
        return self.started[number][0]

    def enter(self, batch: Sequence[Trial], now: float) -> None:
        numbers = {trial.number for trial in batch}
        self.num_batches += 1
        for trial in batch:
            self.started[trial.number] = (trial, now)
            self.batch_of[trial.number] = numbers

    def take_out(self, number: int) -> tuple[Trial, float]:
        """A trial that has ended, and when it was started; with the last one of its batch a slot is free."""
        batch = self.batch_of.pop(number)
        batch.remove(number)
        self.num_batches -= not batch
        return self.started.pop(number)


class NewReports:
    """Reports that are still to be committed: with the end of a trial, or together after a while."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reports: list[Reported] = []
        self.due_at = 0.0

    def add(self, reported: Reported) -> None:
        self.reports.append(reported)

    def commit_if_due(self) -> None:
        if time.monotonic() >= self.due_at:
            self.commit()

    def commit(self) -> None:
        if self.reports:
            with self.store.transaction():
                self.store_all()

    def store_all(self) -> None:
        """Within a transaction: all that was reported, before anything that follows it."""
        reports, self.reports = self.reports, []
        if reports:
            self.store.report((report.number, report.step, report.metrics) for report in reports)
            self.due_at = time.monotonic() + REPORT_INTERVAL_S
