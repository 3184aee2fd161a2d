"""How far a sweep is, gathered from its events; and the line that tells of one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from hypersweep.cli.wording import count_trials, format_params, format_score, format_seconds, name_trials
from hypersweep.events import Event, Noted, SweepStarted, TrialEnded, TrialPlaced, TrialReported, TrialStarted
from hypersweep.trial import Failed, Finished, Interrupted, Pruned, Result, Trial

FEW_TRIALS = 200  # up to here every finished trial has a line of its own


@dataclass
class Running:
    """A trial that runs now, and what it reported last."""

    trial: Trial
    started_at: float
    where: str = ""
    step: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Progress:
    """The state of a sweep as far as its events have told it."""

    size: int | None = None
    repeats: int = 1
    num_at_once: int = 1
    num_done: int = 0
    num_failed: int = 0
    last_failure: str = ""
    best: tuple[Trial, Result] | None = None
    running: dict[int, Running] = field(default_factory=dict)
    begun_at: float = field(default_factory=time.monotonic)
    num_timed: int = 0
    timed_s: float = 0.0

    def update(self, event: Event) -> None:
        if isinstance(event, SweepStarted):
            self.size, self.num_at_once, self.best = event.size, event.num_slots, event.best
            self.repeats = event.repeats
            self.num_failed = event.counts["failed"] or 0
            self.num_done = sum(event.counts[state] or 0 for state in ("finished", "failed", "pruned"))
            self.begun_at = time.monotonic()
        elif isinstance(event, TrialStarted):
            self.running[event.trial.number] = Running(event.trial, time.monotonic())
            self.num_at_once = max(self.num_at_once, len(self.running))  # more than slots, where they run together
        elif isinstance(event, TrialPlaced):
            self.running[event.trial.number].where = event.where
        elif isinstance(event, TrialReported):
            running = self.running[event.trial.number]
            running.step, running.metrics = event.step, event.metrics
        elif isinstance(event, TrialEnded):
            self._end(event)

    def _end(self, event: TrialEnded) -> None:
        self.running.pop(event.trial.number, None)
        if isinstance(event.outcome, Interrupted) or event.is_to_retry:
            return
        self.num_done += 1
        self.num_timed += 1
        self.timed_s += event.duration_s
        if isinstance(event.outcome, Failed):
            self.num_failed += 1
            self.last_failure = f"trial {event.trial.number}: {event.outcome.error}"
        if event.is_best and event.combination is not None and event.combination.result is not None:
            self.best = (event.combination.trial, event.combination.result)
        elif event.is_best and event.result is not None:
            self.best = (event.trial, event.result)

    @property
    def elapsed_s(self) -> float:
        """Seconds since this session began."""
        return time.monotonic() - self.begun_at

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, if the trials to come take what those of this session took; None if unknown."""
        if self.size is None or not self.num_timed:
            return None
        mean_s = self.timed_s / self.num_timed
        now = time.monotonic()
        running_s = sum(max(0.0, mean_s - (now - running.started_at)) for running in self.running.values())
        waiting = self.size - self.num_done - len(self.running)
        return (waiting * mean_s + running_s) / self.num_at_once

    @property
    def has_few(self) -> bool:
        """Whether a line per trial can be read."""
        return self.size is not None and self.size <= FEW_TRIALS

    def summarise(self) -> str:
        """`7 of 12 trials done, 1 failed, about 3:07 left, best ndcg@10 0.1363 (trial 3)`"""
        done = count_trials(self.num_done) if self.size is None else f"{self.num_done} of {count_trials(self.size)}"
        parts = [f"{done} done"]
        if self.num_failed:
            parts.append(f"{self.num_failed} failed")
        if self.left_s is not None and self.num_done != self.size:
            parts.append(f"about {format_seconds(self.left_s)} left")
        if self.best is not None:
            parts.append(f"best {format_score(self.best[1])} ({name_trials(self.best[0].number, self.repeats)})")
        return ", ".join(parts)


def tell(event: Event, progress: Progress) -> str | None:
    """The line about an event, None if it is not worth one."""
    if isinstance(event, Noted):
        return f"warning: {event.text}" if event.is_warning else event.text
    if isinstance(event, SweepStarted):
        size = "trials without end" if event.size is None else count_trials(event.size)
        size += f" by {event.algo}" * (event.algo != "grid") + f" ({event.repeats} repeats each)" * (event.repeats > 1)
        threads = f"{event.threads} {'thread' if event.threads == 1 else 'threads'} each"
        batches = f" {'batch' if event.num_slots == 1 else 'batches'} of up to {event.batch_size}"
        at_once = f"{event.num_slots}{batches if event.batch_size > 1 else ''} at once"
        return f"sweep: {size}, {progress.num_done} done, {at_once}, {threads}, {event.score}"
    if not isinstance(event, TrialEnded) or isinstance(event.outcome, Interrupted):
        return None
    attempt = f" (attempt {event.trial.attempt})" if event.trial.attempt > 1 else ""
    head = f"[{progress.num_done}/{progress.size}] trial {event.trial.number}{attempt}"
    duration, params = format_seconds(event.duration_s), format_params(event.trial.params)
    mark = _tell_combination(event) + ("  (best so far)" if event.is_best else "")
    if isinstance(event.outcome, Finished) and event.result is not None:
        return f"{head}: {format_score(event.result)} in {duration}, {params}{mark}"
    if isinstance(event.outcome, Failed):
        again = ", will be tried again" if event.is_to_retry else ""
        return f"{head}: failed after {duration}{again}, {params}: {event.outcome.error}{mark}"
    if isinstance(event.outcome, Pruned):
        reason = f": {event.outcome.reason}" if event.outcome.reason else ""
        return f"{head}: pruned at step {event.outcome.step} after {duration}, {params}{reason}"
    return f"{head}: finished after {duration}, {params}"


def _tell_combination(event: TrialEnded) -> str:
    """The mean of a combination, with the last of its repeats."""
    whole = event.combination
    if whole is None or whole.result is None:
        return ""
    return f"; mean {format_score(whole.result, whole.spread)}"
