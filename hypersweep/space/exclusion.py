"""How many points of a grid its rules do not allow: counted where that is cheap, else estimated from a sample."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hypersweep.space.grid import Grid
from hypersweep.space.rule import Rule
from hypersweep.space.space import Space

SAMPLE_SIZE = 1_000


@dataclass(frozen=True)
class Exclusion:
    """`num_points` that the rules do not allow, together; `is_exact` unless estimated."""

    rules: Sequence[Rule]
    num_points: int
    is_exact: bool


def count_excluded(space: Space, rules: Sequence[Rule]) -> Exclusion:
    """What the rules do not allow of the points that the conditions leave. Raises `SpaceError` without a grid."""
    every = Grid(space.finite, space.conditions)
    allowed = Grid(space.finite, space.conditions, rules)
    if allowed.is_exact:
        return Exclusion(rules, every.size - allowed.size, is_exact=True)
    draw = random.Random(0)
    points = [every.at(draw.randrange(every.size)) for _ in range(SAMPLE_SIZE)]
    num_excluded = sum(point is not None and not all(rule.allows(point) for rule in rules) for point in points)
    return Exclusion(rules, num_excluded * every.size // SAMPLE_SIZE, is_exact=False)
