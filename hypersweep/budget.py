"""When a sweep ends that could go on. A resume may change it."""

from __future__ import annotations

from dataclasses import dataclass

from hypersweep.errors import SettingsError
from hypersweep.optionset import OptionSet


@dataclass(frozen=True)
class Budget(OptionSet):
    """The options of the same names; None is no bound. Trials that run when a bound is reached finish.

    `time_budget_s` is the time of all sessions together, `stop_after` the number of trials that end one after the
    other without a better score. Raises `SettingsError` for values that cannot be.
    """

    max_trials: int | None = None
    time_budget_s: float | None = None
    stop_after: int | None = None

    def __post_init__(self) -> None:
        bounds = (
            ("--max-trials", self.max_trials, "1 trial"),
            ("--time-budget", self.time_budget_s, "some time, such as 2h"),
            ("--stop-after", self.stop_after, "1 trial"),
        )
        for option, value, least in bounds:
            if value is not None and not value > 0:
                raise SettingsError(f"{option}: got {value}; expected at least {least}. Leave it out for no bound")

    def cap(self, size: int | None) -> int | None:
        """How many of `size` trials (None: without end) there are at most."""
        if size is None or self.max_trials is None:
            return self.max_trials if size is None else size
        return min(size, self.max_trials)


def is_bound(reason: str | None) -> bool:
    """Whether a sweep that ended for this reason, an option, ended by its budget: as it was asked to."""
    return reason is not None and reason.startswith(("--max-trials", "--time-budget", "--stop-after"))
