"""What a searcher that learns is told of the recorded trials when a sweep goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from hypersweep.combinations import IsOver
from hypersweep.recorded import RecordedTrial
from hypersweep.search import Observation
from hypersweep.selection import loss_of
from hypersweep.study import Study
from hypersweep.trial import Params, Result

FinalState = Literal["finished", "failed", "pruned"]


def observe_end(point: int, params: Params, state: FinalState, judged: Result | None) -> Observation:
    """What to tell of a point that has ended for good; `judged` is there if it has finished."""
    return Observation(point, params, state, None if judged is None else loss_of(judged))


@dataclass(frozen=True)
class Replayed:
    """A point as it was asked for, and as one trial when all of its own have ended."""

    point: int
    first: RecordedTrial
    whole: RecordedTrial | None


def replay(study: Study, is_over: IsOver) -> Iterator[Observation]:
    """All over again, in the order in which it happened: the points as they were asked for, each after those that had
    ended by then. A point still runs of which a trial is not over for good."""
    replayed = [
        Replayed(trials[0].trial.number // study.repeats, trials[0], study.combine(trials, is_over))
        for trials in study.grouped()
    ]
    ended = [(each.point, each.whole) for each in replayed if each.whole is not None]
    ends = deque(sorted(ended, key=lambda end: (end[1].ended_at, end[0])))
    for each in replayed:
        while ends and ends[0][0] < each.point and (ends[0][1].ended_at or 0.0) <= each.first.asked_at:
            yield _observe(*ends.popleft())
        yield Observation(each.point, each.first.trial.params)
    for end in ends:
        yield _observe(*end)


def _observe(point: int, ended: RecordedTrial) -> Observation:
    return observe_end(point, ended.trial.params, cast(FinalState, ended.state), ended.result)
