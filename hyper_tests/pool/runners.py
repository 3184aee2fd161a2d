"""What the trials of the tests of pool `ray` do; `traces` is a folder that all nodes see."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypersweep.errors import DataError
from hypersweep.runner import LiveTrial
from hypersweep.trial import Params


def traces(settings: Mapping[str, Any]) -> Path:
    return Path(str(settings["traces"]))


def count(params: Params, trial: LiveTrial) -> dict[str, float]:
    """Counts to ten in its checkpoint, and waits at five until there is a file `go` among the traces. Leaves a trace of
    each step."""
    checkpoint = trial.checkpoint_dir / "step"
    step = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while step < 10:
        step += 1
        checkpoint.write_text(str(step))
        with open(traces(trial.settings) / f"steps-{trial.number}", "a") as file:
            file.write(f"{step} ")
        while step == 5 and not (traces(trial.settings) / "go").exists():
            time.sleep(0.01)
    (trial.folder / "result.txt").write_text("counted")
    return {"score": step}


def kill_host(params: Params, trial: LiveTrial) -> dict[str, float]:
    """Trial 1 kills the process that Ray has started."""
    pid = os.getpid()
    while trial.number == 1:
        told = subprocess.run(["ps", "-o", "ppid=,args=", "-p", str(pid)], capture_output=True, text=True, check=True)
        parent, arguments = told.stdout.split(None, 1)
        if "ray::Host" in arguments:
            os.kill(pid, signal.SIGKILL)
            time.sleep(60)
        pid = int(parent)
    return {"score": 1.0}


def show_gpus(params: Params, trial: LiveTrial) -> dict[str, float]:
    """Tells its devices, and waits until there is a file `go` among the traces."""
    told = f"{trial.device} {os.environ['CUDA_VISIBLE_DEVICES']}"
    (traces(trial.settings) / f"devices-{trial.number}").write_text(told)
    while not (traces(trial.settings) / "go").exists():
        time.sleep(0.01)
    return {"score": 1.0}


def with_data(params: Params, trial: LiveTrial) -> dict[str, float]:
    assert trial.prepared is not None
    with open(traces(trial.settings) / "used", "a") as file:
        file.write(f"{trial.prepared.name}\n")
    time.sleep(0.2)
    return {"score": 1.0}


def prepare(settings: Mapping[str, Any]) -> Path:
    """A folder of its own at each call; the setting `max_prepared` says how many times there is data."""
    folder = traces(settings) / f"prepared-{os.getpid()}"
    folder.mkdir()
    print(f"preparing {folder.name}")
    if len(list(folder.parent.glob("prepared-*"))) > int(settings.get("max_prepared", 99)):
        raise DataError("ml-1m: there is no such data set; expected one. Get it")
    return folder


with_data.prepare = prepare  # type: ignore[attr-defined]
