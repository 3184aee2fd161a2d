"""A Ray cluster of this machine alone that lives as long as its pool, and no moment longer than the controller."""

from __future__ import annotations

import json
import os

from hypersweep.errors import PoolError
from hypersweep.pool.guarded import await_end, start_guarded
from hypersweep.runner.interpreter import command_for

HEAD = "hypersweep.pool.ray_head"
# Short of memory, Ray would end a machine's host with all its trials; the kernel ends the largest trial alone.
UNWATCHED = {"RAY_memory_monitor_refresh_ms": "0"}


class OwnCluster:
    """Started with `num_cpus`; raises `PoolError` if it cannot be."""

    def __init__(self, num_cpus: int) -> None:
        self.guard, self.head = start_guarded([*command_for(None, HEAD), str(num_cpus)], {**UNWATCHED, **os.environ})
        try:
            self.address = self._await_address()
        except BaseException:
            self.close()
            raise

    def _await_address(self) -> str:
        line = self.head.makefile("rb").readline()
        told = json.loads(line) if line else {"error": "it ended while it started. What it printed stands above"}
        if "error" in told:
            raise PoolError(
                f"--pool ray: Ray cannot start a cluster here: {told['error']}; expected one of this machine. "
                "Start one by hand: ray start --head, then --ray-address auto"
            )
        return str(told["address"])

    def close(self) -> None:
        self.head.close()
        await_end(self.guard)
