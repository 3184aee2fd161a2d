"""Watches what running trials report and says which are to stop early, and why."""

from __future__ import annotations

from collections.abc import Mapping

from hypersweep.events import Noted, OnEvent
from hypersweep.pool import Reported
from hypersweep.pruning import Curves, Pruner
from hypersweep.selection import Objective, find_metric, find_score_name, without_test
from hypersweep.study import Study
from hypersweep.supervision import Supervision
from hypersweep.trial import Finished, Outcome, Pruned, Result, Trial


class Watcher:
    """The curves of a sweep and the pruner that decides by them; what was recorded is read when it is made.

    The score of a report is that of the sweep: `--metric`, else `valid_metric`, which the runner goes by, else its only
    metric. Its direction is that of the results, before the first `--mode`'s, else that of its name.
    """

    def __init__(
        self,
        pruner: Pruner,
        name: str,
        study: Study,
        objective: Objective,
        valid_metric: str | None,
        on_event: OnEvent,
    ) -> None:
        """`name` is the pruner's, for what is told."""
        self.pruner = pruner
        self.name = name
        self.curves = Curves(self.pruner.group_of)
        self.metric = objective.metric or valid_metric
        self.mode = objective.mode
        self.on_event = on_event
        self.reasons: dict[int, str] = {}  # of those that were told to stop
        self.attempts: dict[int, int] = {}
        self.going_on: set[int] = set()  # since they were interrupted, and have not reported yet
        self.scores: dict[int, str] = {}  # of the last reports, in words
        self.score_name: str | None = None  # the metric of the reports that the curves are of
        self.is_bigger = True
        self.unused: set[str] = set()  # metrics of reports without the score
        self.has_warned = False
        best = study.best()
        self.first_result = best.result if best else None
        self._read(study)

    def _read(self, study: Study) -> None:
        states = {}
        for recorded in study.trials():
            states[recorded.trial.number] = recorded.state
            self.attempts[recorded.trial.number] = recorded.trial.attempt
        for number, step, metrics in study.reports(is_sealed=False):
            self._add(number, step, metrics)
        for number, state in states.items():
            if state == "finished":
                self.curves.finish(number)
        for number, state in states.items():
            if state == "interrupted" and number in self.scores:
                self._decide(number)

    def note_start(self, trial: Trial) -> None:
        """A trial begins, goes on since it was interrupted, or is tried again from its beginning."""
        if self.attempts.get(trial.number) == trial.attempt:
            self.going_on.add(trial.number)
        else:
            self.curves.forget(trial.number)
            self.reasons.pop(trial.number, None)
        self.attempts[trial.number] = trial.attempt

    def decide(self, reported: Reported) -> bool:
        """Whether the trial is to be told to stop after this report.

        Raises `SelectionError` if it cannot be said which of the metrics is the score.
        """
        number = reported.number
        is_going_on = number in self.going_on
        if is_going_on:
            self.curves.cut(number, reported.step)
        if not self._add(number, reported.step, reported.metrics):
            return False
        self.going_on.discard(number)
        if number in self.reasons:
            return is_going_on  # it was interrupted before it heard of it
        self._decide(number)
        return number in self.reasons

    def _decide(self, number: int) -> None:
        reason = self.pruner.decide(self.curves, number)
        if reason is not None:
            self.reasons[number] = f"{self.name}: {self.scores[number]}; {reason}"

    def note_end(self, number: int, outcome: Outcome, judged: Result | None) -> Outcome:
        """The outcome, with the reason if the trial was told to stop."""
        if isinstance(outcome, Pruned):
            return Pruned(outcome.step, self.reasons.get(number, outcome.reason))
        if isinstance(outcome, Finished):
            self.curves.finish(number)
            if self.score_name is None:
                self._warn_of_blindness()
            elif judged is not None:
                self._turn_by(judged)
        return outcome

    def _add(self, number: int, step: int, metrics: Mapping[str, float]) -> bool:
        """Enter a report; gives whether it has the score. Test metrics decide nothing: where there is nothing else,
        `judge` refuses them."""
        metrics = without_test(metrics) or metrics
        if self.metric is not None and find_metric(metrics, self.metric) is None:
            self.unused.update(metrics)
            return False
        judged = Objective(self.metric, self.mode).judge(Result(valid=metrics))
        assert judged.score is not None and judged.bigger is not None
        if self.score_name is None:
            self.score_name = find_metric(metrics, self.metric) if self.metric else next(iter(metrics))
            self.is_bigger = judged.bigger
            if self.first_result is not None:
                self._turn_by(self.first_result)
        self.curves.add(number, step, judged.score if self.is_bigger else -judged.score)
        self.scores[number] = f"{self.score_name} {judged.score:.6g} at step {step}"
        return True

    def _turn_by(self, judged: Result) -> None:
        """A result knows the direction of its score better than a name does."""
        if judged.bigger is not None and find_score_name(judged) == self.score_name and judged.bigger != self.is_bigger:
            self.is_bigger = judged.bigger
            self.curves.turn()

    def _warn_of_blindness(self) -> None:
        """Once, if trials end and nothing has been reported to decide by."""
        if not self.has_warned:
            self.has_warned = True
            got = f"reports of {', '.join(sorted(self.unused))}" if self.unused else "no report"
            expected = f"reports of {self.metric}" if self.metric else "trial.report(step, metrics)"
            text = f"--prune {self.name}: got {got}; expected {expected}. Until then nothing is stopped early"
            self.on_event(Noted(text, is_warning=True))


def open_watcher(
    supervision: Supervision, study: Study, objective: Objective, valid_metric: str | None, on_event: OnEvent
) -> Watcher | None:
    """The watcher of a sweep; None if no trial is to be stopped early."""
    pruner = supervision.make_pruner()
    if pruner is None:
        return None
    return Watcher(pruner, supervision.prune, study, objective, valid_metric, on_event)
