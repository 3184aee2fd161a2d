"""Drawing until the rules of a space allow the point."""

from __future__ import annotations

from collections.abc import Callable

from hypersweep.errors import SearchError
from hypersweep.space import Space
from hypersweep.trial import Params

MAX_INFORMED = 20  # so often an algorithm that learns is asked; from then on points are drawn at random
MAX_DRAWS = 10_000


def draw_allowed(space: Space, draw: Callable[[int], Params]) -> Params:
    """The first of the points `draw(0)`, `draw(1)`, … that no rule forbids; raises `SearchError` after so many."""
    for attempt in range(MAX_DRAWS):
        params = draw(attempt)
        if space.find_broken_rule(params) is None:
            return params
    raise SearchError(
        f"space: none of {MAX_DRAWS} points drawn is allowed by its rules; expected that some are. Loosen a rule, or "
        "narrow the parameters to what it allows"
    )
