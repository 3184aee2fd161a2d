"""The head of a Ray cluster of this machine alone, in a process of its own below a guard: Ray's daemons come from here,
and so do the trials, whose end it therefore is when the controller is gone, however it went.

Message:  {"address": "127.0.0.1:6379"} once the cluster is there, or {"error": text}
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys

from hypersweep.pool.guard import guard_server
from hypersweep.pool.linux import IS_LINUX


def main() -> None:
    """`python -m hypersweep.pool.ray_head NUM_CPUS FD PROCESS`, started by `pool.ray_own` in the process of that
    number."""
    controller = socket.socket(fileno=int(sys.argv[2]))
    guard_server(controller, int(sys.argv[3]))
    controller.sendall(json.dumps(_start(int(sys.argv[1]))).encode() + b"\n")
    controller.recv(1)  # nothing: the controller has closed it, or is gone
    if IS_LINUX:
        os._exit(0)  # the guard ends the rest at once, instead of Ray in some seconds


def _start(num_cpus: int) -> dict[str, str]:
    import ray  # the guard shall not

    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        context = ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            configure_logging=False,
            _node_ip_address="127.0.0.1",
            _system_config={"prestart_worker_first_driver": False},  # no processes that nobody uses
        )
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        return {"error": " ".join(str(error).split())}
    return {"address": context.address_info["gcs_address"]}


if __name__ == "__main__":
    main()
