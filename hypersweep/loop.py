"""The loop of a sweep: the only place that joins search, pool, store and log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from hypersweep.agenda import Agenda
from hypersweep.batching import ALONE, Batching
from hypersweep.checkpoints import Checkpoints
from hypersweep.definition import Definition
from hypersweep.errors import ResultLogError, SelectionError
from hypersweep.events import Noted, OnEvent, SweepStarted, TrialEnded, TrialPlaced, TrialReported, TrialStarted
from hypersweep.interrupt import InterruptGuard
from hypersweep.pool import Ended, Placed, Pool, PoolEvent, Reported
from hypersweep.recorded import RecordedTrial
from hypersweep.replay import FinalState
from hypersweep.resultfile import ResultFile
from hypersweep.runner.contract import GRACE_S
from hypersweep.running import NewReports, RunningTrials
from hypersweep.search import Searcher
from hypersweep.selection import find_score_name, is_better, seal, seal_outcome, without_test
from hypersweep.store import Store
from hypersweep.study import Study
from hypersweep.supervision import Supervision
from hypersweep.sweeprecord import UNCHOSEN
from hypersweep.trial import Failed, Finished, Interrupted, Outcome, Result, Trial
from hypersweep.watcher import open_watcher

POLL_S = 0.2  # how soon a signal is noticed


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
        definition: Definition,
        searcher: Searcher,
        pool: Pool,
        supervision: Supervision,
        on_event: OnEvent,
        valid_metric: str | None = None,
        is_retrying_failed: bool = False,
        batching: Batching = ALONE,
    ) -> None:
        self.store = store
        self.study = study
        self.definition = definition
        self.objective = definition.objective
        self.searcher = searcher
        self.pool = pool
        self.supervision = supervision
        self.on_event = on_event
        self.is_retrying_failed = is_retrying_failed
        self.has_repeats = study.repeats > 1
        self.result_file = ResultFile(study)
        self.running = RunningTrials()
        self.reports = NewReports(store)
        self.agenda = Agenda(
            study,
            searcher,
            seed=definition.seed,
            retries=supervision.retries,
            is_retrying_failed=is_retrying_failed,
            batching=batching,
        )
        best = study.best()
        self.best: Result | None = best.result if best else None
        self.checkpoints = Checkpoints.of(study, supervision.keep)
        for failed in self.agenda.failed:
            self.checkpoints.clear(failed.number)
        self.num_judged = study.counts()["finished"] or 0
        self.watcher = open_watcher(supervision, study, self.objective, valid_metric, on_event)
        self.is_stopped = False
        self.is_limit_told = False
        self.selection_error: SelectionError | None = None
        self.log_problem = ""

    def run(self) -> bool:
        self._tell_start()
        self.pool.listen(self._take_report)
        with InterruptGuard(on_signal=self.pool.interrupt) as interrupt:
            try:
                while not interrupt.is_requested and not self.is_stopped:
                    self._fill_slots()
                    if not self.running and self.pool.num_slots:
                        break
                    for event in self.pool.wait(POLL_S):
                        self._handle(event, may_start=not interrupt.is_requested)
                    self._tell_limit()
                    self.reports.commit_if_due()
                    self._renew_log_if_due()
                for event in self.pool.stop(GRACE_S) if self.running else []:
                    self._handle(event, may_start=False)
            finally:
                self.pool.close()
                self.reports.commit()
                self.result_file.renew()
        self._record_end(was_interrupted=interrupt.is_requested)
        if self.selection_error is not None:
            raise self.selection_error
        return interrupt.is_requested

    def _record_end(self, *, was_interrupted: bool) -> None:
        """Why nothing more is run, for the certificate; and how many points there were, which rules that are too large
        to be counted let nobody know before all have been tried."""
        reason = "--on-error stop" if self.is_stopped else self.agenda.limits.option_reached
        if self.selection_error is not None:
            reason = UNCHOSEN
        elif was_interrupted:
            reason = "interrupted"
        num_points = self.study.num_begun() if self.agenda.has_tried_all else None
        with self.store.transaction():
            self.store.set_meta("ending", {"reason": reason, "num_points": num_points})

    def _tell_start(self) -> None:
        best, counts = self.study.best(), self.study.counts()
        if self.is_retrying_failed:  # all of them
            waiting, failed = counts["waiting"], counts["failed"] or 0
            counts = {**counts, "waiting": None if waiting is None else waiting + failed, "failed": 0}
        self.on_event(
            SweepStarted(
                size=self.study.size,
                algo=self.study.meta["algo"],
                counts=counts,
                best=(best.trial, best.result) if best and best.result else None,
                num_slots=self.pool.num_slots,
                threads=self.definition.threads,
                batch_size=self.agenda.batching.size,
                score=self.objective.describe(),
                repeats=self.study.repeats,
            )
        )

    def _fill_slots(self) -> None:
        """Start trials where nothing runs: at first, where a cluster has grown, and for a searcher that learns, which
        must know of every end before. Otherwise a slot's next trials are committed together with the end of the last
        one before them."""
        while (num_free := self.pool.num_slots - self.running.num_batches) > 0:
            batch = self.agenda.take_batch(num_free)
            if not batch:
                return
            now = time.time()
            with self.store.transaction():
                self._store_starts(batch, now)
            self._hand_out(batch, now)

    def _tell_limit(self) -> None:
        """Once, when a bound has been reached: why no new trial starts any more."""
        reached = self.agenda.limits.tell_reached()
        if reached is not None and not self.is_limit_told:
            self.is_limit_told = True
            self.on_event(Noted(f"no new trial starts: {reached}"))

    def _store_starts(self, batch: Sequence[Trial], now: float) -> None:
        """Within a transaction: all of a batch together."""
        for trial in batch:
            self.store.start(trial, now)

    def _hand_out(self, batch: Sequence[Trial], now: float) -> None:
        self.running.enter(batch, now)
        for trial in batch:
            self.on_event(TrialStarted(trial))
            if self.watcher is not None:
                self.watcher.note_start(trial)
        self.pool.submit(batch)

    def _handle(self, event: PoolEvent, *, may_start: bool) -> None:
        if isinstance(event, Placed):
            self.on_event(TrialPlaced(self.running[event.number], event.where))
        elif isinstance(event, Reported):
            self._take_report(event)
        else:
            self._end(event, may_start=may_start)

    def _take_report(self, reported: Reported) -> None:
        self.reports.add(reported)
        shown = without_test(reported.metrics)
        self.on_event(TrialReported(self.running[reported.number], reported.step, shown))
        try:
            if self.watcher is not None and self.watcher.decide(reported):
                self.pool.prune(reported.number)
        except SelectionError as error:
            self.selection_error = error
            self.is_stopped = True

    def _end(self, ended: Ended, *, may_start: bool) -> None:
        """Commit the end of a trial, together with the start of what follows it in its slot, unless that is still to
        be searched for, with what this one gave."""
        trial, started_at = self.running.take_out(ended.number)
        outcome, judged = self._judge(ended.outcome)
        if self.watcher is not None:
            outcome = self.watcher.note_end(trial.number, outcome, judged)
        is_to_retry = self._settle(trial, outcome)
        is_over = not is_to_retry and not isinstance(outcome, Interrupted)
        if is_over and not self.has_repeats:
            self.agenda.note_end(trial, cast(FinalState, outcome.state), judged)
        num_free = self.pool.num_slots - self.running.num_batches
        must_wait = self.searcher.is_adaptive or self.has_repeats
        may_start = may_start and not self.is_stopped and num_free > 0 and not must_wait
        following = self.agenda.take_batch(num_free) if may_start else []
        now = time.time()
        with self.store.transaction():
            self.reports.store_all()
            self.store.end(trial.number, outcome, judged.score if judged else None, now)
            self._store_starts(following, now)
        if isinstance(outcome, Finished):
            self.result_file.note_finish()
        is_best, whole = self._note_over(trial, outcome, judged) if is_over else (False, None)
        shown = None if judged is None else seal(judged)
        self.on_event(TrialEnded(trial, seal_outcome(outcome), shown, is_best, now - started_at, is_to_retry, whole))
        if following:
            self._hand_out(following, now)

    def _note_over(self, trial: Trial, outcome: Outcome, judged: Result | None) -> tuple[bool, RecordedTrial | None]:
        """What follows from a trial that has ended for good: whether it is the best so far, and with repeats, once all
        of its combination have ended, these as one: then it is the combination that counts."""
        number, whole = trial.number, None
        failed = [number] if isinstance(outcome, Failed) else []
        if self.has_repeats:
            repeats = self.study.repeats_of(number // self.study.repeats, is_sealed=True)
            whole = self.study.combine(repeats, self.agenda.is_over)
            if whole is None:
                return False, None
            number, judged = whole.trial.number, whole.result
            failed = [one.trial.number for one in repeats if one.state == "failed"]
            self.agenda.note_end(whole.trial, cast(FinalState, whole.state), judged)
        is_best = judged is not None and is_better(judged, self.best)
        if is_best:
            self.best = judged
        self.checkpoints.note_end(number, failed, is_best=is_best)
        return is_best, whole

    def _settle(self, trial: Trial, outcome: Outcome) -> bool:
        """Keep a trial that is to run again; gives whether it is one that has failed. A failure for good ends the sweep
        if that is wanted."""
        if isinstance(outcome, Interrupted):
            self.agenda.put_back(trial)
            return False
        is_failed = isinstance(outcome, Failed)
        if is_failed and self.agenda.has_attempts_left(trial):
            self.agenda.put_off(trial)
            self.checkpoints.clear(trial.number)
            return True
        if is_failed and self.supervision.on_error == "stop" and not self.is_stopped:
            self.is_stopped = True
            self.on_event(
                Noted(f"stopping: trial {trial.number} has failed for good (--on-error stop)", is_warning=True)
            )
        return False

    def _judge(self, outcome: Outcome) -> tuple[Outcome, Result | None]:
        """The result with the score that counts. A result that leaves open which of its metrics that is ends the sweep
        and is kept (`resume --metric` goes on), as is a first one that lacks the metric; a later one has failed."""
        if not isinstance(outcome, Finished):
            return outcome, None
        try:
            judged = self.objective.judge(outcome.result)
        except SelectionError as error:
            is_unchosen = self.objective.metric is None and len(without_test(outcome.result.valid)) > 1
            if self.num_judged and not is_unchosen:
                return Failed(f"the score is missing: {error}"), None
            self.selection_error = error
            self.is_stopped = True
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


def tell_direction(judged: Result) -> str:
    """`ndcg@10, bigger is better`, for a score that nobody has named."""
    return f"{find_score_name(judged) or 'the runner’s own'}, {'bigger' if judged.bigger else 'smaller'} is better"
