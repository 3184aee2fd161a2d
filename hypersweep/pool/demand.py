"""What one trial takes of a machine of a cluster, and how many of them a machine has room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypersweep.errors import PoolError
from hypersweep.pool.resources import Resources


@dataclass(frozen=True)
class Node:
    """A machine of a cluster; `name` is for people, `resources` are all it has, by Ray's names."""

    id: str
    name: str
    resources: Mapping[str, float]


@dataclass(frozen=True)
class Demand:
    """CPUs and GPUs of one trial: whole GPUs, or a share of one."""

    cpus: int
    gpus: float

    @property
    def resources(self) -> dict[str, float]:
        """By Ray's names."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}

    def count_room(self, node: Node) -> int:
        """How many trials the machine takes at once, if it has nothing else to do."""
        room = int(node.resources.get("CPU", 0) / self.cpus)
        gpus = node.resources.get("GPU", 0)
        if self.gpus >= 1:
            return min(room, int(gpus / self.gpus))
        if self.gpus:
            return min(room, int(gpus) * int(1 / self.gpus + 1e-9))
        return room

    def __str__(self) -> str:
        return _tell(self.resources)


def choose_demand(threads: int, resources: Resources) -> Demand:
    """Raises `PoolError` for what a trial cannot have, and for options that pool `local` counts GPUs by."""
    if resources.gpus not in (None, "none") or resources.trials_per_gpu != 1:
        raise PoolError(
            f"--gpus, --trials-per-gpu: got {resources.gpus or 'none'}, {resources.trials_per_gpu}; pool ray takes "
            "GPUs by trial. Use --gpus-per-trial 1, or a share such as 0.5"
        )
    gpus = float(resources.gpus_per_trial or 0)
    if not (0 <= gpus <= 1 or (gpus > 1 and gpus.is_integer())):
        raise PoolError(
            f"--gpus-per-trial: got {gpus:g}; expected a share such as 0.5, or a whole number. Choose such a one"
        )
    return Demand(threads, gpus)


def check_room(nodes: Sequence[Node], demand: Demand, resources: Resources) -> None:
    """Raises `PoolError` if no machine has room for a trial, or if it was not said what becomes of the GPUs."""
    num_gpus = sum(node.resources.get("GPU", 0) for node in nodes)
    if num_gpus and resources.gpus_per_trial is None and resources.gpus is None:
        raise PoolError(
            f"--gpus-per-trial: not given, and the cluster has {num_gpus:g} GPUs; expected how many a trial gets. "
            "Give it one with 1, a share with 0.5, none with 0"
        )
    if not any(demand.count_room(node) for node in nodes):
        found = "; ".join(f"{node.name} with {_tell(node.resources)}" for node in nodes)
        raise PoolError(
            f"pool ray: no machine has room for a trial, got {found}; expected {demand} on one machine. "
            "Lower --threads or --gpus-per-trial, or add a larger machine"
        )


def _tell(resources: Mapping[str, float]) -> str:
    """`4 CPUs, 0.5 GPU`"""
    counts = ((kind, resources.get(kind, 0)) for kind in ("CPU", "GPU"))
    return ", ".join(f"{count:g} {kind}{'s' * (count > 1)}" for kind, count in counts if count) or "no CPU"
