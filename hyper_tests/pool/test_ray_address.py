"""Joining a cluster, and starting one: what can go wrong is said, and soon."""

from __future__ import annotations

import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.contracts.ray_cluster import SPARING, start_cluster
from hyper_tests.crash import runner
from hyper_tests.crash.round import ORPHAN_TIMEOUT_S
from hyper_tests.pool.nodes import Sweep, arguments, descendants, unbroken
from hyper_tests.processes import environment, hypersweep, is_alive, start_hypersweep, wait_until
from hypersweep.errors import PoolError
from hypersweep.place import Place
from hypersweep.pool import Resources, Work, open_pool
from hypersweep.runner import RunnerReference

slow = pytest.mark.slow


def work_of(folder: Path) -> Work:
    reference = RunnerReference.parse(f"{runner.__file__}:run", Path.cwd())
    return Work(reference, {}, {}, threads=1, place=Place.of(folder, "hyper"))


def join(folder: Path, address: str | None) -> None:
    open_pool(work_of(folder), Resources(pool="ray", ray_address=address)).close()


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hypersweep.pool.ray", "hypersweep.pool.ray_cluster", "hypersweep.pool.ray_hosts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)  # not to be imported
    with pytest.raises(PoolError, match=re.escape("Install it: pip install 'hypersweep[ray]'")):
        join(tmp_path, None)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address_of(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


@slow
def test_nothing_listens(tmp_path: Path, listener: socket.socket) -> None:
    listener.close()
    with pytest.raises(PoolError, match=r"no Ray cluster answers at nowhere.invalid:6379: .*; expected the address"):
        join(tmp_path, "nowhere.invalid:6379")
    with pytest.raises(PoolError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: Connection refused; expected"):
        join(tmp_path, "127.0.0.1:1")


@slow
def test_what_listens_does_not_answer(tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypersweep.pool.ray_cluster.ANSWER_TIMEOUT_S", 0.2)
    with pytest.raises(PoolError, match=f"no Ray cluster answers at {address_of(listener)}: timed out; expected"):
        join(tmp_path, address_of(listener))


@slow
def test_what_listens_is_another_server(tmp_path: Path, listener: socket.socket) -> None:
    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(PoolError, match=r"what listens there says b'HTTP/1\.1 '; expected the address"):
        join(tmp_path, address_of(listener))
    thread.join()


@slow
@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("head", r"--ray-address: got 'head'; expected the address .* such as 10\.0\.0\.1:6379.* Name host and port"),
        ("head:x", r"--ray-address: got 'head:x'; expected the address"),
        ("ray://head:10001", r"which is for Ray's client; .*ray start --address"),
        ("auto", r"--ray-address: got 'auto', and no cluster runs here; .*Start one: ray start --head"),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, address: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(PoolError, match=text):
        join(tmp_path, address)


@slow
def test_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = start_cluster()
    with monkeypatch.context() as patch:
        patch.setattr("ray.__version__", "1.0.0")
        with pytest.raises(PoolError, match=r"cannot join the cluster, got .*Version mismatch.*Ray: 1\.0\.0 Python: 3"):
            join(tmp_path, address)
    join(tmp_path, address)


@slow
def test_a_process_that_is_in_a_cluster_already(tmp_path: Path) -> None:
    import ray

    ray.init(address=start_cluster(), log_to_driver=False, logging_level="error")
    try:
        with pytest.raises(PoolError, match=r"this process is in a Ray cluster already; .* Call ray\.shutdown\(\)"):
            join(tmp_path, start_cluster())
        assert ray.is_initialized()
    finally:
        ray.shutdown()


@slow
def test_a_machine_that_is_short_of_memory(tmp_path: Path) -> None:
    """Ray takes this one for full at once, and ends the host before it is ready."""
    from ray.cluster_utils import Cluster

    limits = {**SPARING, "memory_usage_threshold": 0.001, "memory_monitor_refresh_ms": 50}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "_system_config": limits}
    )
    try:
        pool = open_pool(work_of(tmp_path), Resources(pool="ray", ray_address=str(cluster.address)))
        try:
            with pytest.raises(PoolError, match=r"^pool ray: out of memory: Ray ended the worker on node .* got ready"):
                pool.describe()
        finally:
            pool.close()
    finally:
        cluster.shutdown()


@slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_cluster_of_its_own_ends_with_the_controller(tmp_path: Path, signum: int, code: int) -> None:
    sweep = Sweep(tmp_path / "sweep", 6, held_from=2)
    pids = tmp_path / "pids"
    started = start_hypersweep(
        *("run", "--pool", "ray", "--workers", "3", "--threads", "1", "--runner", sweep.runner),
        *("--set", f"traces={sweep.traces}", "--set", "held_from=2"),
        cwd=sweep.folder,
        HYPERSWEEP_TEST_PIDS=str(pids),
        RAY_worker_niceness="0",
    )
    wait_until(lambda: len(sweep.num_executions()) == 5 or started.poll() is not None, "five trials that begin")
    left = descendants(started.pid)
    assert any("raylet" in arguments(pid) for pid in left)
    assert set(map(int, pids.read_text().split())) & set(left), "the trials come from there too"
    started.send_signal(signum)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == code, errors
    wait_until(lambda: not any(map(is_alive, left)), "the end of all it has started", timeout_s=ORPHAN_TIMEOUT_S)
    sweep.go()
    resumed = hypersweep("resume", cwd=sweep.folder, env=environment(RAY_worker_niceness="0"))
    assert resumed.returncode == 0, resumed.stderr
    assert sweep.num_executions() == {0: 1, 1: 1, 2: 2, 3: 2, 4: 2, 5: 1}
    assert sweep.log == unbroken(tmp_path / "unbroken", 6)
