"""Which devices the trials of this machine compute on (`--gpus`, `--trials-per-gpu`), found without touching CUDA."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypersweep.errors import PoolError
from hypersweep.pool.resources import Resources

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")
# With it torch.cuda.is_available() at the import of a runner does not initialise CUDA, which trials forked from there
# could not do again.
FORK_SAFE = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
LISTING_TIMEOUT_S = 60.0  # a driver that has to be loaded first takes seconds
HAS_MPS = sys.platform == "darwin" and platform.machine() == "arm64"

_LISTED = re.compile(r"^(?:GPU (?P<index>\d+)|\s+(?P<part>MIG).*): (?P<model>.*?) *\(UUID: (?P<uuid>[^)]+)\)", re.M)


@dataclass(frozen=True, eq=False)
class Device:
    """`name` is the device within a trial, as torch has it (`cuda:0`); None: the runner's choice. `label` is for people
    (`GPU 1`). `environment` is what a trial's process must have set before it looks for devices."""

    name: str | None = None
    label: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


class Places:
    """`num_slots` places for trials on the devices."""

    def __init__(self, devices: Sequence[Device], num_slots: int) -> None:
        self.devices = devices
        self.num_slots = num_slots
        self.num_running: Counter[Device] = Counter()

    @property
    def common_environment(self) -> Mapping[str, str]:
        """What all trials must have set: so must the process that imports the runner, which may look for devices."""
        return self.devices[0].environment if len(self.devices) == 1 else {}

    def take(self) -> Device:
        """The device for one more trial: the one with the fewest, of equals the first."""
        device = min(self.devices, key=lambda device: self.num_running[device])
        self.num_running[device] += 1
        return device

    def give_back(self, device: Device) -> None:
        self.num_running[device] -= 1


def assign_places(resources: Resources, environment: Mapping[str, str] = os.environ) -> Places:
    """The places that the resources ask for; raises `PoolError` if they cannot be had."""
    workers, per_gpu = resources.workers, resources.trials_per_gpu
    if per_gpu < 1:
        raise PoolError(f"--trials-per-gpu: got {per_gpu}; expected at least 1. Give a positive number")
    if resources.gpus in (None, "none"):
        if per_gpu > 1:
            raise PoolError(
                f"--trials-per-gpu: got {per_gpu} without a GPU to share; expected --gpus as well. Add --gpus all"
            )
        is_hidden = resources.gpus == "none"
        return Places([Device("cpu", environment={VISIBLE: ""}) if is_hidden else Device()], workers or 1)
    devices = choose_devices(str(resources.gpus), environment)
    num_places = len(devices) * per_gpu
    if workers is not None and workers > num_places:
        raise PoolError(
            f"--workers: got {workers}; expected at most {num_places} ({len(devices)} GPUs, --trials-per-gpu "
            f"{per_gpu}). Raise --trials-per-gpu, or leave --workers out"
        )
    return Places(devices, workers or num_places)


def choose_devices(text: str, environment: Mapping[str, str]) -> list[Device]:
    """The devices that `--gpus TEXT` names: `all`, or numbers as torch counts the GPUs that the environment shows."""
    if text != "all" and not re.fullmatch(r"\d+(,\d+)*", text):
        raise PoolError(f"--gpus: got {text!r}; expected all, none, or numbers such as 0,1. Name them so")
    shown, told = find_devices(environment)
    if not shown:
        raise PoolError(f"--gpus: got {text!r}, and there is no GPU: {told}; expected one. Use --gpus none")
    if text == "all":
        return shown
    numbers = [int(number) for number in text.split(",")]
    if len(set(numbers)) < len(numbers):
        raise PoolError(
            f"--gpus: got {text!r}; expected each number once. For several trials at once on a GPU: --trials-per-gpu"
        )
    for number in numbers:
        if number >= len(shown):
            raise PoolError(f"--gpus: there is no GPU {number}, got {text!r}; expected some of {told}. Name those")
    return [shown[number] for number in numbers]


