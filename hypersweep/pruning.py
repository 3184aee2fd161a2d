"""Which running trials are stopped early, by what they and others have reported.

A decision is made at a report, at once, by what is known then: no trial ever waits for another. It is a function of the
recorded reports, so a resume reads them and goes on.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from hypersweep.errors import SearchError, did_you_mean

MIN_COMPARED = 5  # trials that `median` wants to see at a step


class Curves:
    """The scores that trials have reported, by step; bigger is better here, and NaN worse than anything.

    What counts of a trial at a step is its best score so far, as it does at its end. A trial is there at each step that
    it has reached; one that has finished before is there as well, with its best.
    """

    def __init__(self, group_of: Callable[[int], int]) -> None:
        """Trials are compared with those of their group."""
        self.group_of = group_of
        self.scores: dict[int, dict[int, float]] = {}
        self.steps: dict[int, list[int]] = {}  # of the scores, ascending
        self.bests: dict[int, list[float]] = {}  # the best score up to each of the steps
        self.finished: set[int] = set()
        self.levels: dict[tuple[int, int], array[float]] = {}  # of group and step, ascending

    def add(self, number: int, step: int, score: float) -> None:
        """A report; the last one of a step counts."""
        scores = self.scores.setdefault(number, {})
        scores[step] = -math.inf if math.isnan(score) else score
        steps, bests = self.steps.setdefault(number, []), self.bests.setdefault(number, [])
        last = steps[-1] if steps else -math.inf
        if step <= last or number in self.finished:  # whatever for; seldom
            self.steps[number] = sorted(scores)
            self.bests[number] = list(accumulate((scores[step] for step in self.steps[number]), max))
            self.levels.clear()
            return
        steps.append(step)
        bests.append(max(scores[step], bests[-1]) if bests else scores[step])
        self._enter_levels(number, last, step)

    def finish(self, number: int) -> None:
        """The trial needs no more steps."""
        is_new = number not in self.finished
        self.finished.add(number)
        if is_new and number in self.steps:
            self._enter_levels(number, self.steps[number][-1], math.inf)

    def forget(self, number: int) -> None:
        """The trial begins anew."""
        self.finished.discard(number)
        if number in self.scores:
            del self.scores[number], self.steps[number], self.bests[number]
            self.levels.clear()

    def cut(self, number: int, step: int) -> None:
        """The trial goes on at the step: what it reported of it and of later ones is forgotten."""
        scores = self.scores.get(number, {})
        kept = {before: score for before, score in scores.items() if before < step}
        if len(kept) < len(scores):
            self.forget(number)
            for before, score in kept.items():
                self.add(number, before, score)

    def turn(self) -> None:
        """Smaller is better, and was taken for worse: all scores with the other sign."""
        reported, self.scores, self.steps, self.bests = self.scores, {}, {}, {}
        self.levels.clear()
        for number, scores in reported.items():
            for step, score in scores.items():
                self.add(number, step, math.nan if score == -math.inf else -score)

    def value(self, number: int, step: int) -> float | None:
        """What counts of the trial at the step; None if it is not there."""
        position = bisect_left(self.steps[number], step)
        if position < len(self.steps[number]):
            return self.bests[number][position]
        return self.bests[number][-1] if number in self.finished else None

    def level(self, number: int, step: int) -> array[float]:
        """What counts of the trials that are there at the step, ascending: of the group of trial `number`."""
        group = self.group_of(number)
        if (group, step) not in self.levels:
            values = (self.value(other, step) for other in self.steps if self.group_of(other) == group)
            self.levels[group, step] = array("d", sorted(value for value in values if value is not None))
        return self.levels[group, step]

    def _enter_levels(self, number: int, after: float, until: float) -> None:
        """The trial has come to the steps after one and until another."""
        group, best = self.group_of(number), self.bests[number][-1]
        for (other, step), level in self.levels.items():
            if other == group and after < step <= until:
                insort(level, best)


class Pruner(Protocol):
    """Decides by the curves, and by nothing else. Called by the loop, in the controller, at each report."""

    def group_of(self, number: int) -> int:
        """Which trials a trial is compared with: those of the same group."""
        ...

    def decide(self, curves: Curves, number: int) -> str | None:
        """Why the trial, which has just reported, is to stop; None: it goes on."""
        ...


@dataclass(frozen=True)
class MedianPruner:
    """Stops a trial whose best score so far is worse than the median of all trials' at that step.

    The median stopping rule of Golovin et al., "Google Vizier", KDD 2017, section 3.2, with the trials' best scores in
    the place of their running averages, and with those that still run or were stopped as well as the completed ones.
    """

    min_steps: int

    def group_of(self, number: int) -> int:
        return 0

    def decide(self, curves: Curves, number: int) -> str | None:
        step = curves.steps[number][-1]
        level = curves.level(number, step)
        if step < self.min_steps or len(level) <= MIN_COMPARED:
            return None
        if curves.bests[number][-1] >= statistics.median(level):
            return None
        return f"below the median of {len(level)} trials"


@dataclass(frozen=True)
class HalvingPruner:
    """Successive halving without waiting: at rungs, the steps min_steps · η^k, a trial goes on if it is among the best
    1/η of those that have come there so far, or the next one after them: of n trials the best ⌊n/η⌋ + 1.

    Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2, where the best ⌊n/η⌋ go
    on, and those that do not are kept for later. Here they are stopped for good, so that one more goes on: without it
    the best of all is too often stopped for a better start of others (`benchmarks/RESULTS.md`).

    With brackets it is Hyperband (Li et al., JMLR 18, 2018): a trial of bracket b is compared within its bracket, from
    the rung min_steps · η^b on, so that some trials are given time. Each bracket is drawn η times as rarely as the one
    below it, by the trial's number.
    """

    min_steps: int
    reduction_factor: int
    has_brackets: bool = False

    def group_of(self, number: int) -> int:
        bracket = 0
        if self.has_brackets:
            digest = hashlib.blake2b(str(number).encode(), digest_size=8).digest()
            drawn = int.from_bytes(digest, "big") / 2**64
            while drawn * self.reduction_factor ** (bracket + 1) < 1:
                bracket += 1
        return bracket

    def decide(self, curves: Curves, number: int) -> str | None:
        rung = self._find_rung(curves.steps[number], self.group_of(number))
        if rung is None:
            return None
        level = curves.level(number, rung)
        num_better = len(level) - bisect_right(level, curves.bests[number][-1])
        num_promoted = len(level) // self.reduction_factor + 1
        if num_better < num_promoted:
            return None
        return f"{num_better} of {len(level)} trials were better at step {rung}, where {num_promoted} go on"

    def _find_rung(self, steps: list[int], bracket: int) -> int | None:
        """The last rung that the last of the steps has reached; None if that was reached before."""
        rung, found = self.min_steps * self.reduction_factor**bracket, None
        while rung <= steps[-1]:
            rung, found = rung * self.reduction_factor, rung
        is_new = found is not None and (len(steps) == 1 or steps[-2] < found)
        return found if is_new else None


PRUNERS: Mapping[str, Callable[[int, int], Pruner]] = {
    "median": lambda min_steps, reduction_factor: MedianPruner(min_steps),
    "asha": HalvingPruner,
    "hyperband": lambda min_steps, reduction_factor: HalvingPruner(min_steps, reduction_factor, has_brackets=True),
}


def make_pruner(name: str, *, min_steps: int, reduction_factor: int) -> Pruner:
    """The pruner of that name. Raises `SearchError` for values that cannot be."""
    if name not in PRUNERS:
        hint = did_you_mean(name, PRUNERS)
        raise SearchError(
            f"--prune: unknown, got {name!r}; expected one of {', '.join(PRUNERS)}, none.{hint} Choose one"
        )
    if min_steps < 1:
        raise SearchError(f"--min-steps: got {min_steps}; expected at least 1. Give a positive number")
    if reduction_factor < 2:
        raise SearchError(f"--reduction-factor: got {reduction_factor}; expected at least 2. Give a larger one")
    return PRUNERS[name](min_steps, reduction_factor)
