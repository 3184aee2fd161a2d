"""A Ray cluster as pool `ray` sees it: joined, its machines, and room on them for trials."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from hypersweep.errors import PoolError
from hypersweep.pool import landing
from hypersweep.pool.demand import Demand, Node
from hypersweep.pool.host import Assignment
from hypersweep.pool.ray_token import token_shown

EXPECTED = "expected the address of a cluster's head, such as 10.0.0.1:6379, or auto for the one that runs here"
ANSWER_TIMEOUT_S = 5.0
HEAD_PATIENCE_S = 10.0  # with a head that is started again
HEAD_RETRY_S = 0.5
# What opens HTTP/2, which a head speaks: the preface and an empty frame of settings. It answers with one of its own.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


def connect(address: str) -> None:
    """Join the cluster at `address`. Raises `PoolError`."""
    if ray.is_initialized():
        raise PoolError(
            "--pool ray: this process is in a Ray cluster already; expected none. Call ray.shutdown() before the sweep"
        )
    address = check_answers(address)
    ray.cloudpickle.register_pickle_by_value(landing)
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray._private.worker._worker_logs_enabled = False  # what Ray has to say of its workers goes to stdout
    try:
        with token_shown(address), _signals_kept():
            ray.init(address=address, log_to_driver=False, logging_level="error", configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        disconnect()
        raise PoolError(
            f"--ray-address: Ray cannot join the cluster, got {address!r}: {' '.join(str(error).split())}; {EXPECTED}"
        ) from error


def check_answers(address: str) -> str:
    """The address as host and port. Raises `PoolError` if nothing answers there as the head of a cluster does: Ray
    itself would go on asking for minutes."""
    if address.startswith("ray://"):
        raise PoolError(
            f"--ray-address: got {address!r}, which is for Ray's client; {EXPECTED}. Run the sweep on a machine of the "
            f"cluster: ray start --address HEAD:6379 makes this one such, with --num-cpus 0 for the sweep alone"
        )
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or _read_last_address()
        if not address:
            raise PoolError(
                f"--ray-address: got 'auto', and no cluster runs here; {EXPECTED}. Start one: ray start --head"
            )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise PoolError(f"--ray-address: got {address!r}; {EXPECTED}. Name host and port")
    problem = _greet(host.strip("[]"), int(port))
    if problem:
        raise PoolError(
            f"--ray-address: no Ray cluster answers at {address}: {problem}; {EXPECTED}. See that it runs: ray status"
        )
    return address


def _read_last_address() -> str:
    """The cluster that was started on this machine last."""
    with contextlib.suppress(OSError):
        return Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster").read_text().strip()
    return ""


def _greet(host: str, port: int) -> str:
    """What is wrong with what listens there; nothing if it speaks HTTP/2, or whatever TLS makes of it."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_TIMEOUT_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return ""
            connection.sendall(_GREETING)
            answer = connection.recv(9)
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return "" if len(answer) > 3 and answer[3] == _SETTINGS else f"what listens there says {answer!r}"


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray has a handler of SIGTERM of its own, which would end the controller without a word."""
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if is_main else None
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, handler)


def disconnect() -> None:
    """Leave the cluster."""
    with _signals_kept():
        ray.shutdown()


def find_nodes() -> list[Node]:
    """The machines that are alive. Raises `PoolError` if the head is not: Ray would ask it for a minute, and then end
    this process."""
    address = ray.get_runtime_context().gcs_address
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + HEAD_PATIENCE_S
    while problem := _greet(host.strip("[]"), int(port)):
        if time.monotonic() > deadline:
            raise PoolError(
                f"pool ray: the head of the cluster at {address} was lost: {problem}; expected it to stay. "
                "What has finished is kept: hypersweep resume, with the --ray-address of another one"
            )
        time.sleep(HEAD_RETRY_S)
    return [Node(told["NodeID"], told["NodeName"], told["Resources"]) for told in ray.nodes() if told["Alive"]]


def reserve(demand: Demand) -> PlacementGroup:
    """Ask for room for trials, one after another; Ray finds it when there is some."""
    return placement_group([demand.resources])


def find_reserved(reservation: PlacementGroup) -> str | None:
    """The id of the machine that has the room; None as long as there is none."""
    told = placement_group_table(reservation)
    return told["bundles_to_node_id"][0] if told.get("state") == "CREATED" else None


def release(reservation: PlacementGroup) -> None:
    with contextlib.suppress(ray.exceptions.RayError):
        remove_placement_group(reservation)


def ask_gpus(reservation: PlacementGroup, demand: Demand) -> Any:
    """A reference to what CUDA_VISIBLE_DEVICES has to be there."""
    strategy = PlacementGroupSchedulingStrategy(reservation, placement_group_bundle_index=0)
    task = ray.remote(landing.tell_gpus)
    return task.options(num_cpus=0, num_gpus=demand.gpus, max_retries=0, scheduling_strategy=strategy).remote()


def start_host(node: Node, parcel: bytes, assignment: Assignment) -> Any:
    """The handle of a new `HostActor` on a machine, which takes no room of trials. It is started once: what is lost
    with it, the controller runs again."""
    actor = ray.remote(concurrency_groups={"waiting": 1})(landing.HostActor)
    strategy = NodeAffinitySchedulingStrategy(node.id, soft=False)
    return actor.options(num_cpus=0, max_restarts=0, max_task_retries=0, scheduling_strategy=strategy).remote(
        parcel, pickle.dumps(assignment)
    )
