"""Which kills a round of chaos has, drawn from its seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("controller", "trial", "server", "guard", "all")
MAX_KILLS = 4
MAX_DELAY_S = 0.03
MAX_START_S = 0.6  # what a controller takes until its first trial


@dataclass(frozen=True)
class PlannedKill:
    """A kill to come: of what, and `delay_s` after so many executions have begun in all; after 0: while the controller
    starts."""

    kind: str
    after: int
    delay_s: float

    @property
    def ends_controller(self) -> bool:
        return self.kind in ("controller", "all")


@dataclass(frozen=True)
class Plan:
    """A round: trials at once, the kills in their order, and the seed of what else is left to chance."""

    workers: int
    kills: Sequence[PlannedKill]
    seed: str


def draw_plan(seed: int, number: int, *, num_trials: int, kinds: Sequence[str] = KINDS) -> Plan:
    """The plan of a round, the same whenever it is drawn."""
    text = f"{seed}/{number}"
    generator = random.Random(text)
    kills = [_draw_kill(generator, kinds, num_trials) for _ in range(generator.randint(1, MAX_KILLS))]
    return Plan(workers=generator.randint(2, 4), kills=sorted(kills, key=lambda kill: kill.after), seed=text)


def _draw_kill(generator: random.Random, kinds: Sequence[str], num_trials: int) -> PlannedKill:
    """Now and then while the controller starts, or at the sweep's end."""
    kind = generator.choice(kinds)
    moment = generator.random()
    if moment < 0.15:
        return PlannedKill(kind, 0, generator.random() * MAX_START_S)
    after = num_trials if moment < 0.25 else generator.randint(1, num_trials)
    return PlannedKill(kind, after, generator.random() * MAX_DELAY_S)
