"""What a pool is: where trials run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hypersweep.place import Place
from hypersweep.runner import Key, LoadedRunner, RunnerReference
from hypersweep.runner.contract import GRACE_S
from hypersweep.trial import Outcome, Trial


@dataclass(frozen=True)
class Work:
    """What all trials of a sweep have in common.

    `varied` are the choices of the space, by name: what a runner's keys may depend on besides the settings.
    `trial_timeout_s` is how long a trial may run, None: as long as it wants; `grace_s` how long one that has run too
    long may take to end, once it is asked to.
    `function` is the runner itself where it has no name by which another process could load it (pool inline only).
    """

    reference: RunnerReference
    settings: Mapping[str, Any]
    varied: Mapping[str, Sequence[Any]]
    threads: int
    place: Place
    trial_timeout_s: float | None = None
    grace_s: float = GRACE_S
    function: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Description:
    """What a runner declares: its keys (None: any are accepted), and whether it prepares data.

    `batch_free` are the parameters in which trials that run together may differ (None: trials never run together), and
    `batch_size` is how many of them fit on a device, as far as that is known.
    """

    keys: list[Key] | None
    has_prepare: bool
    batch_free: list[str] | None = None
    batch_size: int = 1

    @classmethod
    def of(
        cls,
        runner: LoadedRunner,
        settings: Mapping[str, Any],
        varied: Mapping[str, Sequence[Any]],
        memory_bytes: int | None,
    ) -> Description:
        """`memory_bytes`: of a device, for a trial or a batch of them; None: not known, or of no matter."""
        return cls(
            keys=runner.keys(settings, varied),
            has_prepare=runner.prepare is not None,
            batch_free=runner.batch_free(settings, varied),
            batch_size=runner.batch_size(settings, varied, memory_bytes),
        )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Description:
        """What `dataclasses.asdict` has made of one."""
        keys = fields["keys"]
        return cls(**{**fields, "keys": None if keys is None else [Key(**key) for key in keys]})


@dataclass(frozen=True)
class Placed:
    """A trial has begun; `where` says on what, in words for people (`GPU 1`, `node 10.0.0.7`)."""

    number: int
    where: str


@dataclass(frozen=True)
class Reported:
    """A running trial told an intermediate result."""

    number: int
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A trial is over, and nothing of it runs any more."""

    number: int
    outcome: Outcome


PoolEvent = Placed | Reported | Ended


class Pool(Protocol):
    """Runs batches of trials, `num_slots` of them at once. Used by one thread of the controller.

    A batch is one trial, or several that the runner runs together (`run_batch`): then they begin at the same time and
    share their process, and each ends by itself.
    A trial that crashes ends as failed, and so does one that runs longer than `Work.trial_timeout_s`, counted from its
    begin: it is asked to end, and made to after `Work.grace_s`. Both hold for all trials of the batch that have not
    ended. A trial whose place to run was lost (a server process killed) ends as interrupted, and the loop submits it
    again.
    """

    num_slots: int
    """May change from one `wait` to the next, where the machines of a cluster come and go."""

    def describe(self) -> Description:
        """What the runner declares; called once, before anything else. Raises `RunnerError` if it cannot be loaded."""
        ...

    def prepare(self) -> Path | None:
        """Have the runner prepare what its trials share, in a process of its own; called once, before the first
        submit. Raises what the runner's `prepare` raises of hypersweep's errors, else `RunnerError`."""
        ...

    def submit(self, batch: Sequence[Trial]) -> None:
        """Run the trials of a batch in one slot; there must be a free one. Returns at once. Only a runner that has a
        `run_batch` gets several."""
        ...

    def listen(self, on_report: Callable[[Reported], None]) -> None:
        """Called once, before the first submit. A pool whose trials run within `wait` tells their reports by
        `on_report` as they are made, and not by `wait`."""
        ...

    def prune(self, number: int) -> None:
        """End a running trial early: its next report raises `TrialPruned`, a command gets SIGTERM. Returns at once; a
        trial that has ended meanwhile is left as it is."""
        ...

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        """What has happened since; waits for it up to `timeout_s`."""
        ...

    def interrupt(self) -> None:
        """Called from the controller's signal handler: end the user's code if it runs within `wait`, which then tells
        that its trial was interrupted."""
        ...

    def stop(self, grace_s: float) -> list[PoolEvent]:
        """Ask the running trials to end, and after `grace_s` make them; gives how they ended. Nothing is left
        running: those that did not finish by themselves are interrupted."""
        ...

    def close(self) -> None:
        """Give everything back; idempotent."""
        ...
