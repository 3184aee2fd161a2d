"""What a session of a sweep may use: the pool, how many trials at once, on which devices. A resume may change it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resources:
    """The options of the same names.

    `workers` None: as many as there are places on the assigned devices, else one. `gpus` is `all`, `none` or a list
    such as `0,1`; None assigns nothing: a trial sees the devices that the environment shows.
    """

    pool: str = "local"
    workers: int | None = None
    gpus: str | None = None
    trials_per_gpu: int = 1
    ray_address: str | None = None
    gpus_per_trial: float | None = None
    shared: str | None = None

    def to_meta(self) -> dict[str, Any]:
        """As the store keeps it."""
        return dataclasses.asdict(self)

    def replaced_by(self, asked: Mapping[str, Any]) -> Resources:
        """These, with what `asked` has of them and is not None."""
        names = {field.name for field in dataclasses.fields(self)}
        return dataclasses.replace(
            self, **{name: value for name, value in asked.items() if name in names and value is not None}
        )
