"""Whatever is killed at whatever moment: what had finished is kept, and the sweep comes out as if it were unbroken."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.crash import runner
from hyper_tests.processes import environment, hypersweep, is_alive, start_hypersweep, wait_until
from hypersweep.resultlog import read_log
from hypersweep.study import Study

NUM_KILLS = 50
NUM_KILLS_BETWEEN_REPEATS = 8
NUM_TRIALS = 60
ORPHAN_TIMEOUT_S = 2.0


class Sweep:
    """A sweep in a folder of its own, of the trials of `crash/runner.py`."""

    def __init__(self, folder: Path, function: str = "run", num_trials: int = NUM_TRIALS, num_repeats: int = 1) -> None:
        folder.mkdir()
        self.num_repeats = num_repeats
        self.folder = folder
        self.traces = folder / "traces"
        self.traces.mkdir()
        self.pids = folder / "pids"
        self.log = folder / "hyper.result"
        (folder / "hyper.test").write_text(f"x choice {list(range(num_trials // num_repeats))}\n")
        self.arguments = [
            "run", "--resume", "--runner", f"{runner.__file__}:{function}", "--set", f"traces={self.traces}",
            "--repeats", str(num_repeats)
        ]  # fmt: skip

    def start(self, *options: str) -> subprocess.Popen[str]:
        return start_hypersweep(*self.arguments, *options, cwd=self.folder, HYPERSWEEP_TEST_PIDS=str(self.pids))

    def executions(self, number: int, word: str = "begun") -> int:
        path = self.traces / str(number)
        return path.read_text().split().count(word) if path.exists() else 0

    def num_begun(self) -> int:
        return sum(1 for _ in self.traces.iterdir())

    def wait_for(self, num_begun: int, process: subprocess.Popen[str]) -> None:
        wait_until(lambda: self.num_begun() >= num_begun or process.poll() is not None, "trials that begin")

    def finished(self) -> set[int]:
        if not (self.folder / "hyper.sweep" / "sweep.db").exists():
            return set()
        with Study(self.folder) as study:
            return {recorded.trial.number for recorded in study.trials("finished")}

    def check_nothing_is_left_running(self) -> None:
        """No process of the session that has just ended outlives it; then forget about its processes."""
        pids = {int(line) for line in self.pids.read_text().split()} if self.pids.exists() else set()
        wait_until(
            lambda: not any(is_alive(pid) for pid in pids), f"the end of {sorted(pids)}", timeout_s=ORPHAN_TIMEOUT_S
        )
        self.pids.unlink(missing_ok=True)


def kill_and_resume(sweep: Sweep, generator: random.Random, most: int) -> int:
    """Kill the controller at random moments, at most so many times, and let it end; gives the number of kills."""
    executions_of_finished: dict[int, int] = {}
    num_kills = 0
    while True:
        process = sweep.start("--workers", "4")
        if num_kills < most:
            wanted = sweep.num_begun() + generator.choice([0, 1, 1, 3, 6, 9])
            sweep.wait_for(wanted, process)
            with_delay(process, generator.random() * 0.03)
            process.kill()
        process.communicate()
        sweep.check_nothing_is_left_running()
        finished = sweep.finished()
        for number, count in executions_of_finished.items():
            assert number in finished
            assert sweep.executions(number) == count, f"trial {number} had finished and ran again"
        executions_of_finished = {number: sweep.executions(number) for number in finished}
        if sweep.log.exists():
            logged = [int(str(block.params["x"])) for block in read_log(sweep.log)]
            count = sweep.num_repeats
            assert {x * count + repeat for x in logged for repeat in range(count)} <= finished
        if process.returncode == 0:
            return num_kills
        assert process.returncode == -signal.SIGKILL
        num_kills += 1


def read_if_there(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def with_delay(process: subprocess.Popen[str], delay_s: float) -> None:
    try:
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        return


@pytest.mark.timeout(300)
def test_a_controller_killed_at_random_moments(tmp_path: Path) -> None:
    generator = random.Random(2020)
    unbroken = Sweep(tmp_path / "unbroken")
    done = hypersweep(*unbroken.arguments, cwd=unbroken.folder)
    assert done.returncode == 0, done.stderr
    num_kills = num_sweeps = 0
    while num_kills < NUM_KILLS:
        sweep = Sweep(tmp_path / str(num_sweeps))
        num_kills += kill_and_resume(sweep, generator, NUM_KILLS - num_kills)
        num_sweeps += 1
        assert sweep.finished() == set(range(NUM_TRIALS))
        assert all(sweep.executions(number, "ended") >= 1 for number in range(NUM_TRIALS))
        assert sweep.log.read_bytes() == unbroken.log.read_bytes()
    assert num_sweeps >= 2


@pytest.mark.timeout(200)
def test_a_controller_killed_between_the_repeats_of_combinations(tmp_path: Path) -> None:
    generator = random.Random(2021)
    unbroken = Sweep(tmp_path / "unbroken", "run_seeded", 24, num_repeats=3)
    done = hypersweep(*unbroken.arguments, cwd=unbroken.folder)
    assert done.returncode == 0, done.stderr
    num_kills = num_sweeps = 0
    while num_kills < NUM_KILLS_BETWEEN_REPEATS:
        sweep = Sweep(tmp_path / str(num_sweeps), "run_seeded", 24, num_repeats=3)
        num_kills += kill_and_resume(sweep, generator, NUM_KILLS_BETWEEN_REPEATS - num_kills)
        num_sweeps += 1
        assert sweep.finished() == set(range(24))
        assert sweep.log.read_bytes() == unbroken.log.read_bytes()
        assert len(read_log(sweep.log)) == 8


def test_a_controller_killed_before_each_statement_and_file_operation(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hyper_tests.crash.points", str(tmp_path)],
        env=environment(PATH=""),  # without git, which costs more than all the rest
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40, "points"


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[tuple[Sweep, subprocess.Popen[str]]]:
    """Two trials have finished, two run until they are asked to end."""
    sweep = Sweep(tmp_path / "sleeping", "sleep", num_trials=8)
    process = sweep.start("--workers", "2")
    with process:
        wait_until(lambda: (sweep.traces / "2").exists() and (sweep.traces / "3").exists(), "the trials")
        yield sweep, process
        process.kill()
    sweep.check_nothing_is_left_running()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_cleanly_and_says_how_to_go_on(
    sleeping: tuple[Sweep, subprocess.Popen[str]], signum: signal.Signals
) -> None:
    sweep, process = sleeping
    process.send_signal(signum)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    last = err.splitlines()[-1]
    assert last == (
        "interrupted: saved in hyper.sweep: 6 waiting, 2 finished; go on with: hypersweep resume hyper.sweep"
    )
    assert "Traceback" not in err
    assert [sweep.executions(number, "ended") for number in (2, 3)] == [1, 1], "their finally blocks have run"
    assert len(read_log(sweep.log)) == 2
    with Study(sweep.folder) as study:
        assert [recorded.trial.number for recorded in study.trials("interrupted")] == [2, 3]


def test_the_log_of_a_trial_that_is_interrupted_goes_on(sleeping: tuple[Sweep, subprocess.Popen[str]]) -> None:
    sweep, process = sleeping
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    status = hypersweep("status", cwd=sweep.folder).stdout
    assert "hyper.sweep: stopped, 6 waiting, 2 finished" in status
    assert "go on with: hypersweep resume hyper.sweep" in status


@pytest.mark.parametrize(
    "arguments", [["resume"], ["run", "--resume"], ["run", "--restart"], ["run"]], ids=lambda value: " ".join(value)
)
def test_a_second_controller_is_told_who_the_first_one_is(
    sleeping: tuple[Sweep, subprocess.Popen[str]], arguments: list[str]
) -> None:
    sweep, process = sleeping
    if arguments[0] == "run":
        arguments = [*arguments, *sweep.arguments[2:]]
    done = hypersweep(*arguments, cwd=sweep.folder)
    assert done.returncode == 2
    assert f"(process {process.pid} on " in done.stderr
    assert "hypersweep status hyper.sweep" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert process.poll() is None
    assert "hyper.sweep: running, 4 waiting, 2 running, 2 finished" in hypersweep("status", cwd=sweep.folder).stdout


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path / "stubborn", "sleep_on", num_trials=2)
    with sweep.start() as process:
        trial = int(wait_until(lambda: read_if_there(sweep.traces / "0"), "the trial"))
        process.send_signal(signal.SIGINT)
        with_delay(process, 0.5)
        assert process.poll() is None, "it waits for the trial to end"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1] == (
        "interrupted: saved in hyper.sweep: 2 waiting, 0 finished; go on with: hypersweep resume hyper.sweep"
    )
    wait_until(lambda: not is_alive(trial), "the end of the trial", timeout_s=ORPHAN_TIMEOUT_S)
    sweep.check_nothing_is_left_running()


def test_an_interrupt_during_the_import_of_the_runner(tmp_path: Path) -> None:
    (tmp_path / "hyper.test").write_text("x choice [1]\n")
    (tmp_path / "slow.py").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\nos.rename('pid', 'server')\ntime.sleep(1000)\n"
    )
    with start_hypersweep("run", "--runner", "slow.py:f", cwd=tmp_path) as process:
        wait_until((tmp_path / "server").exists, "the import")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    server = int((tmp_path / "server").read_text())
    wait_until(lambda: not is_alive(server), "the end of the server", timeout_s=ORPHAN_TIMEOUT_S)
    assert not (tmp_path / "hyper.sweep").exists()


def test_a_killed_server_process_costs_only_what_ran(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path / "sweep", "kill_server_once", num_trials=12)
    done = hypersweep(*sweep.arguments, "--workers", "3", cwd=sweep.folder)
    assert done.returncode == 0, done.stderr
    assert sweep.finished() == set(range(12))
    executions = [sweep.executions(number) for number in range(12)]
    assert executions[5] == 2
    assert sum(executions) <= 12 + 3, "those that ran in its three slots"
    assert len(read_log(sweep.log)) == 12


def test_a_server_process_that_keeps_dying_ends_the_sweep(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path / "sweep", "kill_server_always", num_trials=8)
    done = hypersweep(*sweep.arguments, "--workers", "2", cwd=sweep.folder)
    assert done.returncode == 2, done.stderr
    assert "pool local: the server process was killed by SIGKILL" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert {0, 1} <= sweep.finished() <= {0, 1, 2}
    assert len(read_log(sweep.log)) == len(sweep.finished())


def test_trials_that_hold_the_interpreter_end_with_their_controller(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path / "sweep", "sleep_in_c", num_trials=2)
    with sweep.start() as process:
        trial = int(wait_until(lambda: read_if_there(sweep.traces / "0"), "the trial"))
        process.kill()
        process.communicate()
    wait_until(lambda: not is_alive(trial), "the end of the trial", timeout_s=ORPHAN_TIMEOUT_S)


def test_a_command_ends_with_its_controller(tmp_path: Path) -> None:
    (tmp_path / "hyper.test").write_text("x choice [1, 2]\n")
    command = "echo $$ > pid; sleep 1000 & echo $! > child; wait"
    with start_hypersweep("run", "--command", command, cwd=tmp_path) as process:
        wait_until(lambda: read_if_there(tmp_path / "child"), "the command")
        process.kill()
        process.communicate()
    pids = [int((tmp_path / name).read_text()) for name in ("pid", "child")]
    wait_until(lambda: not any(map(is_alive, pids)), "the end of the command", timeout_s=ORPHAN_TIMEOUT_S)
