"""A Ray cluster of several nodes on this machine, whose nodes come and go as a test wants."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyper_tests.contracts.ray_cluster import SPARING
from hyper_tests.crash import runner as crash_runner
from hypersweep.events import Event, TrialEnded, TrialPlaced, TrialStarted
from hypersweep.launch import sweep
from hypersweep.study import Study

# A node that was killed is found dead within three seconds instead of fifteen.
QUICK = {**SPARING, "health_check_period_ms": 500, "health_check_initial_delay_ms": 500}


class Nodes:
    """The head takes no trials. Nodes have names, by which events tell where a trial runs."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "num_gpus": 0, "include_dashboard": False, "_system_config": QUICK},
        )
        self.address = str(self.cluster.address)
        self.nodes: dict[str, Any] = {}

    def add(self, name: str, *, num_cpus: int = 2, num_gpus: int = 0) -> None:
        self.nodes[name] = self.cluster.add_node(node_name=name, num_cpus=num_cpus, num_gpus=num_gpus)

    def kill(self, name: str) -> None:
        """As the loss of its power does: everything at once."""
        raylet = self.nodes[name].all_processes["raylet"][0].process.pid
        for pid in [raylet, *descendants(raylet)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_host(self, name: str) -> list[int]:
        """The one process of ours that Ray has started there; gives those that come from it."""
        raylet = self.nodes[name].all_processes["raylet"][0].process.pid
        (host,) = (pid for pid in descendants(raylet) if "ray::Host" in arguments(pid))
        left = descendants(host)
        os.kill(host, signal.SIGKILL)
        return left

    def remove_all(self) -> None:
        for name in list(self.nodes):
            self.cluster.remove_node(self.nodes.pop(name), allow_graceful=False)

    def close(self) -> None:
        self.cluster.shutdown()


def descendants(pid: int) -> list[int]:
    told = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in told.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, other in pairs if other == parent]
    return found[1:]


def arguments(pid: int) -> str:
    return subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True).stdout


class Sweep:
    """A sweep over a cluster, and what was told of it. `act` is called with it at every event."""

    def __init__(
        self, folder: Path, num_trials: int, runner: Callable[..., Any] = crash_runner.run, **settings: Any
    ) -> None:
        self.folder = folder
        self.traces = folder / "traces"
        self.traces.mkdir(parents=True)
        self.space = folder / "hyper.test"
        self.space.write_text(f"x choice {list(range(num_trials))}\n")
        self.runner = f"{sys.modules[runner.__module__].__file__}:{runner.__name__}"
        self.settings = {"traces": str(self.traces), **settings}
        self.events: list[Event] = []

    def run(self, act: Callable[[Sweep, Event], None] = lambda sweep, event: None, **options: Any) -> Study:
        def on_event(event: Event) -> None:
            self.events.append(event)
            act(self, event)

        return sweep(
            self.space,
            runner=self.runner,
            settings=self.settings,
            threads=1,
            on_event=on_event,
            **options,
        )

    @property
    def log(self) -> bytes:
        return self.space.with_suffix(".result").read_bytes()

    def trial_folder(self, number: int) -> Path:
        return self.folder / "hyper.sweep" / "trials" / "00" / f"{number:04d}"

    def trial_log(self, number: int) -> str:
        return (self.trial_folder(number) / "log.txt").read_text()

    def go(self) -> None:
        """What the trials wait for."""
        (self.traces / "go").touch()

    def num_executions(self) -> dict[int, int]:
        return {int(path.name): path.read_text().split().count("begun") for path in self.traces.glob("[0-9]*")}

    def num_ended(self) -> int:
        return sum(isinstance(event, TrialEnded) for event in self.events)

    def running(self) -> dict[int, str]:
        """Where each trial runs that has not ended; of one that was only just started it is not known: ``."""
        where: dict[int, str] = {}
        for event in self.events:
            if isinstance(event, TrialStarted):
                where[event.trial.number] = ""
            elif isinstance(event, TrialPlaced):
                where[event.trial.number] = event.where
            elif isinstance(event, TrialEnded):
                where.pop(event.trial.number, None)
        return where

    def used_nodes(self) -> set[str]:
        return {event.where for event in self.events if isinstance(event, TrialPlaced)}


def unbroken(folder: Path, num_trials: int, **settings: Any) -> bytes:
    """The log of the same sweep in this process."""
    sweep = Sweep(folder, num_trials, **settings)
    sweep.run(pool="inline").close()
    return sweep.log
