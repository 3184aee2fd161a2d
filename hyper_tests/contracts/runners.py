"""What the trials of the contract tests do; what they need is in the fixed settings."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hypersweep.errors import DataError, SettingsError, TrialPruned
from hypersweep.runner import Key, LiveTrial
from hypersweep.trial import Params


def square(params: Params, trial: LiveTrial) -> dict[str, float]:
    x = params["x"]
    assert isinstance(x, int)
    return {"square": x * x, "seed": trial.seed}


def describe(params: Params, trial: LiveTrial) -> float:
    told = {
        "params": dict(params),
        "settings": dict(trial.settings),
        "number": trial.number,
        "seed": trial.seed,
        "attempt": trial.attempt,
        "folder": str(trial.folder),
        "prepared": str(trial.prepared),
        "threads": os.environ["OMP_NUM_THREADS"],
    }
    Path(str(trial.settings["told"])).write_text(json.dumps(told))
    return 0.5


def raise_error(params: Params, trial: LiveTrial) -> float:
    raise ValueError("two\nlines")


def raise_exit(params: Params, trial: LiveTrial) -> float:
    sys.exit(4)


def raise_interrupt(params: Params, trial: LiveTrial) -> float:
    raise KeyboardInterrupt("the trial's own")


class Outcast(BaseException):
    """No Exception, as asyncio's CancelledError is none."""


def raise_outcast(params: Params, trial: LiveTrial) -> float:
    raise Outcast("out")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raise_unspeakable(params: Params, trial: LiveTrial) -> float:
    raise Unspeakable


def raise_surrogate(params: Params, trial: LiveTrial) -> float:
    raise FileNotFoundError("/data/\udce9.csv")


def prune(params: Params, trial: LiveTrial) -> float:
    trial.report(3, {"loss": 0.5})
    raise TrialPruned


def return_nothing(params: Params, trial: LiveTrial) -> None:
    return None


def segfault(params: Params, trial: LiveTrial) -> float:
    print("before the end", end="")
    ctypes.string_at(0)
    return 1.0


def exit_0(params: Params, trial: LiveTrial) -> float:
    print("before the end", end="")
    os._exit(0)


def exit_3(params: Params, trial: LiveTrial) -> float:
    print("before the end", end="")
    os._exit(3)


def kill_itself(params: Params, trial: LiveTrial) -> float:
    print("before the end", end="")
    os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def terminate_itself(params: Params, trial: LiveTrial) -> float:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
    return 1.0


def kill_itself_namelessly(params: Params, trial: LiveTrial) -> float:
    os.kill(os.getpid(), 40)
    return 1.0


def report_on_and_on(params: Params, trial: LiveTrial) -> float:
    """Until it is told to stop, or has reported a trial's `last` step."""
    deadline = time.monotonic() + 60
    step = 0
    while step != params.get("last"):
        step += 1
        trial.report(step, {"loss": 1 / step})
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return 1.0


def report_once(params: Params, trial: LiveTrial) -> float:
    trial.report(1, {"loss": 1.0})
    return 1.0


def leave_child(params: Params, trial: LiveTrial) -> float:
    child = subprocess.Popen(["sleep", "1000"])
    Path(str(trial.settings["told"])).write_text(str(child.pid))
    return 1.0


def fork_and_return_twice(params: Params, trial: LiveTrial) -> float:
    forked = os.fork()
    if forked:
        os.waitpid(forked, 0)
    return 1.0


def sleep(params: Params, trial: LiveTrial) -> float:
    """Says when it begins and when it was asked to end."""
    told = Path(str(trial.settings["told"]))
    try:
        told.with_name(f"begun-{trial.number}").touch()
        time.sleep(1000)
    finally:
        told.with_name(f"ended-{trial.number}").touch()
    return 1.0


