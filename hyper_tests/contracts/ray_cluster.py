"""A Ray cluster of this machine for the tests of pool `ray`, started at its first use and kept for all of them."""

from __future__ import annotations

import atexit
import functools
from typing import Any

from hypersweep.pool import Resources

NUM_CPUS = 8
# No processes that nobody uses; and the others shall not stand behind all else that this machine does.
SPARING = {"prestart_worker_first_driver": False, "worker_niceness": 0}


@functools.cache
def start_cluster() -> str:
    """Its address."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": NUM_CPUS, "include_dashboard": False, "_system_config": SPARING},
    )
    atexit.register(cluster.shutdown)
    return str(cluster.address)


def ray_resources(**options: Any) -> Resources:
    return Resources(pool="ray", ray_address=start_cluster(), **options)
