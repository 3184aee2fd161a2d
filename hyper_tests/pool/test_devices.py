"""Which GPUs there are, as told by an nvidia-smi of the test's making, and which of them the trials get."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hyper_tests.pool.gpus import A100, H100, MIG, install_gpus
from hypersweep.errors import PoolError
from hypersweep.pool import Resources
from hypersweep.pool.devices import Device, assign_places, find_devices, find_memory_bytes, read_driver

UUIDS = [line.rpartition("UUID: ")[2].rstrip(")") for line in (A100, H100)]


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    return tmp_path / "bin"


def names(devices: list[Device]) -> list[str]:
    return [device.environment["CUDA_VISIBLE_DEVICES"] for device in devices]


def test_all_that_the_machine_has(bin_dir: Path) -> None:
    devices, told = find_devices(install_gpus(bin_dir, A100, H100))
    assert [(device.name, device.label) for device in devices] == [("cuda:0", "GPU 0"), ("cuda:0", "GPU 1")]
    assert [device.environment for device in devices] == [
        {"CUDA_VISIBLE_DEVICES": str(number), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} for number in (0, 1)
    ], "numbered as nvidia-smi does it"
    assert told == "0 (NVIDIA A100-SXM4-40GB), 1 (NVIDIA H100 80GB HBM3)"


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("1", ["1"]),
        ("1,0", ["1", "0"]),
        (" 1 , 0 ", ["1", "0"]),
        (UUIDS[1], [UUIDS[1]]),
        (f"{UUIDS[1][:9]},0", [UUIDS[1][:9], "0"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,7,1", ["0"]),
        ("GPU-nosuch,0", []),
    ],
)
def test_those_that_the_environment_shows(bin_dir: Path, visible: str, expected: list[str]) -> None:
    devices, _ = find_devices({**install_gpus(bin_dir, A100, H100), "CUDA_VISIBLE_DEVICES": visible})
    assert names(devices) == expected
    assert all("CUDA_DEVICE_ORDER" not in device.environment for device in devices), "the numbers are the user's"


def test_the_parts_of_a_divided_gpu(bin_dir: Path) -> None:
    environment = install_gpus(bin_dir, A100, H100, *MIG)
    devices, _ = find_devices(environment)
    assert names(devices) == ["0", "MIG-11111111-aaaa", "MIG-22222222-bbbb"]
    devices, _ = find_devices({**environment, "CUDA_VISIBLE_DEVICES": "MIG-22222222-bbbb,1"})
    assert names(devices) == ["MIG-22222222-bbbb", "1"]


def test_the_driver_is_asked_where_nvidia_smi_is_missing(tmp_path: Path) -> None:
    for bus, model in (("0000:81:00.0", "NVIDIA A100"), ("0000:41:00.0", "NVIDIA H100")):
        folder = tmp_path / bus
        folder.mkdir()
        (folder / "information").write_text(
            f"Model: \t\t {model}\nIRQ:   \t\t 0\nGPU UUID: \t GPU-{model[-4:]}\nDevice Minor: \t 0\n"
        )
    listed = read_driver(tmp_path)
    assert [(gpu.names, gpu.model) for gpu in listed] == [
        (("0", "GPU-H100"), "NVIDIA H100"),
        (("1", "GPU-A100"), "NVIDIA A100"),
    ], "in the order of their buses"
    assert read_driver(tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("gpus", "told"),
    [
        ("all", "--gpus: got 'all', and there is no GPU: nvidia-smi -L says 'No devices were found'; expected one"),
        ("0", "--gpus: got '0', and there is no GPU: nvidia-smi -L says 'No devices were found'; expected one"),
    ],
)
def test_no_gpu_there(bin_dir: Path, gpus: str, told: str) -> None:
    with pytest.raises(PoolError, match=f"^{told}"):
        assign_places(Resources(gpus=gpus), install_gpus(bin_dir, "No devices were found"))


def test_no_nvidia_smi_there(tmp_path: Path) -> None:
    with pytest.raises(
        PoolError, match=r"there is no GPU: nvidia-smi is not on the PATH; expected one\. Use --gpus none"
    ):
        assign_places(Resources(gpus="all"), {"PATH": str(tmp_path)})


def test_an_nvidia_smi_that_fails(bin_dir: Path) -> None:
    environment = install_gpus(bin_dir, script="echo 'NVIDIA-SMI has failed' >&2; exit 9")
    with pytest.raises(PoolError, match="there is no GPU: nvidia-smi -L says 'NVIDIA-SMI has failed'"):
        assign_places(Resources(gpus="all"), environment)


def test_none_shown(bin_dir: Path) -> None:
    environment = {**install_gpus(bin_dir, A100), "CUDA_VISIBLE_DEVICES": ""}
    told = r"CUDA_VISIBLE_DEVICES is '', and the machine has 0 \(NVIDIA A100-SXM4-40GB\); expected one"
    with pytest.raises(PoolError, match=told):
        assign_places(Resources(gpus="all"), environment)


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        (
            Resources(gpus="0,2"),
            r"--gpus: there is no GPU 2, got '0,2'; expected some of 0 \(NVIDIA A100-SXM4-40GB\), 1 \(NVIDIA H100",
        ),
        (Resources(gpus="0,0"), "--gpus: got '0,0'; expected each number once. For several .* --trials-per-gpu"),
        (Resources(gpus="two"), "--gpus: got 'two'; expected all, none, or numbers such as 0,1"),
        (Resources(gpus=""), "--gpus: got ''; expected all, none"),
        (Resources(gpus="-1"), "--gpus: got '-1'; expected all, none"),
        (Resources(gpus="all", trials_per_gpu=0), "--trials-per-gpu: got 0; expected at least 1"),
        (Resources(trials_per_gpu=2), "--trials-per-gpu: got 2 without a GPU to share; expected --gpus as well"),
        (Resources(gpus="none", trials_per_gpu=2), "--trials-per-gpu: got 2 without a GPU to share"),
        (
            Resources(gpus="all", workers=5, trials_per_gpu=2),
            r"--workers: got 5; expected at most 4 \(2 GPUs, --trials-per-gpu 2\). Raise --trials-per-gpu, or leave",
        ),
        (Resources(gpus="1", workers=2), r"--workers: got 2; expected at most 1 \(1 GPUs, --trials-per-gpu 1\)"),
    ],
)
def test_what_cannot_be_had(bin_dir: Path, resources: Resources, told: str) -> None:
    with pytest.raises(PoolError, match=f"^{told}"):
        assign_places(resources, install_gpus(bin_dir, A100, H100))


@pytest.mark.parametrize(
    ("resources", "num_slots"),
    [
        (Resources(), 1),
        (Resources(workers=7), 7),
        (Resources(gpus="none"), 1),
        (Resources(gpus="none", workers=3), 3),
        (Resources(gpus="all"), 2),
        (Resources(gpus="all", trials_per_gpu=3), 6),
        (Resources(gpus="all", trials_per_gpu=3, workers=4), 4),
        (Resources(gpus="1", trials_per_gpu=3), 3),
    ],
)
def test_as_many_at_once_as_there_are_places(bin_dir: Path, resources: Resources, num_slots: int) -> None:
    assert assign_places(resources, install_gpus(bin_dir, A100, H100)).num_slots == num_slots


def test_a_freed_place_goes_to_the_next_trial_and_the_load_is_even(bin_dir: Path) -> None:
    places = assign_places(Resources(gpus="all", trials_per_gpu=2), install_gpus(bin_dir, A100, H100))
    taken = [places.take() for _ in range(4)]
    assert [device.label for device in taken] == ["GPU 0", "GPU 1", "GPU 0", "GPU 1"]
    places.give_back(taken[1])
    assert places.take().label == "GPU 1"
    for device in (taken[0], taken[2], taken[3]):
        places.give_back(device)
    assert [places.take().label for _ in range(3)] == ["GPU 0", "GPU 0", "GPU 1"]


def test_nothing_is_asked_where_nothing_is_assigned(bin_dir: Path) -> None:
    environment = install_gpus(bin_dir, script="touch asked")
    assert assign_places(Resources(), environment).take().environment == {}
    hidden = assign_places(Resources(gpus="none"), environment).take()
    assert (hidden.name, hidden.label, hidden.environment) == ("cpu", "", {"CUDA_VISIBLE_DEVICES": ""})
    assert not os.path.exists("asked")


@pytest.mark.skipif(sys.platform == "darwin", reason="MPS")
def test_the_memory_of_the_smallest_gpu_is_shared_by_its_batches(tmp_path: Path) -> None:
    script = '[ "$1" = -L ] && echo "' + A100 + '" || printf "81920\\n40960\\n"'
    listing = install_gpus(tmp_path / "bin", script=script)
    auto = Resources(batch_trials="auto")
    assert find_memory_bytes(auto, listing) == 40 << 30
    assert find_memory_bytes(replace(auto, trials_per_gpu=2), listing) == 20 << 30
    assert find_memory_bytes(replace(auto, gpus="none"), listing) is None
    assert find_memory_bytes(auto, {**listing, "CUDA_VISIBLE_DEVICES": ""}) is None
    assert find_memory_bytes(Resources(batch_trials=4), listing) is None, "nobody needs it"
    assert find_memory_bytes(auto, install_gpus(tmp_path / "parts", A100, *MIG)) is None
    assert find_memory_bytes(auto, {"PATH": str(tmp_path)}) is None
