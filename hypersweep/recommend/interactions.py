"""Who took which item: the rows of a data set, with users and items as integer codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Interactions:
    """N rows in the order of the file. A code is an index into the tokens; `numbers` holds the columns that are
    filtered or ordered by.

    `listed` tells of a column that is filtered by tokens in which rows it has one of them. `num_read` counts the rows
    of the file.
    """

    user_N: Codes
    item_N: Codes
    user_tokens: Sequence[str]
    item_tokens: Sequence[str]
    numbers: Mapping[str, Numbers]
    listed: Mapping[str, Flags]
    num_read: int

    def __len__(self) -> int:
        return len(self.user_N)

    def take(self, index: Codes | Flags) -> Interactions:
        """The rows at `index`, or where it is true; codes and tokens stay."""
        return dataclasses.replace(
            self,
            user_N=self.user_N[index],
            item_N=self.item_N[index],
            numbers={name: column[index] for name, column in self.numbers.items()},
            listed={name: column[index] for name, column in self.listed.items()},
        )
