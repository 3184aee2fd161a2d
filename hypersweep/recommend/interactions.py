"""Who took which item: the rows of a data set, with users and items as integer codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interactions:
    """N rows in the order of the file. A code is an index into the tokens; `numbers` holds the columns that are
    filtered or ordered by."""

    user_N: Codes
    item_N: Codes
    user_tokens: Sequence[str]
    item_tokens: Sequence[str]
    numbers: Mapping[str, Numbers]

    def __len__(self) -> int:
        return len(self.user_N)

    def take(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Interactions:
        """The rows at `index`, or where it is true; codes and tokens stay."""
        return Interactions(
            self.user_N[index],
            self.item_N[index],
            self.user_tokens,
            self.item_tokens,
            {name: column[index] for name, column in self.numbers.items()},
        )
