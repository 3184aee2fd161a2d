"""What a sweep that was killed may have cost: which executions the kills explain, and which they do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hyper_tests.crash.traced import Execution


@dataclass(frozen=True)
class Kill:
    """A kill that has happened, and what it may have cost: `most` executions.

    What ran at line `low` of the trace, or began until another server had loaded after line `dead_at`, may be broken;
    of a trial's own process only the execution in it: `victim`.
    """

    low: int
    dead_at: int
    most: int
    victim: int | None = None

    def may_have_broken(self, execution: Execution, following: Execution, loads: Sequence[int]) -> bool:
        """Whether the execution, which the trial's next one follows, can have been broken by this kill. `loads` are
        the lines at which servers had loaded."""
        if self.victim is not None:
            return execution.pid == self.victim
        next_load = next((line for line in loads if line >= self.dead_at), None)
        return following.begun_at >= self.low and (next_load is None or execution.begun_at < next_load)


def find_unexplained(executions: Iterable[Execution], kills: Sequence[Kill], loads: Sequence[int]) -> list[str]:
    """The executions that are one too many: no kill broke the one before, or it ran on while the next one began."""
    left = [kill.most for kill in kills]
    problems = []
    last: dict[int, Execution] = {}
    for execution in executions:
        number = execution.number
        previous, last[number] = last.get(number), execution
        if previous is None:
            continue
        if previous.ended_at is not None and previous.ended_at > execution.begun_at:
            problems.append(f"trial {number} began again while it still ran")
        causes = (i for i, kill in enumerate(kills) if left[i] and kill.may_have_broken(previous, execution, loads))
        cause = next(causes, None)
        if cause is None:
            problems.append(f"trial {number} ran again though no kill had broken it")
        else:
            left[cause] -= 1
    return problems


def find_reexecuted(executions: Iterable[Execution], ended_before: Mapping[int, int]) -> list[str]:
    """The trials that were seen to have ended before that line of the trace, and began once more after it."""
    return [
        f"trial {one.number} had ended and ran again"
        for one in executions
        if one.number in ended_before and one.begun_at >= ended_before[one.number]
    ]
