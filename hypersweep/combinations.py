"""The combinations of a sweep with `--repeats`, from the trials that its store has of them.

Trial `number` is repeat `number % repeats` of point `number // repeats`. A combination counts once all of its repeats
have ended for good: as finished if one of them has finished and none was pruned, for that would be a mean of the better
half; as pruned if one was; else as failed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hypersweep.recorded import RecordedTrial
from hypersweep.repeats import average, mean, measure_spread

IsOver = Callable[[RecordedTrial], bool]


@dataclass(frozen=True)
class Standing:
    """What came of a combination, by the number of its point; the score is None unless it is a number."""

    point: int
    state: str
    score: float | None


def combine(
    trials: Sequence[RecordedTrial], repeats: int, decimals: int | None, is_over: IsOver
) -> RecordedTrial | None:
    """The repeats of a combination, in order, as one: its first trial, with the mean result of those that finished and
    their spread. None until all have ended for good. A trial that is not repeated is that already."""
    if len(trials) < repeats or not all(map(is_over, trials)):
        return None
    if repeats == 1:
        return trials[0]
    results = [trial.result for trial in trials if trial.state == "finished" and trial.result is not None]
    is_pruned = any(trial.state == "pruned" for trial in trials)
    return replace(
        trials[0],
        state="pruned" if is_pruned else "finished" if results else "failed",
        result=None if is_pruned or not results else average(results, decimals),
        error=next((trial.error for trial in trials if trial.error), None),
        ended_at=max(trial.ended_at or 0.0 for trial in trials),
        spread=measure_spread(results, repeats),
    )


def list_standings(connection: sqlite3.Connection, repeats: int, decimals: int | None, retries: int) -> list[Standing]:
    """All combinations that have ended, in the order of their points, from the columns of the trials alone."""

    class MeanScore:
        def __init__(self) -> None:
            self.scores: list[float | None] = []

        def step(self, score: float | None) -> None:
            self.scores.append(score)

        def finalize(self) -> float | None:
            scores = [score for score in self.scores if score is not None]
            return mean(scores, decimals) if scores and len(scores) == len(self.scores) else None

    connection.create_aggregate("mean_score", 1, MeanScore)  # type: ignore[arg-type]  # typeshed knows int only
    rows = connection.execute(
        "SELECT number / :repeats AS point, sum(state = 'pruned'), sum(state = 'finished'),"
        f" mean_score(score) FILTER (WHERE state = 'finished') {_ENDED} ORDER BY point",
        {"repeats": repeats, "retries": retries},
    )
    return [
        Standing(point, "pruned" if pruned else "finished" if finished else "failed", None if pruned else score)
        for point, pruned, finished, score in rows
    ]


def count_states(connection: sqlite3.Connection, repeats: int, retries: int) -> list[tuple[str, int, int]]:
    """(state, how many combinations have ended so, of how many of these a repeat has failed)."""
    return connection.execute(
        "SELECT came, count(*), sum(has_failed) FROM (SELECT number / :repeats AS point, CASE"
        " WHEN sum(state = 'pruned') THEN 'pruned' WHEN sum(state = 'finished') THEN 'finished' ELSE 'failed' END"
        f" AS came, sum(state = 'failed') > 0 AS has_failed {_ENDED}) GROUP BY came",
        {"repeats": repeats, "retries": retries},
    ).fetchall()


_ENDED = (
    "FROM trials NOT INDEXED GROUP BY point"
    " HAVING sum(state IN ('finished', 'pruned') OR (state = 'failed' AND attempt > :retries)) = :repeats"
)


def rank(standings: Sequence[Standing], *, is_bigger_better: bool) -> list[Standing]:
    """Those that have finished, best first, the first of equals first; those without a score that is a number last."""
    sign = -1 if is_bigger_better else 1
    finished = [one for one in standings if one.state == "finished"]
    return sorted(finished, key=lambda one: (one.score is None, sign * (one.score or 0.0), one.point))
