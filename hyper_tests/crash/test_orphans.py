"""No process is left behind, whatever is killed: each of these trials has children that try to get away."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hyper_tests.crash import orphans
from hyper_tests.crash.test_kill import ORPHAN_TIMEOUT_S, Sweep, read_if_there
from hyper_tests.processes import is_alive, start_hypersweep, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process can get away")


@contextlib.contextmanager
def sweeping(folder: Path, function: str) -> Iterator[subprocess.Popen[str]]:
    """Four trials, two at once; what the test has left running is killed one by one."""
    (folder / "hyper.test").write_text("x choice [0, 1, 2, 3]\n")
    (folder / "traces").mkdir()
    runner = ["--runner", f"{orphans.__file__}:{function}", "--set", f"traces={folder / 'traces'}"]
    with start_hypersweep("run", *runner, "--workers", "2", cwd=folder) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for pid in (pid for told in wait_for_trials(folder, 0) for pid in told):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def wait_for_trials(folder: Path, num_trials: int = 2) -> list[list[int]]:
    """For each trial that has told of its processes: guard, server, itself, its children."""
    traces = folder / "traces"
    wait_until(lambda: len(list(traces.glob("*.pids"))) >= num_trials, "the trials")
    return [list(map(int, path.read_text().split())) for path in sorted(traces.glob("*.pids"))]


def kill(controller: subprocess.Popen[str], told: Sequence[Sequence[int]], victims: str) -> None:
    """Those that are named, one right after the other."""
    (guard, server, *_), *_ = told
    trials = [trial for _, _, trial, *_ in told]
    pids_of = {"controller": [controller.pid], "server": [server], "guard": [guard], "trials": trials}
    for pid in (pid for victim in victims.split(", ") for pid in pids_of[victim]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if "controller" in victims:
        controller.wait()


def check_ended(pids: Sequence[int]) -> None:
    wait_until(
        lambda: not any(is_alive(pid) for pid in pids),
        f"the end of all of {pids}, of which are left {[pid for pid in pids if is_alive(pid)]}",
        timeout_s=ORPHAN_TIMEOUT_S,
    )


@pytest.mark.parametrize("function", ["sleep", "sleep_in_c"])
@pytest.mark.parametrize(
    "victims", ["controller", "controller, server", "controller, guard", "guard, controller", "controller, trials"]
)
def test_nothing_outlives_the_controller(tmp_path: Path, function: str, victims: str) -> None:
    with sweeping(tmp_path, function) as process:
        told = wait_for_trials(tmp_path)
        kill(process, told, victims)
        check_ended([pid for pids in told for pid in pids])


@pytest.mark.parametrize("delay_s", [0, 0.003])  # when the server has begun to end the trials, on a quick machine
@pytest.mark.parametrize("victims", ["guard, server", "server, guard"])
def test_nothing_outlives_all_that_watch_over_it(tmp_path: Path, victims: str, delay_s: float) -> None:
    """Also where the server is killed while it ends all that it has started, since the controller is gone."""
    with sweeping(tmp_path, "sleep") as process:
        told = wait_for_trials(tmp_path)
        process.kill()
        time.sleep(delay_s)
        kill(process, told, victims)
        check_ended([pid for pids in told for pid in pids])


@pytest.mark.parametrize("function", ["sleep", "sleep_in_c"])
def test_no_trial_outlives_its_server(tmp_path: Path, function: str) -> None:
    """Nor is the sweep at its end: the controller starts another, and the trials run again."""
    with sweeping(tmp_path, function) as process:
        told = wait_for_trials(tmp_path)
        kill(process, told, "server")
        check_ended([pid for pids in told for pid in pids])
        told = wait_for_trials(tmp_path, num_trials=4)
        process.kill()
        process.wait()
        check_ended([pid for pids in told for pid in pids])


def test_a_trial_that_ends_after_all_above_it_leaves_nothing_behind(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path / "sweep", "end_with_server", num_trials=1)
    with sweep.start() as process:
        left = int(wait_until(lambda: read_if_there(sweep.traces / "0"), "the trial"))
        server = int(sweep.pids.read_text().split()[0])
        os.kill(server, signal.SIGSTOP)  # so that it does not see the controller end
        process.kill()
        process.wait()
        os.kill(server, signal.SIGKILL)
    check_ended([left])


def test_nothing_outlives_its_trial(tmp_path: Path) -> None:
    with sweeping(tmp_path, "end") as process:
        process.communicate(timeout=60)
        assert process.returncode == 0
    told = wait_for_trials(tmp_path, num_trials=4)
    assert not any(is_alive(pid) for pids in told for pid in pids)


def test_nothing_outlives_a_trial_that_is_killed(tmp_path: Path) -> None:
    with sweeping(tmp_path, "sleep") as process:
        told = wait_for_trials(tmp_path)
        kill(process, told, "trials")
        check_ended([pid for _, _, *pids in told for pid in pids])


@pytest.mark.parametrize("function", ["sleep", "sleep_in_c"])
def test_a_second_interrupt_ends_everything_at_once(tmp_path: Path, function: str) -> None:
    with sweeping(tmp_path, function) as process:
        told = wait_for_trials(tmp_path)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err
        assert not any(is_alive(pid) for pids in told for pid in pids)
