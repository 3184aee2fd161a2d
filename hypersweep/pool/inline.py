"""Trials one after another in the controller itself: for cheap Python functions and for debugging."""

from __future__ import annotations

import contextlib
import io
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from hypersweep.pool.local import THREAD_VARIABLES, LocalPool
from hypersweep.pool.protocol import Description, Ended, PoolEvent, Reported, Work
from hypersweep.runner import LiveTrial, LoadedRunner, execute
from hypersweep.runner.function import adapt
from hypersweep.trial import Interrupted, Trial


class InlinePool:
    """One slot, no process: what a trial breaks (memory, the interpreter) breaks the sweep."""

    def __init__(self, work: Work, num_workers: int = 1) -> None:
        self.num_slots = num_workers
        self.work = work
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(work.threads)))
        if work.function is not None:
            self.runner = LoadedRunner(call=adapt(work.function, work.reference.text), name=work.reference.name)
        else:
            self.runner = work.reference.load()
        self.prepared: Path | None = None
        self.waiting: deque[Trial] = deque()
        self.is_in_trial = False

    def describe(self) -> Description:
        return Description(
            keys=self.runner.keys(self.work.settings, self.work.varied), has_prepare=self.runner.prepare is not None
        )

    def prepare(self) -> Path | None:
        if self.runner.prepare is None:
            return None
        helper = LocalPool(self.work, 1)
        try:
            helper.describe()
            self.prepared = helper.prepare()
        finally:
            helper.close()
        return self.prepared

    def submit(self, batch: Sequence[Trial]) -> None:
        self.waiting.extend(batch)

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        events: list[PoolEvent] = []
        while self.waiting:
            trial = self.waiting.popleft()
            try:
                events.extend(self._run(trial))
            except KeyboardInterrupt:
                events.append(Ended(trial.number, Interrupted()))
                break
        return events

    def _run(self, trial: Trial) -> list[PoolEvent]:
        reports: list[PoolEvent] = []

        def send_report(step: int, metrics: Mapping[str, float]) -> None:
            reports.append(Reported(trial.number, step, metrics))

        live = LiveTrial(
            number=trial.number,
            seed=trial.seed,
            folder=self.work.place.trial_folder(trial.number),
            settings=self.work.settings,
            prepared=self.prepared,
            attempt=trial.attempt,
            send_report=send_report,
        )
        with _output_to(live.log_path):
            self.is_in_trial = True
            try:
                outcome = execute(self.runner.call, trial.params, live)
            finally:
                self.is_in_trial = False
        return [*reports, Ended(trial.number, outcome)]

    def interrupt(self) -> None:
        if self.is_in_trial:
            raise KeyboardInterrupt

    def stop(self, grace_s: float) -> list[PoolEvent]:
        ended: list[PoolEvent] = [Ended(trial.number, Interrupted()) for trial in self.waiting]
        self.waiting.clear()
        return ended

    def close(self) -> None:
        """Nothing to give back."""


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Send what Python prints to `path`, which is made at the first character."""
    log = _LazyFile(path)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
    finally:
        log.close()


class _LazyFile(io.TextIOBase):
    """A text file that appears with its first character."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: TextIO | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(self.path, "a", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
        return self.file.write(text)

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
