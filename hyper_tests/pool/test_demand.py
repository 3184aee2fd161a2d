"""What a trial takes of a machine, and where there is room for it."""

from __future__ import annotations

import re

import pytest

from hypersweep.errors import PoolError
from hypersweep.pool import Resources
from hypersweep.pool.demand import Demand, Node, check_room, choose_demand


def node(name: str = "10.0.0.7", /, **resources: float) -> Node:
    return Node(id=name, name=name, resources=resources)


@pytest.mark.parametrize(
    ("demand", "resources", "room"),
    [
        (Demand(1, 0), {"CPU": 4}, 4),
        (Demand(3, 0), {"CPU": 8}, 2),
        (Demand(1, 0), {}, 0),
        (Demand(1, 1), {"CPU": 8, "GPU": 2}, 2),
        (Demand(8, 1), {"CPU": 8, "GPU": 2}, 1),
        (Demand(1, 2), {"CPU": 8, "GPU": 3}, 1),
        (Demand(1, 1), {"CPU": 8}, 0),
        (Demand(1, 0.5), {"CPU": 8, "GPU": 2}, 4),
        (Demand(1, 0.1), {"CPU": 80, "GPU": 1}, 10),
        pytest.param(Demand(1, 0.4), {"CPU": 8, "GPU": 3}, 6, id="a share is of one GPU"),
    ],
)
def test_how_many_trials_a_machine_takes(demand: Demand, resources: dict[str, float], room: int) -> None:
    assert demand.count_room(Node("7", "10.0.0.7", resources)) == room


def test_the_demand_is_threads_and_gpus() -> None:
    assert choose_demand(4, Resources(gpus_per_trial=0.5)).resources == {"CPU": 4, "GPU": 0.5}
    assert choose_demand(4, Resources()).resources == {"CPU": 4}


@pytest.mark.parametrize("gpus", [-1.0, 1.5, float("nan"), float("inf")])
def test_gpus_that_no_trial_can_have(gpus: float) -> None:
    with pytest.raises(PoolError, match=rf"^--gpus-per-trial: got {gpus:g}; expected a share such as 0.5, or a whole"):
        choose_demand(1, Resources(gpus_per_trial=gpus))


@pytest.mark.parametrize("resources", [Resources(gpus="0,1"), Resources(gpus="all"), Resources(trials_per_gpu=2)])
def test_options_of_pool_local(resources: Resources) -> None:
    with pytest.raises(PoolError, match=r"^--gpus, --trials-per-gpu: .*Use --gpus-per-trial 1, or a share such as 0.5"):
        choose_demand(1, resources)


def test_a_machine_with_room_is_enough() -> None:
    check_room([node(CPU=1), node(CPU=4, GPU=1)], Demand(2, 1), Resources(gpus_per_trial=1))


@pytest.mark.parametrize(
    ("nodes", "demand", "text"),
    [
        (
            [node(CPU=4), node("10.0.0.8", CPU=4)],
            Demand(8, 0),
            "no machine has room for a trial, got 10.0.0.7 with 4 CPUs; 10.0.0.8 with 4 CPUs; expected 8 CPUs on one",
        ),
        ([node(CPU=1)], Demand(1, 0.5), "got 10.0.0.7 with 1 CPU; expected 1 CPU, 0.5 GPU on one machine"),
        ([node()], Demand(1, 0), "got 10.0.0.7 with no CPU; expected 1 CPU"),
    ],
)
def test_no_room(nodes: list[Node], demand: Demand, text: str) -> None:
    with pytest.raises(PoolError, match=re.escape(text)):
        check_room(nodes, demand, Resources(gpus_per_trial=demand.gpus))


def test_what_becomes_of_gpus_must_be_said() -> None:
    nodes = [node(CPU=4, GPU=2), node("b", CPU=4, GPU=2)]
    with pytest.raises(PoolError, match=r"^--gpus-per-trial: not given, and the cluster has 4 GPUs; expected how many"):
        check_room(nodes, Demand(1, 0), Resources())
    check_room(nodes, Demand(1, 0), Resources(gpus_per_trial=0))
    check_room(nodes, Demand(1, 0), Resources(gpus="none"))