def find_devices(environment: Mapping[str, str]) -> tuple[list[Device], str]:
    """The GPUs that a process with this environment would see, and in words what was found or looked for."""
    if HAS_MPS:
        return [Device("mps", "GPU 0")], "0 (MPS)"
    listed, told = _list_gpus(environment)
    visible = environment.get(VISIBLE)
    if listed and visible is not None:
        told = f"{VISIBLE} is {visible!r}, and the machine has {told}"
    if visible is None:
        chosen = [(gpu, gpu.names[0]) for gpu in listed]
        order = {} if ORDER in environment else {ORDER: "PCI_BUS_ID"}  # that of nvidia-smi
    else:
        chosen, order = list(_select(listed, visible)), {}
    if chosen:
        told = ", ".join(f"{number} ({gpu.model})" for number, (gpu, _) in enumerate(chosen))
    return [
        Device("cuda:0", f"GPU {number}", {VISIBLE: name, **order}) for number, (_, name) in enumerate(chosen)
    ], told


def find_memory_bytes(resources: Resources, environment: Mapping[str, str] = os.environ) -> int | None:
    """The memory that a batch of trials may have of a GPU, the smallest of the machine; None if the trials compute on
    none, nobody can say, or `--batch-trials auto`, which alone needs it, is not given."""
    if resources.batch_trials != "auto" or resources.gpus == "none" or HAS_MPS:
        return None
    shown, told = find_devices(environment)
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None or not shown or "MIG" in told:  # of a part no memory is told in this form
        return None
    try:
        done = _run(program, environment, "--query-gpu=memory.total", "--format=csv,noheader,nounits")
    except (OSError, subprocess.TimeoutExpired):
        return None
    sizes_mib = [int(line) for line in done.stdout.split() if line.isdigit()]
    return (min(sizes_mib) << 20) // resources.trials_per_gpu if sizes_mib else None


@dataclass(frozen=True)
class _Gpu:
    """`names` are those that CUDA_VISIBLE_DEVICES may hold: its number and its UUID. One that is divided (MIG) is
    listed by its parts, of which CUDA takes the first where the whole is named."""

    names: tuple[str, ...]
    model: str


def _list_gpus(environment: Mapping[str, str]) -> tuple[list[_Gpu], str]:
    """All GPUs of the machine, in the order of their buses, and in words what was found or looked for."""
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None:
        listed = read_driver(DRIVER_FOLDER)
        return listed, _tell(listed) or "nvidia-smi is not on the PATH"
    try:
        done = _run(program, environment, "-L")
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"nvidia-smi -L does not answer ({error})"
    listed = _parse_listing(done.stdout)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return listed, _tell(listed) or f"nvidia-smi -L says {(lines or ['nothing'])[0]!r}"


def _run(program: str, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LISTING_TIMEOUT_S,
    )


def _parse_listing(text: str) -> list[_Gpu]:
    listed: list[_Gpu] = []
    whole: _Gpu | None = None
    for match in _LISTED.finditer(text):
        if match["index"]:
            whole = _Gpu((match["index"], match["uuid"]), match["model"])
            listed.append(whole)
        elif listed and listed[-1] is whole:
            listed[-1] = _Gpu((match["uuid"], *whole.names), f"{whole.model}, MIG")
        elif whole is not None:
            listed.append(_Gpu((match["uuid"],), f"{whole.model}, MIG"))
    return listed


def read_driver(folder: Path) -> list[_Gpu]:
    """Where nvidia-smi is not installed: what the driver shows, a folder for each bus."""
    listed: list[_Gpu] = []
    for path in sorted(folder.glob("*/information")):
        told = dict(line.split(":", 1) for line in path.read_text(errors="replace").splitlines() if ":" in line)
        uuid = told.get("GPU UUID", "").strip()
        listed.append(_Gpu((str(len(listed)), *([uuid] if uuid else [])), told.get("Model", "?").strip()))
    return listed


def _select(listed: Sequence[_Gpu], visible: str) -> Iterator[tuple[_Gpu, str]]:
    """Those that CUDA_VISIBLE_DEVICES names, with the name it uses. As CUDA has it, a UUID may be cut short, and what
    follows a name that fits none is ignored."""
    for name in (part.strip() for part in visible.split(",")):
        is_number = name.isdigit()
        gpu = next(
            (
                gpu
                for gpu in listed
                if name and any(n == name or (not is_number and n.startswith(name)) for n in gpu.names)
            ),
            None,
        )
        if gpu is None:
            return
        yield gpu, name


def _tell(listed: Sequence[_Gpu]) -> str:
    return ", ".join(f"{gpu.names[0]} ({gpu.model})" for gpu in listed)


def has_initialised_cuda() -> bool:
    """Whether torch, if it is imported, has done so in this process."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())
