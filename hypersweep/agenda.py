"""Which trials a sweep runs next."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterator
from itertools import islice

from hypersweep.batching import Batching, Waiting
from hypersweep.limits import Limits
from hypersweep.replay import FinalState, observe_end, replay
from hypersweep.search import Observation, Searcher
from hypersweep.study import Study
from hypersweep.trial import Result, Trial, seed_of

LOOK_AHEAD = 1024  # so many numbers are looked at for trials that run together


class Agenda:
    """What is left to run: first the interrupted trials, then the numbers that were never started, at last the failed
    trials that are to be tried again (before new ones, where these have no end).

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
        batching: Batching | None = None,
    ) -> None:
        """`is_retrying_failed`: also the trials that have failed for good get new tries, 1 + `retries` of them.
        `batching`: which trials run together; None: each runs alone."""
        self.searcher = searcher
        self.batching = batching or Batching()
        self.passed_over = Waiting(self.batching)  # new ones, by others that run together with an earlier one
        self.seed = seed
        self.retries = retries
        self.limits = Limits(study)
        self.has_end = study.size is not None
        max_trials = study.budget.max_trials
        num_recorded = study.num_recorded()
        self.num_left = None if max_trials is None else max_trials - num_recorded
        self.num_unseen = None if searcher.size is None else searcher.size - num_recorded
        self.interrupted = Waiting(self.batching, (recorded.trial for recorded in study.trials("interrupted")))
        self.new_numbers = self._find_new_numbers(study)
        self.has_tried_all = False  # there is no number that was never started
        self.failed: deque[Trial] = deque()
        self.last_attempts: dict[int, int] = {}  # of the trials whose tries are counted anew
        for recorded in study.trials("failed"):
            trial = recorded.trial
            if is_retrying_failed:
                self.last_attempts[trial.number] = trial.attempt + 1 + retries
            if self.has_attempts_left(trial):
                self.failed.append(trial)
        if searcher.is_adaptive:
            for observation in replay(study, self.has_attempts_left):
                searcher.observe(observation)

    def has_attempts_left(self, failed: Trial) -> bool:
        """Whether a trial that has failed is to be tried again."""
        return failed.attempt < self.last_attempts.get(failed.number, 1 + self.retries)

    def put_back(self, interrupted: Trial) -> None:
        """A trial whose place to run was lost goes on before anything else."""
        self.interrupted.append(interrupted)

    def put_off(self, failed: Trial) -> None:
        """A failed trial is tried again after the others."""
        self.failed.append(failed)

    def note_end(self, trial: Trial, state: FinalState, judged: Result | None) -> None:
        """A trial has ended for good; `judged` is there if it has finished."""
        self.searcher.observe(observe_end(trial, state, judged))
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
        num_left = 1 + len(self.interrupted) + len(self.passed_over) + num_unseen
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
        for trial in self._draw(LOOK_AHEAD - len(self.passed_over)):
            if self.batching.key_of(trial) != key:
                self.passed_over.append(trial)
                continue
            most -= 1
            yield trial
            if most == 0:
                return

    def _note_start(self, trial: Trial) -> None:
        self.searcher.observe(Observation(trial.number, trial.params))

    def _take_next(self) -> Trial | None:
        if self.limits.is_time_over:
            return None
        if self.interrupted:
            return self.interrupted.take_first()
        if not self.has_end and self.failed:
            return self._take_failed()
        trial = None if self.limits.has_stalled else self._find_new()
        return self._take_failed() if trial is None and self.failed else trial

    def _find_new(self) -> Trial | None:
        if self.passed_over:
            return self.passed_over.take_first()
        trial = next(self._draw(), None)
        self.has_tried_all = trial is None and self._may_draw
        return trial

    @property
    def _may_draw(self) -> bool:
        """Whether the budget of trials is not spent."""
        return self.num_left is None or self.num_left > 0

    def _draw(self, most_numbers: int | None = None) -> Iterator[Trial]:
        """New trials, of at most so many numbers; in the order of their numbers, each once."""
        numbers = islice(self.new_numbers, most_numbers)
        while self._may_draw:
            number = next(numbers, None)
            if number is None:
                return
            self.num_unseen = None if self.num_unseen is None else self.num_unseen - 1
            params = self.searcher.suggest(number)
            if params is not None:
                self.num_left = None if self.num_left is None else self.num_left - 1
                yield Trial(number=number, params=params, seed=seed_of(params, self.seed))

    def _take_failed(self) -> Trial:
        failed = self.failed.popleft()
        return dataclasses.replace(failed, attempt=failed.attempt + 1)

    def _find_new_numbers(self, study: Study) -> Iterator[int]:
        # All at once: a query that is read bit by bit holds back what the study sees meanwhile.
        return _gaps(list(study.recorded_ranges()), self.searcher.size)


def _gaps(ranges: list[tuple[int, int]], size: int | None) -> Iterator[int]:
    """The numbers below `size` (None: without end) that lie in none of the ranges (first, one past the last)."""
    number = 0
    for start, end in ranges:
        yield from range(number, start)
        number = end
    while size is None or number < size:
        yield number
        number += 1
