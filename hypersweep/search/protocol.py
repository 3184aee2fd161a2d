"""What a search algorithm is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from hypersweep.trial import Params


@dataclass(frozen=True)
class Observation:
    """What has come of a point so far, as searchers that learn are told: nothing of test metrics.

    `loss` is the score turned so that smaller is better; NaN if it is none, and None unless finished.
    """

    number: int
    params: Params
    state: Literal["pending", "finished", "failed", "pruned"] = "pending"
    loss: float | None = None


class Searcher(Protocol):
    """Says which points are tried, numbered from 0: a function of the space, the seed and, if it learns, of what it
    was told of the points so far. So a resume needs no state: it tells the recorded points and goes on.

    Called by the loop, in the controller, for each point when its first trial is about to start.
    """

    @property
    def size(self) -> int | None:
        """How many numbers there are in all; None: no end."""
        ...

    @property
    def is_adaptive(self) -> bool:
        """Whether it learns: only then it is told of the points."""
        ...

    def suggest(self, number: int) -> Params | None:
        """The params of point `number`, the same again for a point it has been told of; None if there is none of that
        number, which says nothing of the next.

        What is told of it, `pending` at first, comes before the next is asked for.
        """
        ...

    def observe(self, observation: Observation) -> None:
        """What has come of a point: when it starts, and when it has ended. At a resume all of it again, in the order in
        which it happened."""
        ...
