"""What happens in a sweep, as told through the one `on_event` callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hypersweep.recorded import RecordedTrial
from hypersweep.trial import Outcome, Result, Trial


@dataclass(frozen=True)
class Noted:
    """Something the user should know; `is_warning` where it may not be what was meant."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class SweepStarted:
    """The loop begins: `size` trials in all, `repeats` of each point, which `algo` chooses; `counts` as `Study.counts`
    gives them, `score` in words, `best` so far (of a combination its first trial and the means), up to `batch_size`
    trials together in each of the slots."""

    size: int | None
    algo: str
    counts: Mapping[str, int | None]
    best: tuple[Trial, Result] | None
    num_slots: int
    threads: int
    score: str
    batch_size: int = 1
    repeats: int = 1


@dataclass(frozen=True)
class TrialStarted:
    """A trial was committed as started and handed to the pool."""

    trial: Trial


@dataclass(frozen=True)
class TrialPlaced:
    """A trial has begun on what `where` says, in words: a device, or a machine of a cluster."""

    trial: Trial
    where: str


@dataclass(frozen=True)
class TrialReported:
    """A running trial told an intermediate result; `metrics` are without test metrics, which are sealed."""

    trial: Trial
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrialEnded:
    """The end of a trial was committed. `result` has the score that counts; None unless finished. Test metrics are
    sealed until the sweep has ended: they are in neither. `is_to_retry`: it has failed, and will be tried again.
    `combination`: with `--repeats`, when this was the last of them to end, all as one (see `recorded.RecordedTrial`),
    which is then what `is_best` is said of."""

    trial: Trial
    outcome: Outcome
    result: Result | None
    is_best: bool
    duration_s: float
    is_to_retry: bool = False
    combination: RecordedTrial | None = None


Event = Noted | SweepStarted | TrialStarted | TrialPlaced | TrialReported | TrialEnded
OnEvent = Callable[[Event], None]
