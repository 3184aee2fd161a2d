"""Every combination of the choices, each exactly once."""

from __future__ import annotations

from typing import Literal, get_args

from hypersweep.errors import SearchError
from hypersweep.search.permutation import Permutation
from hypersweep.space import Space
from hypersweep.trial import Params

Order = Literal["sequential", "shuffled"]
ORDERS: tuple[str, ...] = get_args(Order)
MAX_SIZE = 2**63 - 1  # trial numbers are SQLite integers


class GridSearcher:
    """The grid in product order of the file, the last parameter fastest, or in a permutation drawn with the seed.

    Raises `SearchError` if a parameter of the space is no choice, or the grid is too large to be numbered.
    """

    def __init__(self, space: Space, *, order: Order = "sequential", seed: int = 2020) -> None:
        if space.grid_size is None:
            raise SearchError(
                f"space: {space.first_distribution!r} is no choice, got a distribution; "
                f"expected {space.first_distribution} choice […]. List the values to try"
            )
        if space.grid_size > MAX_SIZE:
            raise SearchError(
                f"space: the grid has {space.grid_size} combinations; expected at most {MAX_SIZE}. Drop values"
            )
        self.space = space
        self.size = space.grid_size
        self.permutation = Permutation(self.size, seed) if order == "shuffled" else None

    def suggest(self, number: int) -> Params | None:
        if number >= self.size:
            return None
        return self.space.at(self.permutation.at(number) if self.permutation else number)

    def number_of(self, texts: dict[str, str]) -> int:
        index = self.space.index(texts)
        return self.permutation.index(index) if self.permutation else index
