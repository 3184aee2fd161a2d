"""Pool `ray` while the nodes of a real cluster come, go and are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.pool.nodes import Nodes, Sweep, unbroken
from hyper_tests.processes import is_alive, wait_until
from hypersweep.events import Event, TrialPlaced

pytestmark = pytest.mark.slow
NUM_TRIALS = 24
DURATION_S = 0.3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    nodes.close()


@pytest.fixture
def nodes(cluster: Nodes) -> Iterator[Nodes]:
    yield cluster
    cluster.remove_all()


def test_a_node_that_dies_loses_what_ran_there_and_nothing_else(nodes: Nodes, tmp_path: Path) -> None:
    nodes.add("one")
    nodes.add("two")
    lost: set[int] = set()

    def kill_in_the_middle(sweep: Sweep, event: Event) -> None:
        where = sweep.running()
        if not lost and sweep.num_ended() >= 6 and "node two" in where.values():
            lost.update(number for number, node in where.items() if node != "node one")
            nodes.kill("two")

    sweep = Sweep(tmp_path / "sweep", NUM_TRIALS, duration_s=DURATION_S)
    with sweep.run(kill_in_the_middle, pool="ray", ray_address=nodes.address) as study:
        assert study.counts()["finished"] == NUM_TRIALS
    assert lost
    executions = sweep.num_executions()
    assert set(executions) == set(range(NUM_TRIALS))
    again = {number for number, count in executions.items() if count > 1}
    assert again
    assert again <= lost
    for number in again:
        note = "node two was lost; the trial is run again, from its beginning: --shared is not set\n"
        assert note in sweep.trial_log(number)
    assert sweep.log == unbroken(tmp_path / "unbroken", NUM_TRIALS)


def test_a_worker_that_is_killed_takes_its_trials_along_and_they_run_again(nodes: Nodes, tmp_path: Path) -> None:
    nodes.add("one")
    lost: set[int] = set()
    left: list[int] = []

    def kill_in_the_middle(sweep: Sweep, event: Event) -> None:
        if not lost and sweep.num_ended() >= 6 and isinstance(event, TrialPlaced):
            lost.update(sweep.running())
            left.extend(nodes.kill_host("one"))

    sweep = Sweep(tmp_path / "sweep", NUM_TRIALS, duration_s=DURATION_S)
    with sweep.run(kill_in_the_middle, pool="ray", ray_address=nodes.address) as study:
        assert study.counts()["finished"] == NUM_TRIALS
    assert left
    wait_until(lambda: not any(map(is_alive, left)), "the end of what the worker had started")
    executions = sweep.num_executions()
    assert set(executions) == set(range(NUM_TRIALS))
    assert {number for number, count in executions.items() if count > 1} <= lost
    assert any("the worker on node one was lost" in sweep.trial_log(number) for number in lost)
    assert sweep.log == unbroken(tmp_path / "unbroken", NUM_TRIALS)


def test_a_node_that_joins_is_used(nodes: Nodes, tmp_path: Path) -> None:
    nodes.add("one")
    sweep = Sweep(tmp_path / "sweep", 6, held_from=0)

    def add_one_more(sweep: Sweep, event: Event) -> None:
        if (
            isinstance(event, TrialPlaced)
            and list(sweep.running().values()).count("node one") == 2
            and "two" not in nodes.nodes
        ):
            nodes.add("two", num_cpus=3)
        if len([node for node in sweep.running().values() if node]) == 5:
            sweep.go()

    with sweep.run(add_one_more, pool="ray", ray_address=nodes.address) as study:
        assert study.counts()["finished"] == 6
    assert sweep.used_nodes() == {"node one", "node two"}
    assert set(sweep.num_executions().values()) == {1}
