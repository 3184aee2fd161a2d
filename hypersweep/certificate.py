"""The completeness certificate: what has come of the points of a sweep, and whether those are all there are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hypersweep.budget import is_bound
from hypersweep.space import count_excluded
from hypersweep.study import ENDED, Study


@dataclass(frozen=True)
class Certificate:
    """Points by what came of them; those that are to be run again are `not_run`. `partly_failed` are those of the
    finished and pruned ones of which a repeat has failed (`--repeats`).

    `points` is how many the space has: None if the search is no grid, which makes no claim to be complete, or if its
    rules were too large to be counted and not all has been tried. `not_run` is None where there is no end. `forbidden`
    is what the rules of the space do not allow, None without any, an estimate unless `is_forbidden_exact`. `reason`
    says what has kept the rest from being run.
    """

    algo: str
    points: int | None
    finished: int
    failed: int
    pruned: int
    partly_failed: int
    not_run: int | None
    forbidden: int | None
    is_forbidden_exact: bool
    max_trials: int | None
    reason: str | None

    @property
    def ended(self) -> int:
        return self.finished + self.failed + self.pruned

    @property
    def is_complete(self) -> bool | None:
        """Whether every point of the space has ended; None where that cannot be said."""
        return None if self.points is None else self.ended == self.points

    @property
    def is_as_asked(self) -> bool:
        """Whether nothing has failed, and nothing was left out but what a budget or a bound has ended."""
        return not self.failed and not self.partly_failed and (is_bound(self.reason) or not self.not_run)

    def tell(self) -> str:
        """`all 12 points of the space: 11 finished, 1 failed`, or what is missing and why."""
        states = (("finished", self.finished), ("failed", self.failed), ("pruned", self.pruned))
        parts = [f"{count} {state}" for state, count in states if count or state == "finished"]
        text = f"{self._tell_whole()}: {', '.join(parts)}"
        if self.partly_failed:
            text += f"; {self.partly_failed} of them with failed repeats"
        if self.not_run or (self.points is None and self.reason is not None):
            count = "" if self.not_run is None else f"{self.not_run} "
            text += f"; {count}not run" + (" yet" if self.reason is None else f" ({self.reason})")
        if self.forbidden is not None:
            about = "" if self.is_forbidden_exact else "about "
            text += f"; {about}{self.forbidden} more are forbidden"
        return text

    def _tell_whole(self) -> str:
        if self.points is not None:
            return f"{'all' if self.is_complete else f'{self.ended} of the'} {self.points} points of the space"
        if self.algo == "grid":
            return f"{self.ended} points of the space, whose rules are too large to be counted"
        of = "" if self.max_trials is None else f" of {self.max_trials}"
        return f"{self.ended}{of} points by {self.algo}, which tries samples of the space, not all of it"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "is_complete": self.is_complete}


def certify(study: Study) -> Certificate:
    """The certificate of a sweep as it is recorded: from counts alone, whatever the number of trials."""
    counts, space, budget = study.point_counts(), study.space, study.budget
    finished, failed, pruned = (counts[state] for state in ENDED)
    whole = study.num_points if study.algo == "grid" else budget.max_trials
    has_rules = study.algo == "grid" and bool(space.rules)
    excluded = count_excluded(space, space.rules) if has_rules else None
    not_run = None if whole is None else whole - finished - failed - pruned
    return Certificate(
        algo=study.algo,
        points=study.num_points,
        finished=finished,
        failed=failed,
        pruned=pruned,
        partly_failed=counts["partly_failed"],
        not_run=not_run,
        forbidden=excluded.num_points if excluded else None,
        is_forbidden_exact=excluded is None or excluded.is_exact,
        max_trials=budget.max_trials,
        reason=None if study.is_running or not_run == 0 else _find_reason(study),
    )


def _find_reason(study: Study) -> str | None:
    """What has kept the rest from being run."""
    if study.counts()["waiting"] == 0:
        return f"--max-trials {study.budget.max_trials}"
    return study.end_reason
