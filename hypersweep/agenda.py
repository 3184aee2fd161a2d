"""Which trials a sweep runs next."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterator
from itertools import islice

from hypersweep.batching import ALONE, Batching, Waiting
from hypersweep.limits import Limits
from hypersweep.recorded import RecordedTrial
from hypersweep.replay import FinalState, observe_end, replay
from hypersweep.search import Observation, Searcher
from hypersweep.study import Study
from hypersweep.trial import Params, Result, Trial, seed_of

LOOK_AHEAD = 1024  # so many numbers are looked at for trials that run together


class Agenda:
    """What is left to run: first the interrupted trials, then those that were never started, at last the failed ones
    that are to be tried again (before new ones, where these have no end).

    Searcher and limits know points: trial `number` is a run of point `number // repeats`.

    It is read from the store once; from then on the loop tells what changes, which the searcher learns here.
    """

    def __init__(
        self,
        study: Study,
        searcher: Searcher,
        *,
        seed: int,
        retries: int,
        is_retrying_failed: bool,
        batching: Batching = ALONE,
    ) -> None:
        """`is_retrying_failed`: also the trials that have failed for good get new tries, 1 + `retries` of them.
        `batching`: which trials run together."""
        self.searcher = searcher
        self.batching = batching
        self.passed_over = Waiting(batching)  # new ones, by others that run together with an earlier one
        self.repeats = study.repeats
        self.seed = seed
        self.retries = retries
        self.limits = Limits(study)
        self.has_end = study.size is not None
        max_trials = study.budget.max_trials
        num_begun = study.num_begun()
        self.num_left = None if max_trials is None else max_trials - num_begun  # of points, as the next
        self.num_unseen = None if searcher.size is None else searcher.size - num_begun
        self.interrupted = Waiting(batching, (recorded.trial for recorded in study.trials("interrupted")))
        # All at once: a query that is read bit by bit holds back what the study sees meanwhile.
        ranges = list(study.recorded_ranges())
        self.new_points = _gaps([_to_points(each, self.repeats) for each in ranges], searcher.size)
        self.to_repeat = deque(self._find_missing(study, ranges))  # further repeats of points that were drawn
        self.begun = {trial.number // self.repeats for trial in self.to_repeat}  # points, if there are repeats
        self.has_tried_all = False  # there is no point that was never started
        self.last_attempts: dict[int, int] = {}  # of the trials whose tries are counted anew
        if is_retrying_failed:
            anew = (recorded.trial for recorded in study.trials("failed"))
            self.last_attempts = {trial.number: trial.attempt + 1 + retries for trial in anew}
        failed = (recorded.trial for recorded in study.trials("failed"))
        self.failed = deque(filter(self.has_attempts_left, failed))
        if searcher.is_adaptive:
            for observation in replay(study, self.is_over):
                searcher.observe(observation)

    def has_attempts_left(self, failed: Trial) -> bool:
        """Whether a trial that has failed is to be tried again."""
        return failed.attempt < self.last_attempts.get(failed.number, 1 + self.retries)

    def is_over(self, recorded: RecordedTrial) -> bool:
        """Whether a trial as it is recorded has ended for good."""
        if recorded.state == "failed":
            return not self.has_attempts_left(recorded.trial)
        return recorded.state in ("finished", "pruned")

    def put_back(self, interrupted: Trial) -> None:
        """A trial whose place to run was lost goes on before anything else."""
        self.interrupted.append(interrupted)

    def put_off(self, failed: Trial) -> None:
        """A failed trial is tried again after the others."""
        self.failed.append(failed)

    def note_end(self, trial: Trial, state: FinalState, judged: Result | None) -> None:
        """The point of a trial has ended for good; `judged` is there if it has finished."""
        if self.searcher.is_adaptive:
            self.searcher.observe(observe_end(trial.number // self.repeats, trial.params, state, judged))
        self.limits.note_end(judged)

    def take_batch(self, num_free_slots: int = 1) -> list[Trial]:
        """The next trial, with those that run together with it; empty if there is none left or a bound has been
        reached. What is left is shared among the free slots."""
        first = self._take_next()
        if first is None:
            return []
        batch = [first]
        self._note_start(first)
        key = self.batching.key_of(first)
        if key is not None:
            for trial in self._find_alike(key, self._share(num_free_slots) - 1):
                batch.append(trial)
                self._note_start(trial)
        return batch

    def _share(self, num_free_slots: int) -> int:
        """How many trials one of the free slots gets."""
        if self.num_unseen is None:
            return self.batching.size
        num_unseen = self.num_unseen if self.num_left is None else min(self.num_left, self.num_unseen)
        num_new = len(self.passed_over) + len(self.to_repeat) + num_unseen * self.repeats
        num_left = 1 + len(self.interrupted) + num_new
        return min(self.batching.size, math.ceil(num_left / num_free_slots))

    def _find_alike(self, key: str, most: int) -> Iterator[Trial]:
        """Trials that run together with one of the key: interrupted ones, then new ones, for which it looks ahead."""
        for trials in (self.interrupted, self.passed_over):
            if trials is self.interrupted or not self.limits.has_stalled:
                alike = trials.take_alike(key, most)
                most -= len(alike)
                yield from alike
        if most == 0 or self.limits.has_stalled:
            return
        for trial in self._draw(max(0, LOOK_AHEAD - len(self.passed_over))):
            if self.batching.key_of(trial) != key:
                self.passed_over.append(trial)
                continue
            most -= 1
            yield trial
            if most == 0:
                return

    def _note_start(self, trial: Trial) -> None:
        if self.repeats > 1:
            self.begun.add(trial.number // self.repeats)
        if self.searcher.is_adaptive:
            self.searcher.observe(Observation(trial.number // self.repeats, trial.params))

    def _take_next(self) -> Trial | None:
        if self.limits.is_time_over:
            return None
        if self.interrupted:
            return self.interrupted.take_first()
        if not self.has_end and self.failed:
            return self._take_failed()
        trial = self._find_begun() if self.limits.has_stalled else self._find_new()
        return self._take_failed() if trial is None and self.failed else trial

    def _find_new(self) -> Trial | None:
        if self.passed_over:
            return self.passed_over.take_first()
        trial = next(self._draw(), None)
        self.has_tried_all = trial is None and self._may_draw
        return trial

    def _find_begun(self) -> Trial | None:
        """Where no new point is begun any more: a further repeat of one that was."""
        while self.to_repeat:
            self.passed_over.append(self.to_repeat.popleft())
        return self.passed_over.take_if(lambda trial: trial.number // self.repeats in self.begun)

    @property
    def _may_draw(self) -> bool:
        """Whether the budget of trials is not spent."""
        return self.num_left is None or self.num_left > 0

    def _draw(self, most_points: int | None = None) -> Iterator[Trial]:
        """New trials, each once and in the order of their numbers, but that points which were begun come first; of at
        most so many points that were not."""
        points = islice(self.new_points, most_points)
        while True:
            while self.to_repeat:
                yield self.to_repeat.popleft()
            point = next(points, None) if self._may_draw else None
            if point is None:
                return
            self.num_unseen = None if self.num_unseen is None else self.num_unseen - 1
            params = self.searcher.suggest(point)
            if params is not None:
                self.num_left = None if self.num_left is None else self.num_left - 1
                if self.repeats > 1:
                    self.to_repeat.extend(self._make_trial(point, params, repeat) for repeat in range(1, self.repeats))
                yield self._make_trial(point, params, 0)

    def _make_trial(self, point: int, params: Params, repeat: int) -> Trial:
        return Trial(point * self.repeats + repeat, params, seed_of(params, self.seed) + repeat, repeat)

    def _find_missing(self, study: Study, ranges: list[tuple[int, int]]) -> Iterator[Trial]:
        """The trials that were never started of points that were begun."""
        if self.repeats == 1:
            return
        for point in dict.fromkeys(number // self.repeats for each in ranges for number in (each[0], each[1] - 1)):
            recorded = {each.trial.number: each.trial for each in study.repeats_of(point)}
            params = next(iter(recorded.values())).params
            trials = (self._make_trial(point, params, repeat) for repeat in range(self.repeats))
            yield from (trial for trial in trials if trial.number not in recorded)

    def _take_failed(self) -> Trial:
        failed = self.failed.popleft()
        return dataclasses.replace(failed, attempt=failed.attempt + 1)


def _to_points(numbers: tuple[int, int], repeats: int) -> tuple[int, int]:
    """The points of a range of trials, first and one past the last, as such a range."""
    start, end = numbers
    return start // repeats, (end - 1) // repeats + 1


def _gaps(ranges: list[tuple[int, int]], size: int | None) -> Iterator[int]:
    """The numbers below `size` (None: without end) that lie in none of the ranges (first, one past the last)."""
    number = 0
    for start, end in ranges:
        yield from range(number, start)
        number = end
    while size is None or number < size:
        yield number
        number += 1
