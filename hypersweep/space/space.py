"""The search space: named parameters and, if all of them are choices, the grid of their combinations.

A grid is indexed, never materialised: `space.at(index)` costs O(parameters), whatever the size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

from hypersweep.errors import SpaceError
from hypersweep.space.parameter import Choice, Distribution, Parameter
from hypersweep.space.value import Value, unquote


class Space:
    """Ordered named parameters. Equal if the parameters and their order are.

    Raises `SpaceError` if there is no parameter, or two have the same name.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters: tuple[Parameter, ...] = tuple(parameters)
        if not self.parameters:
            raise SpaceError(
                "the space has no parameter; expected at least one. Add a line: learning_rate choice [0.001]"
            )
        names = [parameter.name for parameter in self.parameters]
        for name in sorted(set(names)):
            if names.count(name) > 1:
                raise SpaceError(f"{name!r} stands in the space {names.count(name)} times; expected once. Rename one")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and repr(self) == repr(other)  # 1 == True, their texts differ

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"Space({list(self.parameters)!r})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def _choices(self) -> tuple[Choice, ...] | None:
        choices = tuple(parameter for parameter in self.parameters if isinstance(parameter, Choice))
        return choices if len(choices) == len(self.parameters) else None

    @cached_property
    def grid_size(self) -> int | None:
        """The number of combinations; None if a parameter is no choice."""
        return None if self._choices is None else math.prod(len(choice.values) for choice in self._choices)

    def at(self, index: int) -> dict[str, Value]:
        """The combination at `index` in product order: the last parameter changes fastest, as in
        `itertools.product`. Raises `IndexError` outside 0 … grid_size - 1."""
        choices = self._grid()
        if not 0 <= index < (self.grid_size or 0):
            raise IndexError(f"combination {index} of {self.grid_size}")
        values: list[Value] = []
        for choice in reversed(choices):
            index, position = divmod(index, len(choice.values))
            values.append(choice.values[position])
        return dict(zip(self.names, reversed(values), strict=True))

    def index(self, texts: Mapping[str, str]) -> int:
        """The inverse of `at`, for a combination given by the texts of its values (`str(value)`), as a log has them:
        a text stands for the value that prints so, else for the one that does without its quotes.

        Raises `KeyError` with the name of a parameter that is missing, unknown, or has no such value.
        """
        index = 0
        for choice in self._grid():
            text = texts[choice.name]
            position = choice.index_of_text.get(text, choice.index_of_text.get(unquote(text)))
            if position is None:
                raise KeyError(choice.name)
            index = index * len(choice.values) + position
        for name in texts:
            if name not in self.names:
                raise KeyError(name)
        return index

    def _grid(self) -> tuple[Choice, ...]:
        if self._choices is None:
            raise SpaceError(f"{self.first_distribution!r} is no choice; a grid needs choices only")
        return self._choices

    @property
    def first_distribution(self) -> str | None:
        """The name of the first parameter that is no choice, because of which there is no grid."""
        return next((parameter.name for parameter in self.parameters if isinstance(parameter, Distribution)), None)
