"""What a session of a sweep may use: the pool, how many trials at once, on which devices. A resume may change it."""

from __future__ import annotations

from dataclasses import dataclass

from hypersweep.optionset import OptionSet


@dataclass(frozen=True)
class Resources(OptionSet):
    """The options of the same names.

    `workers` None: as many as there are places on the assigned devices, else one. `gpus` is `all`, `none` or a list
    such as `0,1`; None assigns nothing: a trial sees the devices that the environment shows. `batch_trials` is how many
    trials may run together as a batch, or `auto`: as many as the runner says that a device has memory for.
    """

    pool: str = "local"
    workers: int | None = None
    gpus: str | None = None
    trials_per_gpu: int = 1
    ray_address: str | None = None
    gpus_per_trial: float | None = None
    shared: str | None = None
    batch_trials: int | str = 1
