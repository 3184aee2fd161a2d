"""What a cluster costs besides the trials: 200 of 0.5 s on four worker slots of pool `ray`, beside pool `local`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import format_table

TITLE = "Trials on a cluster"
TEXT = """\
{num_trials} trials that sleep {duration_s} s, on {num_slots} slots: {ideal_s:.0f} s is ideal. `all` is a whole sweep on
a cluster that runs already, from the call to its return: joining, shipping the code, starting the worker, closing.
`trials` is the time from the first trial's start to the last one's end.
"""
NUM_TRIALS = 200
NUM_SLOTS = 4
DURATION_S = 0.5
IDEAL_S = NUM_TRIALS * DURATION_S / NUM_SLOTS


@dataclass(frozen=True)
class Measurement:
    """Seconds of a whole sweep, and of its trials alone."""

    name: str
    all_s: float
    trials_s: float


def sleep(params: Mapping[str, int]) -> float:
    """The runner of all measurements."""
    time.sleep(DURATION_S)
    return 0.5


@contextmanager
def started_cluster() -> Iterator[str]:
    """The address of a cluster with as many CPUs as slots."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": NUM_SLOTS, "include_dashboard": False})
    try:
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def measure_sweep(name: str, **options: Any) -> Measurement:
    from hypersweep import Choice, Space, sweep
    from hypersweep.events import Event, TrialEnded, TrialStarted

    moments: list[float] = []

    def on_event(event: Event) -> None:
        if isinstance(event, (TrialStarted, TrialEnded)):
            moments.append(time.perf_counter())

    space = Space([Choice("a", tuple(range(NUM_TRIALS)))])
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        study = sweep(
            space,
            runner=f"{Path(__file__)}:sleep",
            workers=NUM_SLOTS,
            threads=1,
            out=folder,
            on_event=on_event,
            **options,
        )
        all_s = time.perf_counter() - started
        finished = study.counts()["finished"]
        study.close()
    if finished != NUM_TRIALS:
        raise RuntimeError(f"{name}: {finished} of {NUM_TRIALS} trials have finished")
    return Measurement(name, all_s, moments[-1] - moments[0])


def measure() -> list[Measurement]:
    """On a cluster, and with pool `local` for what that adds."""
    with started_cluster() as address:
        on_ray = measure_sweep("pool ray", pool="ray", ray_address=address, gpus_per_trial=0.0)
    return [on_ray, measure_sweep("pool local", pool="local")]


def measure_section() -> str:
    rows = [
        [
            one.name,
            f"{one.all_s:.1f} s",
            f"{IDEAL_S / one.all_s:.1%}",
            f"{one.trials_s:.1f} s",
            f"{IDEAL_S / one.trials_s:.1%}",
        ]
        for one in measure()
    ]
    text = TEXT.format(num_trials=NUM_TRIALS, duration_s=DURATION_S, num_slots=NUM_SLOTS, ideal_s=IDEAL_S)
    return f"{text}\n{format_table(['', 'all', 'of ideal', 'trials', 'of ideal'], rows)}\n"
