"""How slow and failing trials are treated, and which checkpoints stay. A resume may change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hypersweep.errors import SettingsError
from hypersweep.optionset import OptionSet
from hypersweep.pruning import Pruner, make_pruner

OnError = Literal["continue", "stop"]
Keep = Literal["best", "all", "none"]


@dataclass(frozen=True)
class Supervision(OptionSet):
    """The options of the same names.

    A trial that runs longer than `trial_timeout_s` (None: as long as it wants) has failed. A failed trial is tried
    again up to `retries` times, after the others and with the same seed; the first that has failed for good ends the
    sweep if `on_error` is `stop`. `keep` says whose checkpoints outlive their trial. `prune` says by which of
    `pruning.PRUNERS` trials are stopped early, `none`: not at all.

    Raises `SettingsError` or, for the pruner, `SearchError` for values that cannot be.
    """

    trial_timeout_s: float | None = None
    retries: int = 0
    on_error: OnError = "continue"
    keep: Keep = "best"
    prune: str = "none"
    min_steps: int = 1
    reduction_factor: int = 3

    def __post_init__(self) -> None:
        if self.trial_timeout_s is not None and not self.trial_timeout_s > 0:
            raise SettingsError(
                f"--trial-timeout: got {self.trial_timeout_s}; expected more than 0 s. Give a duration such as 3h"
            )
        if self.retries < 0:
            raise SettingsError(f"--retries: got {self.retries}; expected at least 0. Give how often to try again")
        for option, value, known in (("--on-error", self.on_error, OnError), ("--keep", self.keep, Keep)):
            if value not in get_args(known):
                raise SettingsError(f"{option}: got {value!r}; expected {' or '.join(get_args(known))}. Choose one")
        make_pruner(
            "median" if self.prune == "none" else self.prune,
            min_steps=self.min_steps,
            reduction_factor=self.reduction_factor,
        )

    def make_pruner(self) -> Pruner | None:
        """The pruner that is asked for."""
        if self.prune == "none":
            return None
        return make_pruner(self.prune, min_steps=self.min_steps, reduction_factor=self.reduction_factor)
