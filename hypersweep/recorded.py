"""A trial as the store has it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hypersweep.errors import SelectionError
from hypersweep.repeats import Spread
from hypersweep.selection import Objective, seal
from hypersweep.space import Value
from hypersweep.trial import Result, Trial, is_storable, params_from_json

COLUMNS = "number, params, seed, repeat, attempt, result, error, step, asked_at, started_at, ended_at"

# The columns of rows that are no parameters.
TAKEN = {
    *("number", "state", "score", "attempt", "seed", "duration_s", "error"),
    *("combination", "repeat", "mean", "std", "repeats"),  # of sweeps with repeats
}


@dataclass(frozen=True)
class RecordedTrial:
    """A trial as the store has it. `result` has the score that counts in the sweep (None: not chosen yet), times are
    Unix times (`asked_at`: when its params were chosen), `step` is the last one reported. Test metrics are there once
    the sweep has ended.

    A combination with repeats is its first trial with the mean result, from the first start to the last end, and the
    `spread` of the results; None for all others.
    """

    trial: Trial
    state: str
    result: Result | None
    error: str | None
    step: int | None
    asked_at: float
    started_at: float | None
    ended_at: float | None
    spread: Spread | None = None

    @property
    def duration_s(self) -> float | None:
        """How long the last attempt took; None while it runs, or if it was not run here."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


def read_trial(objective: Objective, is_sealed: bool, *row: Any) -> RecordedTrial:
    """The trial of a row: its state, then `COLUMNS`; without its test metrics if they are sealed."""
    state, number, params, seed, repeat, attempt, result, error, *step_and_times = row
    trial = Trial(number, params_from_json(json.loads(params)), seed, repeat, attempt)
    judged = None
    if result is not None:
        raw = Result.from_json(result)
        try:
            judged = objective.judge(raw)
        except SelectionError:  # not chosen yet: the sweep waits for `resume --metric`
            judged = replace(raw, score=None)
        judged = seal(judged) if is_sealed else judged
    return RecordedTrial(trial, state, judged, error, *step_and_times)


def _needs_text(value: Value | None) -> bool:
    return isinstance(value, tuple) or (type(value) is int and not is_storable(value))


def as_row(recorded: RecordedTrial, names: Iterable[str]) -> dict[str, Any]:
    """A trial as flat columns, those of the parameters by `names`: None for one that it does not have. Tuples and
    whole numbers of more than 64 bits stand as their text. A parameter that bears the name of another column stands as
    `param NAME`."""
    result = recorded.result
    values = {f"param {name}" if name in TAKEN else name: recorded.trial.params.get(name) for name in names}
    params = {name: str(value) if _needs_text(value) else value for name, value in values.items()}
    return {
        "number": recorded.trial.number,
        "state": recorded.state,
        **params,
        "score": result.score if result else None,
        **({f"valid {name}": value for name, value in result.valid.items()} if result else {}),
        **({f"test {name}": value for name, value in result.test.items()} if result else {}),
        "attempt": recorded.trial.attempt,
        "seed": recorded.trial.seed,
        "duration_s": recorded.duration_s,
        "error": recorded.error,
    }
