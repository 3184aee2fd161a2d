"""The loop of a sweep: the only place that joins search, pool, store and log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from hypersweep.errors import ResultLogError, SelectionError
from hypersweep.events import Noted, OnEvent, SweepStarted, TrialEnded, TrialPlaced, TrialReported, TrialStarted
from hypersweep.interrupt import InterruptGuard
from hypersweep.pool import Ended, Placed, Pool, PoolEvent, Reported
from hypersweep.resultfile import ResultFile
from hypersweep.search import Searcher
from hypersweep.selection import Objective, find_score_name, is_better
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Interrupted, Outcome, Result, Trial, seed_of

POLL_S = 0.2  # how soon a signal is noticed
STOP_GRACE_S = 5.0
REPORT_INTERVAL_S = 1.0  # intermediate results are committed together


class Loop:
    """Hands out trials until all are done, or an interrupt; everything it tells of is committed before.

    `run` returns whether the sweep was interrupted. Raises `SelectionError` when the first results leave open which
    of their metrics is the score; they are kept.
    """

    def __init__(
        self,
        *,
        store: Store,
        study: Study,
        searcher: Searcher,
        pool: Pool,
        objective: Objective,
        seed: int,
        threads: int,
        on_event: OnEvent,
    ) -> None:
        self.store = store
        self.study = study
        self.searcher = searcher
        self.pool = pool
        self.objective = objective
        self.seed = seed
        self.threads = threads
        self.on_event = on_event
        self.result_file = ResultFile(study)
        self.running: dict[int, tuple[Trial, float]] = {}
        self.again: deque[Trial] = deque()
        self.new_numbers: Iterator[int] = iter(())
        self.reports: list[Reported] = []
        self.reports_due_at = 0.0
        self.best: Result | None = None
        self.num_judged = 0
        self.selection_error: SelectionError | None = None
        self.log_problem = ""

    def run(self) -> bool:
        self._take_stock()
        with InterruptGuard(on_signal=self.pool.interrupt) as interrupt:
            try:
                for _ in range(self.pool.num_slots):
                    self._start_next()
                while self.running and not interrupt.is_requested and self.selection_error is None:
                    for event in self.pool.wait(POLL_S):
                        self._handle(event, may_start=not interrupt.is_requested and self.selection_error is None)
                    self._commit_reports_if_due()
                    self._renew_log_if_due()
                for event in self.pool.stop(STOP_GRACE_S) if self.running else []:
                    self._handle(event, may_start=False)
            finally:
                self.pool.close()
                self._commit_reports()
                self.result_file.renew()
        if self.selection_error is not None:
            raise self.selection_error
        return interrupt.is_requested

    def _take_stock(self) -> None:
        """Find what is left to do: interrupted trials first, then the numbers that were never started."""
        self.again.extend(recorded.trial for recorded in self.study.trials("interrupted"))
        self.new_numbers = self._find_new_numbers()
        best = self.study.best()
        self.best = best.result if best else None
        self.num_judged = self.study.counts()["finished"] or 0
        self.on_event(
            SweepStarted(
                size=self.searcher.size,
                counts=self.study.counts(),
                best=(best.trial, best.result) if best and best.result else None,
                num_slots=self.pool.num_slots,
                threads=self.threads,
                score=self.objective.describe(),
            )
        )

    def _find_new_numbers(self) -> Iterator[int]:
        number = 0
        # All at once: a query that is read bit by bit holds back what the study sees meanwhile.
        for start, end in list(self.study.recorded_ranges()):
            yield from range(number, start)
            number = end
        while self.searcher.size is None or number < self.searcher.size:
            yield number
            number += 1

    def _next_trial(self) -> Trial | None:
        if self.again:
            return self.again.popleft()
        number = next(self.new_numbers, None)
        params = None if number is None else self.searcher.suggest(number)
        if number is None or params is None:
            return None
        return Trial(number=number, params=params, seed=seed_of(params, self.seed))

    def _start_next(self) -> None:
        trial = self._next_trial()
        if trial is not None:
            now = time.time()
            with self.store.transaction():
                self.store.start(trial, now)
            self._hand_out(trial, now)

    def _hand_out(self, trial: Trial, now: float) -> None:
        self.running[trial.number] = (trial, now)
        self.on_event(TrialStarted(trial))
        self.pool.submit([trial])

    def _handle(self, event: PoolEvent, *, may_start: bool) -> None:
        if isinstance(event, Placed):
            self.on_event(TrialPlaced(self.running[event.number][0], event.where))
        elif isinstance(event, Reported):
            self.reports.append(event)
            self.on_event(TrialReported(self.running[event.number][0], event.step, event.metrics))
        else:
            self._end(event, may_start=may_start)

    def _end(self, ended: Ended, *, may_start: bool) -> None:
        """Commit the end of a trial, together with the start of the one that follows it in its slot."""
        trial, started_at = self.running.pop(ended.number)
        if isinstance(ended.outcome, Interrupted):
            self.again.append(trial)
        outcome, judged = self._judge(ended.outcome)
        following = self._next_trial() if may_start and self.selection_error is None else None
        now = time.time()
        with self.store.transaction():
            self.store.end(trial.number, outcome, judged.score if judged else None, now)
            if following is not None:
                self.store.start(following, now)
        is_best = judged is not None and is_better(judged, self.best)
        if is_best:
            self.best = judged
        if isinstance(outcome, Finished):
            self.result_file.note_finish()
        self.on_event(TrialEnded(trial, outcome, judged, is_best, now - started_at))
        if following is not None:
            self._hand_out(following, now)

    def _judge(self, outcome: Outcome) -> tuple[Outcome, Result | None]:
        """The result with the score that counts. A result that leaves open which of its metrics that is ends the sweep
        and is kept (`resume --metric` goes on), as is a first one that lacks the metric; a later one has failed."""
        if not isinstance(outcome, Finished):
            return outcome, None
        try:
            judged = self.objective.judge(outcome.result)
        except SelectionError as error:
            is_unchosen = self.objective.metric is None and len(outcome.result.valid) > 1
            if self.num_judged and not is_unchosen:
                return Failed(f"the score is missing: {error}"), None
            self.selection_error = error
            return outcome, None
        if self.num_judged == 0 and self.objective.is_left_open(judged):
            self.on_event(Noted(f"score: {tell_direction(judged)}"))
        self.num_judged += 1
        return outcome, judged

    def _renew_log_if_due(self) -> None:
        """A log that cannot be written now stops no trial: the store has everything, and the end renews it again."""
        try:
            self.result_file.renew_if_due()
        except ResultLogError as error:
            if str(error) != self.log_problem:
                self.log_problem = str(error)
                self.on_event(Noted(self.log_problem, is_warning=True))

    def _commit_reports_if_due(self) -> None:
        if self.reports and time.monotonic() >= self.reports_due_at:
            self._commit_reports()

    def _commit_reports(self) -> None:
        reports, self.reports = self.reports, []
        if reports:
            with self.store.transaction():
                self.store.report((report.number, report.step, report.metrics) for report in reports)
        self.reports_due_at = time.monotonic() + REPORT_INTERVAL_S


def tell_direction(judged: Result) -> str:
    """`ndcg@10, bigger is better`, for a score that nobody has named."""
    return f"{find_score_name(judged) or 'the runner’s own'}, {'bigger' if judged.bigger else 'smaller'} is better"
