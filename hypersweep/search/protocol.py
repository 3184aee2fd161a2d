"""What a search algorithm is."""

from __future__ import annotations

from typing import Protocol

from hypersweep.trial import Params


class Searcher(Protocol):
    """Says what the trials of a sweep are: a function of the space and the seed, so that a resume needs no state.

    Called by the loop, in the controller, once for each trial that has never been started.
    """

    @property
    def size(self) -> int | None:
        """How many numbers there are in all; None: no end."""
        ...

    def suggest(self, number: int) -> Params | None:
        """The params of trial `number`; None if there is none of that number, which says nothing of the next."""
        ...

    def number_of(self, texts: dict[str, str]) -> int:
        """The number of the trial whose params have these texts.

        Raises `KeyError` with the name of a parameter that is missing, unknown, not there for these, or has no such
        value; `SpaceError` if a rule of the space does not allow it.
        """
        ...
