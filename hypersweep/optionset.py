"""Options that a sweep records and that a resume may replace."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class OptionSet:
    """What the sets have in common: their values are what JSON can carry."""

    def to_meta(self) -> dict[str, Any]:
        """As the store keeps it."""
        return dataclasses.asdict(self)

    def replaced_by(self, asked: Mapping[str, Any]) -> Self:
        """This, with what `asked` has of it and is not None."""
        names = {field.name for field in dataclasses.fields(self)}
        return dataclasses.replace(
            self, **{name: value for name, value in asked.items() if name in names and value is not None}
        )
