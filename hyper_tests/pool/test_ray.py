"""Pool `ray` on a cluster of two nodes: room, GPUs, code, checkpoints, preparation, losses."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.contracts import runners as contract_runners
from hyper_tests.contracts.pools import collect, outcomes, trial
from hyper_tests.pool import runners
from hyper_tests.pool.nodes import Nodes, Sweep
from hyper_tests.processes import is_alive, wait_until
from hypersweep.errors import DataError, PoolError
from hypersweep.events import Event, TrialPlaced
from hypersweep.launch import SweepInterrupted, resume, sweep
from hypersweep.place import Place
from hypersweep.pool import Resources, Work, open_pool
from hypersweep.runner import RunnerReference
from hypersweep.trial import Finished, Interrupted, Result

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    nodes = Nodes()
    nodes.add("one", num_cpus=2)
    nodes.add("two", num_cpus=4, num_gpus=2)
    yield nodes
    nodes.close()


def work_of(folder: Path, runner: str, threads: int = 1) -> Work:
    return Work(
        reference=RunnerReference.parse(f"{contract_runners.__file__}:{runner}", Path.cwd()),
        settings={"told": str(folder / "told")},
        varied={},
        threads=threads,
        place=Place.of(folder, "hyper"),
    )


def resources(cluster: Nodes, **options: object) -> Resources:
    return Resources(**{"pool": "ray", "ray_address": cluster.address, "gpus_per_trial": 0, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(("gpus", "num_slots"), [(0, 6), (1, 2), (0.5, 4), (2, 1)])
def test_there_are_as_many_slots_as_room(cluster: Nodes, tmp_path: Path, gpus: float, num_slots: int) -> None:
    pool = open_pool(work_of(tmp_path, "square"), resources(cluster, gpus_per_trial=gpus))
    try:
        assert pool.num_slots == num_slots
    finally:
        pool.close()


def test_what_there_is_no_room_for_waits(cluster: Nodes, tmp_path: Path) -> None:
    """With a number of workers that is larger than the cluster; what waits is interrupted at once."""
    pool = open_pool(work_of(tmp_path, "sleep", threads=2), resources(cluster, workers=4))
    try:
        pool.describe()
        assert pool.num_slots == 4
        for number in range(4):
            pool.submit([trial(number)])
        wait_until(lambda: pool.wait(0.01) is None or len(list(tmp_path.glob("begun-*"))) == 3, "three of four")
        assert outcomes(pool.stop(5.0)) == dict.fromkeys(range(4), Interrupted())
        assert len(list(tmp_path.glob("begun-*"))) == len(list(tmp_path.glob("ended-*"))) == 3
    finally:
        pool.close()


def test_room_that_is_not_needed_is_given_back(cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from hypersweep.pool import ray as ray_pool

    monkeypatch.setattr(ray_pool, "IDLE_S", 0.1)
    monkeypatch.setattr(ray_pool, "LOOK_INTERVAL_S", 0.1)
    pool = open_pool(work_of(tmp_path, "square"), resources(cluster))
    try:
        pool.describe()
        pool.submit([trial(0)])
        assert ray.cluster_resources()["CPU"] == 6
        assert outcomes(collect(pool, 1)) == {0: Finished(Result(valid={"square": 0, "seed": 2020}))}
        wait_until(lambda: pool.wait(0.05) is None or ray.available_resources().get("CPU") == 6, "the room")
        pool.submit([trial(1)])
        assert outcomes(collect(pool, 1)) == {1: Finished(Result(valid={"square": 1, "seed": 2020}))}
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("options", "threads", "text"),
    [
        ({}, 9, r"no machine has room for a trial, got .*one with 2 CPUs.*; expected 9 CPUs on one machine"),
        ({"gpus_per_trial": 4}, 1, r"expected 1 CPU, 4 GPUs on one machine"),
        ({"gpus_per_trial": None}, 1, r"--gpus-per-trial: not given, and the cluster has 2 GPUs"),
    ],
)
def test_resources_that_cannot_be(
    cluster: Nodes, tmp_path: Path, options: dict[str, object], threads: int, text: str
) -> None:
    with pytest.raises(PoolError, match=text):
        open_pool(work_of(tmp_path, "square", threads), resources(cluster, **options))


@pytest.mark.parametrize(
    ("share", "seen"), [(0.5, {"cuda:0 0": 2, "cuda:0 1": 2}), (2, {"cuda:0 0,1": 1}), (0, {"cpu ": 6})]
)
def test_each_trial_sees_its_gpus_only(cluster: Nodes, tmp_path: Path, share: float, seen: dict[str, int]) -> None:
    num_slots = sum(seen.values())
    told = Sweep(tmp_path, num_slots, runners.show_gpus)

    def let_go(sweep: Sweep, event: Event) -> None:
        if list(sweep.running().values()).count("") == 0 and len(sweep.running()) == num_slots:
            sweep.go()

    told.run(let_go, pool="ray", ray_address=cluster.address, gpus_per_trial=share).close()
    devices = [path.read_text() for path in told.traces.glob("devices-*")]
    assert Counter(devices) == seen
    if share == 0.5:
        assert told.used_nodes() == {"node two, GPU 0", "node two, GPU 1"}


@pytest.mark.parametrize("is_shared", [True, False], ids=["shared", "not shared"])
def test_a_lost_trial_goes_on_from_a_shared_checkpoint(cluster: Nodes, tmp_path: Path, is_shared: bool) -> None:
    counting = Sweep(tmp_path / "sweep", 1, runners.count)
    shared = tmp_path / "shared"
    shared.mkdir()

    def kill_host(sweep: Sweep, event: Event) -> None:
        if isinstance(event, TrialPlaced) and not (sweep.traces / "go").exists():
            wait_until(lambda: _steps(sweep).endswith("5 "), "the fifth step")
            left = cluster.kill_host(event.where.removeprefix("node "))
            wait_until(lambda: not any(map(is_alive, left)), "the end of the lost trial")
            sweep.go()

    options = {"shared": str(shared)} if is_shared else {}
    counting.run(kill_host, pool="ray", ray_address=cluster.address, gpus_per_trial=0, **options).close()
    before = "" if is_shared else "1 2 3 4 5 "
    assert _steps(counting) == before + "1 2 3 4 5 6 7 8 9 10 "
    whence = "its last checkpoint, if it wrote any" if is_shared else "its beginning: --shared is not set"
    assert f"was lost; the trial is run again, from {whence}\n" in counting.trial_log(0)
    assert (counting.trial_folder(0) / "result.txt").read_text() == "counted"
    assert (shared in counting.trial_folder(0).resolve().parents) == is_shared


@pytest.mark.parametrize("is_shared", [True, False], ids=["shared", "not shared"])
def test_a_stopped_trial_goes_on_from_its_checkpoint(cluster: Nodes, tmp_path: Path, is_shared: bool) -> None:
    counting = Sweep(tmp_path / "sweep", 1, runners.count)
    shared = tmp_path / "shared"
    shared.mkdir()

    def stop(sweep: Sweep, event: Event) -> None:
        if isinstance(event, TrialPlaced):
            wait_until(lambda: _steps(sweep).endswith("5 "), "the fifth step")
            os.kill(os.getpid(), signal.SIGINT)

    options = {"shared": str(shared)} if is_shared else {}
    with pytest.raises(SweepInterrupted, match="go on with: hypersweep resume"):
        counting.run(stop, pool="ray", ray_address=cluster.address, gpus_per_trial=0, **options)
    assert (counting.trial_folder(0) / "checkpoint" / "step").read_text() == "5"
    counting.go()
    resume(counting.folder).close()
    assert _steps(counting) == "1 2 3 4 5 6 7 8 9 10 "
    assert (counting.trial_folder(0) / "checkpoint" / "step").read_text() == "10", "that of the best trial is kept"


def _steps(sweep: Sweep) -> str:
    path = sweep.traces / "steps-0"
    return path.read_text() if path.exists() else ""


def test_data_is_prepared_once_on_each_node(cluster: Nodes, tmp_path: Path) -> None:
    told = Sweep(tmp_path, 12, runners.with_data)
    told.run(pool="ray", ray_address=cluster.address, gpus_per_trial=0).close()
    assert told.used_nodes() == {"node one", "node two"}
    prepared = {path.name for path in told.traces.glob("prepared-*")}
    assert len(prepared) == 2
    assert Counter((told.traces / "used").read_text().split()).keys() == prepared


def test_a_node_that_cannot_prepare_the_data_is_told(
    cluster: Nodes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = Sweep(tmp_path, 12, runners.with_data, max_prepared=1)
    with pytest.raises(DataError, match=r"^node (one|two): ml-1m: there is no such data set; expected one. Get it$"):
        told.run(pool="ray", ray_address=cluster.address, gpus_per_trial=0)
    errors = capfd.readouterr().err
    for path in told.traces.glob("prepared-*"):
        assert f": preparing {path.name}\n" in errors


def test_a_trial_that_takes_its_host_along_fails_in_the_end(cluster: Nodes, tmp_path: Path) -> None:
    told = Sweep(tmp_path, 4, runners.kill_host)
    with told.run(pool="ray", ray_address=cluster.address, gpus_per_trial=0) as study:
        assert study.counts()["finished"] == 3
        (failed,) = study.trials("failed")
    assert failed.trial.number == 1
    assert failed.error is not None
    assert failed.error.startswith("the worker on node ")
    assert failed.error.endswith(" was lost, 3 times with this trial on it")


def test_the_code_travels(cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    (project / "train.py").write_text(
        "import os, hypersweep, steps\n"
        "def run(params, trial):\n"
        "    print(os.getcwd(), hypersweep.__file__, sep='\\n')\n"
        "    return float(open('config').read()) + steps.SIZE\n"
    )
    (project / "steps.py").write_text("SIZE = 1\n")
    (project / "config").write_text("0.5")
    (project / "hyper.test").write_text("x choice [1]\n")
    with sweep("hyper.test", runner="train.py:run", pool="ray", ray_address=cluster.address, gpus_per_trial=0) as study:
        best = study.best()
    assert best is not None
    assert best.result == Result(valid={"score": 1.5}, score=1.5, bigger=True)
    told = (project / "hyper.sweep/trials/00/0000/log.txt").read_text().splitlines()
    folder, package = map(Path, told)
    assert package.is_relative_to(folder.with_name("packages"))
    assert not folder.parent.exists(), "it is removed at the end"


def test_code_that_cannot_be_set_up(cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypersweep.pool.ray.pack", lambda code: b"no parcel")
    pool = open_pool(work_of(tmp_path, "square"), resources(cluster))
    try:
        with pytest.raises(PoolError, match=r"the code cannot be set up on node \w+: .*ReadError.*; expected room"):
            pool.describe()
    finally:
        pool.close()


def test_commands_travel(cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.sh").write_text("#!/bin/sh\necho trained with $1\necho '{\"score\": 0.5}'\n")
    (tmp_path / "train.sh").chmod(0o755)
    (tmp_path / "hyper.test").write_text("x choice [1]\n")
    options = {"pool": "ray", "ray_address": cluster.address, "gpus_per_trial": 0}
    sweep("hyper.test", command="./train.sh {x}", **options).close()  # type: ignore[arg-type]
    assert (tmp_path / "hyper.sweep/trials/00/0000/log.txt").read_text().startswith("trained with 1\n")
