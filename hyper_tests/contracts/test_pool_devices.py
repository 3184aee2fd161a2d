"""What the pools of this machine promise of devices, with GPUs as `hyper_tests/pool/gpus.py` makes them up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.contracts import runners
from hyper_tests.contracts.pools import collect, command, log_of, opened, outcomes, run_one, trial
from hyper_tests.pool.gpus import A100, H100, install_gpus
from hyper_tests.processes import wait_until
from hypersweep.errors import PoolError
from hypersweep.place import Place
from hypersweep.pool import Placed, Pool, PoolEvent
from hypersweep.runner import RunnerReference
from hypersweep.trial import Finished, Result

DONE = Finished(Result(valid={"score": 1.0}))

on_this_machine = pytest.mark.parametrize("name", ["local", "inline"])


@pytest.fixture(autouse=True)
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")  # so that what pool inline sets for good is undone
        monkeypatch.delenv(name)
    for name, value in install_gpus(tmp_path / "bin", A100, H100).items():
        monkeypatch.setenv(name, value)
    yield


def told_device(place: Place, number: int) -> dict[str, Any]:
    path = place.log.with_name(f"device-{number}")
    wait_until(path.exists, f"trial {number}")
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def let_end(place: Place, *numbers: int) -> None:
    for number in numbers:
        place.log.with_name(f"go-{number}").touch()


def places(events: list[PoolEvent]) -> dict[int, str]:
    return {event.number: event.where for event in events if isinstance(event, Placed)}


def run_at_once(pool: Pool, place: Place, numbers: range) -> tuple[list[str], list[PoolEvent]]:
    """What each of these trials sees while all of them run, and the events of a whole life."""
    for number in numbers:
        pool.submit([trial(number)])
    told = [told_device(place, number) for number in numbers]
    let_end(place, *numbers)
    events = collect(pool, len(numbers))
    assert outcomes(events) == dict.fromkeys(numbers, DONE)
    assert {says["device"] for says in told} == {"cuda:0"}, "a trial's own is the first that it sees"
    return [says["visible"] for says in told], events


def test_trials_at_once_have_devices_of_their_own(place: Place) -> None:
    with opened("local", place, runners.tell_device, workers=None, resources={"gpus": "all"}) as pool:
        assert pool.num_slots == 2
        visible, events = run_at_once(pool, place, range(2))
    assert visible == ["0", "1"]
    assert places(events) == {0: "GPU 0", 1: "GPU 1"}


def test_trials_may_share_a_device(place: Place) -> None:
    resources = {"gpus": "all", "trials_per_gpu": 2}
    with opened("local", place, runners.tell_device, workers=None, resources=resources) as pool:
        assert pool.num_slots == 4
        visible, _ = run_at_once(pool, place, range(4))
    assert visible == ["0", "1", "0", "1"]


def test_a_freed_device_goes_to_the_next_trial(place: Place) -> None:
    with opened("local", place, runners.tell_device, workers=None, resources={"gpus": "all"}) as pool:
        for number in (0, 1):
            pool.submit([trial(number)])
        for number, freed in ((2, 1), (3, 2), (4, 0)):
            let_end(place, freed)
            assert list(outcomes(collect(pool, 1))) == [freed]
            pool.submit([trial(number)])
        assert [told_device(place, number)["visible"] for number in range(5)] == ["0", "1", "1", "1", "0"]


def test_a_device_is_free_again_after_a_crash(place: Place) -> None:
    with opened("local", place, runners.exit_3, workers=None, resources={"gpus": "all"}) as pool:
        for number in range(3):
            pool.submit([trial(number)])
            assert places(collect(pool, 1)) == {number: "GPU 0"}


@on_this_machine
def test_those_that_are_named(name: str, place: Place) -> None:
    let_end(place, 0)
    with opened(name, place, runners.tell_device, resources={"gpus": "1"}) as pool:
        pool.submit([trial(0)])
        events = collect(pool, 1)
    assert told_device(place, 0) == {"device": "cuda:0", "visible": "1"}
    assert places(events) == {0: "GPU 1"}


@on_this_machine
def test_none_hides_them(name: str, place: Place) -> None:
    let_end(place, 0)
    with opened(name, place, runners.tell_device, resources={"gpus": "none"}) as pool:
        pool.submit([trial(0)])
        events = collect(pool, 1)
    assert told_device(place, 0) == {"device": "cpu", "visible": ""}
    assert places(events) == {}


def test_none_hides_them_from_the_import_of_the_runner_as_well(place: Place, tmp_path: Path) -> None:
    """Where it may settle, once for all trials, what they compute on."""
    (tmp_path / "train.py").write_text(
        "import os\nvisible = os.environ.get('CUDA_VISIBLE_DEVICES')\ndef f(params): return float(visible == '')\n"
    )
    runner = RunnerReference.parse("train.py:f", tmp_path)
    assert run_one("local", place, runner, resources={"gpus": "none"}) == DONE


@on_this_machine
def test_nothing_asked_is_nothing_assigned(name: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    let_end(place, 0)
    with opened(name, place, runners.tell_device) as pool:
        pool.submit([trial(0)])
        events = collect(pool, 1)
    assert told_device(place, 0) == {"device": None, "visible": "1,0"}
    assert places(events) == {}


@on_this_machine
def test_a_command_sees_its_device(name: str, place: Place, tmp_path: Path) -> None:
    telling = command("echo sees $CUDA_VISIBLE_DEVICES; echo 1", tmp_path)
    with opened(name, place, telling, resources={"gpus": "1"}) as pool:
        pool.submit([trial(0)])
        assert outcomes(collect(pool, 1)) == {0: DONE}
    assert "sees 1\n" in log_of(place)


@on_this_machine
def test_a_device_that_is_not_there(name: str, place: Place) -> None:
    with (
        pytest.raises(PoolError, match="--gpus: there is no GPU 2"),
        opened(name, place, runners.square, resources={"gpus": "2"}),
    ):
        pass
