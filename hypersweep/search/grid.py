"""Every combination of the choices, each exactly once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from hypersweep.errors import SearchError
from hypersweep.search.permutation import Permutation
from hypersweep.search.protocol import Observation
from hypersweep.space import Grid, Space
from hypersweep.trial import Params

Order = Literal["sequential", "shuffled"]
ORDERS: tuple[str, ...] = get_args(Order)
MAX_SIZE = 2**63 - 1  # trial numbers are SQLite integers


@dataclass(frozen=True)
class Part:
    """The points that a space has and the one before it does not, in order from the number `start` on."""

    space: Space
    older: Space | None
    grid: Grid
    start: int
    permutation: Permutation | None

    def at(self, position: int) -> Params | None:
        params = self.grid.at(self.permutation.at(position) if self.permutation else position)
        if params is None or self.older is None or self.grid.is_exact:
            return params
        return None if self.older.has(as_texts(params)) else params  # seen as new by a value that is not there

    def position_of(self, texts: Mapping[str, str]) -> int:
        """Raises what `Grid.index` does."""
        index = self.space.index(texts) if self.older is None else self.grid.index(texts)
        return self.permutation.index(index) if self.permutation else index


class GridSearcher:
    """The grid in product order of the file, the last parameter fastest, or in a permutation drawn with the seed. The
    points that are `given` come first, in their order, and not again.

    `older` are the spaces that the space has grown from, oldest first: their points keep their numbers, and the new
    ones follow in the order of the new space.

    Raises `SearchError` if a parameter of the space is no choice, or the grid is too large to be numbered.
    """

    is_adaptive = False

    def __init__(
        self,
        space: Space,
        *,
        order: Order = "sequential",
        seed: int = 2020,
        given: Sequence[Params] = (),
        older: Sequence[Space] = (),
    ) -> None:
        if space.grid_size is None:
            raise SearchError(
                f"space: {space.first_distribution!r} is no choice, got a distribution; "
                f"expected {space.first_distribution} choice […]. List the values to try, or search: "
                "--algo tpe --max-trials 100"
            )
        if space.grid_size > MAX_SIZE:
            raise SearchError(
                f"space: the grid has {space.grid_size} combinations; expected at most {MAX_SIZE}. Drop values"
            )
        self.space = space
        self.parts: list[Part] = []
        self.size = 0
        for grown, before in zip((*older, space), (None, *older), strict=True):
            grid = grown.grid if before is None else grown.grid_beyond(before)
            permutation = Permutation(grid.size, seed) if order == "shuffled" and grid.size else None
            self.parts.append(Part(grown, before, grid, self.size, permutation))
            self.size += grid.size
        self.starts = [part.start for part in self.parts]
        self.given = [self._position_of(as_texts(params)) for params in given]
        self.given_sorted = sorted(self.given)
        self.gaps = [position - rank for rank, position in enumerate(self.given_sorted)]

    def suggest(self, number: int) -> Params | None:
        if number >= self.size:
            return None
        if number < len(self.given):
            position = self.given[number]
        else:
            rank = number - len(self.given)  # among those not given
            position = rank + bisect_right(self.gaps, rank)
        part = self.parts[bisect_right(self.starts, position) - 1]
        return part.at(position - part.start)

    def observe(self, observation: Observation) -> None:
        """What comes of a point changes nothing."""

    def number_of(self, texts: Mapping[str, str]) -> int:
        """The number of the point whose params have these texts.

        Raises `KeyError` with the name of a parameter that is missing, unknown or has no such value.
        """
        position = self._position_of(texts)
        rank = bisect_left(self.given_sorted, position)
        if rank < len(self.given) and self.given_sorted[rank] == position:
            return self.given.index(position)
        return len(self.given) + position - rank

    def _position_of(self, texts: Mapping[str, str]) -> int:
        self.space.index(texts)  # which tells best what is wrong
        part = next(part for part in self.parts if part.space is self.space or part.space.has(texts))
        return part.start + part.position_of(texts)


def as_texts(params: Params) -> dict[str, str]:
    """The texts of the values, as a log has them."""
    return {name: str(value) for name, value in params.items()}