def sleep_on(params: Params, trial: LiveTrial) -> float:
    """Does not hear the signal that asks it to end, only the one after: of the two waits in one call of C (a sort that
    compares by `nanosleep`), a signal ends one, and Python looks for signals after both."""
    told = Path(str(trial.settings["told"]))
    libc = ctypes.CDLL(None)
    try:
        told.with_name(f"begun-{trial.number}").touch()
        libc.qsort((ctypes.c_long * 6)(1000, 0, 1000, 0, 1000, 0), 3, 2 * ctypes.sizeof(ctypes.c_long), libc.nanosleep)
    finally:
        told.with_name(f"ended-{trial.number}").touch()
    return 1.0


def ignore_the_end(params: Params, trial: LiveTrial) -> float:
    """Does not end when asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(str(trial.settings["told"])).with_name(f"begun-{trial.number}").touch()
    time.sleep(1000)
    return 1.0


def leave_daemon(params: Params, trial: LiveTrial) -> float:
    """One that has left the process group, and its parent: the daemon of a daemon's making."""
    told = trial.settings["told"]
    subprocess.run(["setsid", "sh", "-c", f"setsid sleep 1000 & echo $! > {told}"], check=True)
    return 1.0


def keep_daemon(params: Params, trial: LiveTrial) -> float:
    """Trial 0 waits with its daemon for a file `go`."""
    told = Path(str(trial.settings["told"]))
    if trial.number == 0:
        leave_daemon(params, trial)
        told.with_name("begun-0").touch()
        while not told.with_name("go").exists():
            time.sleep(0.01)
    return 1.0


def tell_oom_scores(params: Params, trial: LiveTrial) -> dict[str, float]:
    own, parent = (int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (os.getpid(), os.getppid()))
    return {"own": own, "parent": parent}


def tell_device(params: Params, trial: LiveTrial) -> float:
    """Says what it may compute on, and waits for a file `go`."""
    told = Path(str(trial.settings["told"]))
    says = {"device": trial.device, "visible": os.environ.get("CUDA_VISIBLE_DEVICES")}
    unfinished = told.with_name(f"unfinished-{trial.number}")
    unfinished.write_text(json.dumps(says))
    unfinished.rename(told.with_name(f"device-{trial.number}"))
    while not told.with_name(f"go-{trial.number}").exists():
        time.sleep(0.01)
    return 1.0


def with_prepare(prepare: Callable[[Mapping[str, Any]], Any], name: str) -> None:
    """A runner that is `describe` with this `prepare`."""

    def run(params: Params, trial: LiveTrial) -> float:
        return describe(params, trial)

    run.prepare = prepare  # type: ignore[attr-defined]
    globals()[name] = run


def prepare_folder(settings: Mapping[str, Any]) -> Path:
    """Leaves its process behind in the folder; uses threads, as data libraries do."""
    folder = Path(str(settings["told"])).parent / "prepared"
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(4) as executor:
        total = sum(executor.map(int, "1234"))
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "total").write_text(str(total))
    return folder


def prepare_wrong_settings(settings: Mapping[str, Any]) -> Path:
    raise SettingsError("epochs: got 0; expected at least 1. Mend it")


def prepare_missing_data(settings: Mapping[str, Any]) -> Path:
    raise DataError("ml-1m: there is no such data set; expected one. Get it")


def prepare_with_bug(settings: Mapping[str, Any]) -> Path:
    raise ZeroDivisionError("by zero")


def prepare_and_die(settings: Mapping[str, Any]) -> Path:
    os._exit(3)


def prepare_nothing(settings: Mapping[str, Any]) -> None:
    return None


with_prepare(prepare_folder, "with_folder")
with_prepare(prepare_wrong_settings, "with_wrong_settings")
with_prepare(prepare_missing_data, "with_missing_data")
with_prepare(prepare_with_bug, "with_bug")
with_prepare(prepare_and_die, "with_death")
with_prepare(prepare_nothing, "with_nothing")


def with_keys(params: Params, trial: LiveTrial) -> float:
    return 1.0


def keys(settings: Mapping[str, Any]) -> list[Key | str]:
    return [
        Key("x", default=settings["x"]),
        Key("epochs", default=3, help="How long."),
        Key("dataset", is_data=True),
        str(settings["extra"]),
    ]


with_keys.keys = keys  # type: ignore[attr-defined]
