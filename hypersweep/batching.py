"""Which trials run together, as one batch in one process (`--batch-trials`)."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hypersweep.errors import SettingsError
from hypersweep.pool import Description, Resources
from hypersweep.search import Searcher
from hypersweep.space import Space
from hypersweep.trial import Trial


@dataclass(frozen=True)
class Batching:
    """Up to `size` trials whose params differ in nothing but `free` run together.

    The try after a failure runs alone, for what failed may have been another trial of its batch.
    """

    size: int = 1
    free: frozenset[str] = frozenset()

    def key_of(self, trial: Trial) -> str | None:
        """Equal for trials that may run together; None: it runs alone."""
        if self.size == 1 or trial.attempt > 1:
            return None
        return json.dumps({name: value for name, value in trial.params.items() if name not in self.free})


ALONE = Batching()  # each trial runs by itself


class Waiting:
    """Trials in the order in which they wait, each with its key."""

    def __init__(self, batching: Batching, trials: Iterable[Trial] = ()) -> None:
        self.batching = batching
        self.trials = deque((batching.key_of(trial), trial) for trial in trials)

    def __len__(self) -> int:
        return len(self.trials)

    def append(self, trial: Trial) -> None:
        self.trials.append((self.batching.key_of(trial), trial))

    def take_first(self) -> Trial:
        return self.trials.popleft()[1]

    def take_if(self, may_run: Callable[[Trial], bool]) -> Trial | None:
        """The first of which this holds."""
        found = next((item for item in self.trials if may_run(item[1])), None)
        if found is None:
            return None
        self.trials.remove(found)
        return found[1]

    def take_alike(self, key: str, most: int) -> list[Trial]:
        """The first `most` of those that have the key."""
        alike = [trial for other, trial in self.trials if other == key][:most]
        if alike:
            numbers = {trial.number for trial in alike}
            self.trials = deque((other, trial) for other, trial in self.trials if trial.number not in numbers)
        return alike


def choose_batching(resources: Resources, description: Description, searcher: Searcher, space: Space) -> Batching:
    """What the resources ask for, as far as the runner can and the search allows: one that learns must know what to
    try next without looking ahead, so its trials run together only where any of them may.

    Raises `SettingsError` if a number is asked for and the runner trains one trial at a time.
    """
    asked, free = resources.batch_trials, description.batch_free
    if free is None:
        if asked not in (1, "auto"):
            raise SettingsError(
                f"--batch-trials: got {asked}, and with these settings the runner trains one trial at a time; expected "
                "1 or auto. Leave it out"
            )
        return ALONE
    size = description.batch_size if isinstance(asked, str) else asked
    if searcher.is_adaptive and not set(space.names) <= set(free):
        return ALONE
    return Batching(size, frozenset(free))
