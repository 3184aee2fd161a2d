"""How slow and failing trials are treated, and which checkpoints stay. A resume may change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hypersweep.errors import SettingsError
from hypersweep.optionset import OptionSet

OnError = Literal["continue", "stop"]
Keep = Literal["best", "all", "none"]


@dataclass(frozen=True)
class Supervision(OptionSet):
    """The options of the same names.

    A trial that runs longer than `trial_timeout_s` (None: as long as it wants) has failed. A failed trial is tried
    again up to `retries` times, after the others and with the same seed; the first that has failed for good ends the
    sweep if `on_error` is `stop`. `keep` says whose checkpoints outlive their trial.

    Raises `SettingsError` for values that cannot be.
    """

    trial_timeout_s: float | None = None
    retries: int = 0
    on_error: OnError = "continue"
    keep: Keep = "best"

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
