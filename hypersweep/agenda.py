"""Which trial a sweep runs next."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator

from hypersweep.limits import Limits
from hypersweep.replay import FinalState, observe_end, replay
from hypersweep.search import Observation, Searcher
from hypersweep.study import Study
from hypersweep.trial import Result, Trial, seed_of


class Agenda:
    """What is left to run: first the interrupted trials, then the numbers that were never started, at last the failed
    trials that are to be tried again (before new ones, where these have no end).

    It is read from the store once; from then on the loop tells what changes, which the searcher learns here.
    """

    def __init__(self, study: Study, searcher: Searcher, *, seed: int, retries: int, is_retrying_failed: bool) -> None:
        """`is_retrying_failed`: also the trials that have failed for good get new tries, 1 + `retries` of them."""
        self.searcher = searcher
        self.seed = seed
        self.retries = retries
        self.limits = Limits(study)
        self.has_end = study.size is not None
        max_trials = study.budget.max_trials
        self.num_left = None if max_trials is None else max_trials - study.num_recorded()
        self.interrupted = deque(recorded.trial for recorded in study.trials("interrupted"))
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

    def note_start(self, trial: Trial) -> None:
        """A trial has been started."""
        self.searcher.observe(Observation(trial.number, trial.params))

    def note_end(self, trial: Trial, state: FinalState, judged: Result | None) -> None:
        """A trial has ended for good; `judged` is there if it has finished."""
        self.searcher.observe(observe_end(trial, state, judged))
        self.limits.note_end(judged)

    def take_next(self) -> Trial | None:
        """The next trial, None if there is none left or a bound has been reached."""
        if self.limits.is_time_over:
            return None
        if self.interrupted:
            return self.interrupted.popleft()
        if not self.has_end and self.failed:
            return self._take_failed()
        trial = None if self.limits.has_stalled else self._find_new()
        return self._take_failed() if trial is None and self.failed else trial

    def _find_new(self) -> Trial | None:
        if self.num_left is not None and self.num_left <= 0:
            return None
        for number in self.new_numbers:
            params = self.searcher.suggest(number)
            if params is not None:
                self.num_left = None if self.num_left is None else self.num_left - 1
                return Trial(number=number, params=params, seed=seed_of(params, self.seed))
        self.has_tried_all = True
        return None

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
