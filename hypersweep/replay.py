"""What a searcher that learns is told of the recorded trials when a sweep goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, cast

from hypersweep.recorded import RecordedTrial
from hypersweep.search import Observation
from hypersweep.selection import loss_of
from hypersweep.study import Study
from hypersweep.trial import Result, Trial

FinalState = Literal["finished", "failed", "pruned"]


def observe_end(trial: Trial, state: FinalState, judged: Result | None) -> Observation:
    """What to tell of a trial that has ended for good; `judged` is there if it has finished."""
    return Observation(trial.number, trial.params, state, None if judged is None else loss_of(judged))


def replay(study: Study, has_attempts_left: Callable[[Trial], bool]) -> Iterator[Observation]:
    """All over again, in the order in which it happened: the trials as they were asked for, each after those that had
    ended by then. A trial that will run again is one that still runs."""
    recorded = list(study.trials())
    ended = [each for each in recorded if not _will_run(each, has_attempts_left)]
    ends = deque(sorted(ended, key=lambda each: (each.ended_at, each.trial.number)))
    for each in recorded:
        while ends and ends[0].trial.number < each.trial.number and (ends[0].ended_at or 0.0) <= each.asked_at:
            yield _observe(ends.popleft())
        yield Observation(each.trial.number, each.trial.params)
    yield from map(_observe, ends)


def _will_run(recorded: RecordedTrial, has_attempts_left: Callable[[Trial], bool]) -> bool:
    if recorded.state == "failed":
        return has_attempts_left(recorded.trial)
    return recorded.state in ("running", "interrupted")


def _observe(ended: RecordedTrial) -> Observation:
    return observe_end(ended.trial, cast(FinalState, ended.state), ended.result)
