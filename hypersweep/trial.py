"""Trial, Result and Outcome: what is to be run, what a run gave, and how it ended. Values only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from hypersweep.space import Value, as_value

Params = Mapping[str, Value]


def is_storable(number: int) -> bool:
    """Whether the store can hold the number: its integers have 64 bits."""
    return -(2**63) <= number < 2**63


def seed_of(params: Params, sweep_seed: int) -> int:
    """The seed of a trial: the space's own parameter `seed` if it has one, else the sweep's."""
    seed = params.get("seed", sweep_seed)
    assert isinstance(seed, int), "checked before the sweep"
    return seed


@dataclass(frozen=True)
class Trial:
    """The record of one run: `number` counts from 0 in the order of a sequential sweep, `attempt` from 1."""

    number: int
    params: Params
    seed: int
    repeat: int = 0
    attempt: int = 1

    def to_json(self) -> str:
        """A text that `from_json` turns into an equal trial (tuples travel as lists)."""
        return json.dumps(
            {
                "number": self.number,
                "params": dict(self.params),
                "seed": self.seed,
                "repeat": self.repeat,
                "attempt": self.attempt,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Trial:
        fields = json.loads(text)
        return cls(**{**fields, "params": params_from_json(fields["params"])})


def params_from_json(params: Mapping[str, Any]) -> dict[str, Value]:
    """Params as JSON gives them, with lists made tuples again."""
    return {name: as_value(value) for name, value in params.items()}


@dataclass(frozen=True)
class Result:
    """What a finished trial gave.

    `valid` and `test` map metric names to the numbers as the runner gave them, in its order. `score` and `bigger`
    are the runner's own `best_valid_score` and `valid_score_bigger`, None where it gave none: which score counts
    in a sweep is said by `selection.Objective`.
    """

    valid: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    model: str | None = None
    score: float | None = None
    bigger: bool | None = None

    def judged(self, score: float | None, bigger: bool | None) -> Result:
        """A copy with the score that counts in a sweep, and its direction."""
        return Result(self.valid, self.test, self.model, score, bigger)

    def to_json(self) -> str:
        return json.dumps(
            {
                "valid": dict(self.valid),
                "test": dict(self.test),
                "model": self.model,
                "score": self.score,
                "bigger": self.bigger,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Result:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Finished:
    """The runner returned a result."""

    result: Result
    state: ClassVar[Literal["finished"]] = "finished"


@dataclass(frozen=True)
class Failed:
    """The trial raised, crashed or returned no result; `error` is one line."""

    error: str
    state: ClassVar[Literal["failed"]] = "failed"


@dataclass(frozen=True)
class Pruned:
    """The trial was ended early after the report of `step` (None: before any); `reason` is one line, None if it was the
    runner's own decision."""

    step: int | None
    reason: str | None = None
    state: ClassVar[Literal["pruned"]] = "pruned"


@dataclass(frozen=True)
class Interrupted:
    """The sweep was stopped while the trial ran; it is run again by a resume."""

    state: ClassVar[Literal["interrupted"]] = "interrupted"


Outcome = Finished | Failed | Pruned | Interrupted


def outcome_to_json(outcome: Outcome) -> str:
    """A text that `outcome_from_json` turns into an equal outcome."""
    if isinstance(outcome, Finished):
        return json.dumps({"finished": outcome.result.to_json()})
    if isinstance(outcome, Failed):
        return json.dumps({"failed": outcome.error})
    if isinstance(outcome, Pruned):
        return json.dumps({"pruned": [outcome.step, outcome.reason]})
    return json.dumps({"interrupted": None})


def outcome_from_json(text: str) -> Outcome:
    """The outcome that `outcome_to_json` has written."""
    ((state, content),) = json.loads(text).items()
    if state == "finished":
        return Finished(Result.from_json(content))
    if state == "failed":
        return Failed(content)
    return Pruned(*content) if state == "pruned" else Interrupted()
