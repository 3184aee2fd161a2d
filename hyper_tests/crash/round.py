"""One round of chaos: a sweep whose processes are killed as a plan says, and that comes to its end all the same."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hyper_tests.crash import traced
from hyper_tests.crash.accounting import Kill, find_reexecuted, find_unexplained
from hyper_tests.crash.plan import MAX_KILLS, Plan, PlannedKill
from hyper_tests.processes import environment, is_alive
from hypersweep.recorded import RecordedTrial
from hypersweep.resultlog import read_log
from hypersweep.study import Study

ORPHAN_TIMEOUT_S = 2.0
SESSION_TIMEOUT_S = 120.0
POLL_S = 0.002
PROBLEMS = ("lost", "duplicated", "orphans", "leftovers", "derailed")
ENDS_CONTROLLER = {"controller", "all"}


class Derailed(Exception):
    """A session ended as none should, so that the round cannot go on."""


@dataclass
class Tally:
    """What a round, or many, came to."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def tell(self, what: str, problems: Iterable[str]) -> None:
        """Count problems of one of the kinds `PROBLEMS`."""
        problems = [f"{what}: {problem}" for problem in problems]
        self.counts[what] += len(problems)
        self.problems += problems

    def add(self, other: Tally) -> None:
        self.counts.update(other.counts)
        self.problems += other.problems


class Round:
    """A sweep of `num_trials` in a folder of its own."""

    def __init__(self, folder: Path, plan: Plan, num_trials: int) -> None:
        folder.mkdir(parents=True)
        (folder / "hyper.test").write_text(f"x choice {list(range(num_trials))}\n")
        self.folder = folder
        self.log = folder / "hyper.result"
        self.plan = plan
        self.num_trials = num_trials
        self.generator = random.Random(plan.seed)
        self.trace = traced.Trace(folder / "trace")
        self.to_come = deque(plan.kills)
        self.kills: list[Kill] = []
        self.victims: set[int] = set()  # the processes that were killed, of trials too
        self.ended: dict[int, tuple[object, ...]] = {}
        self.ended_before: dict[int, int] = {}  # the line of the trace before which a trial had ended
        self.tally = Tally()

    def run(self) -> Tally:
        """Run sessions until the sweep has ended, and account for what they did."""
        try:
            while not self._run_session():
                pass
        except Derailed as error:
            self.tally.tell("derailed", [str(error)])
        self.account()
        return self.tally

    def account(self) -> None:
        """Count what the sweep has come to, and tell what it should not have."""
        self._observe()
        executions = self.trace.executions
        num_again = len(executions) - len({one.number for one in executions})
        allowed = sum(kill.most for kill in self.kills)
        self.tally.counts.update(trials=self.num_trials, executions=len(executions), again=num_again, allowed=allowed)
        missing = set(range(self.num_trials)) - self.ended.keys()
        self.tally.tell("lost", [f"trial {number} has not ended" for number in sorted(missing)])
        self.tally.tell("duplicated", find_unexplained(executions, self.kills, self.trace.loads))
        self.tally.tell("duplicated", find_reexecuted(executions, self.ended_before))
        self.tally.tell("leftovers", self._find_leftovers())

    def compare(self, unbroken: Round) -> None:
        """Tell where this sweep has come to something else than the unbroken one."""
        differing = [number for number, row in unbroken.ended.items() if self.ended.get(number) != row]
        self.tally.tell("lost", [f"trial {number} is not what it was in the unbroken sweep" for number in differing])
        if not self.log.exists() or self.log.read_bytes() != unbroken.log.read_bytes():
            self.tally.tell("lost", ["hyper.result is not that of the unbroken sweep"])

    def _find_leftovers(self) -> list[str]:
        """Failures that no kill explains, and checkpoints of others than the best trial."""
        if not (self.folder / "hyper.sweep").exists():
            return []
        most = Counter(one.number for one in self.trace.executions if one.pid in self.victims)
        with Study(self.folder) as study:
            best, failures = study.best(), study.failures()
        numbers = (int(path.parent.name) for path in (self.folder / "hyper.sweep" / "trials").glob("*/*/checkpoint"))
        return [
            *(f"trial {n} failed: {errors}" for n, errors in failures.items() if len(errors) > most[n]),
            *(f"a checkpoint of trial {number}" for number in numbers if not best or number != best.trial.number),
        ]

    def _run_session(self) -> bool:
        """One controller from its start to its end; whether the sweep has ended with it."""
        self.tally.counts["sessions"] += 1
        self.trace.begin_session()
        kinds: set[str] = set()
        with self._start() as process:
            while self.to_come and not kinds & ENDS_CONTROLLER and self._wait_for(self.to_come[0], process):
                kinds.add(self.to_come[0].kind)
                self._kill(self.to_come.popleft(), process)
            code = self._wait_for_end(process)
        self.trace.read()
        self.end_orphans(self.trace.pids)
        if code == -signal.SIGKILL and kinds & ENDS_CONTROLLER:
            return False
        if code == 2 and kinds & {"server", "guard"} and "pool local: the server process" in self._last_line():
            return False  # it was killed before it had described the runner
        if code != 0:
            raise Derailed(f"a controller ended with status {code}: {self._last_line()}")
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        fresh = ["run", "--resume", "--runner", f"{traced.__file__}:run", "--threads", "1", "--retries", str(MAX_KILLS)]
        has_store = (self.folder / "hyper.sweep").exists()
        command = ["resume"] if has_store and self.generator.random() < 0.5 else fresh
        with open(self.folder / "output", "ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "hypersweep", *command, "--workers", str(self.plan.workers)],
                cwd=self.folder,
                env=environment(**{traced.VARIABLE: str(self.trace.path)}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _last_line(self) -> str:
        lines = (self.folder / "output").read_text().splitlines()
        return lines[-1] if lines else "it has printed nothing"

    def _wait_for_end(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(SESSION_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Derailed(f"a controller has not ended in {SESSION_TIMEOUT_S} s") from None

    def _wait_for(self, kill: PlannedKill, process: subprocess.Popen[bytes]) -> bool:
        """Whether the moment of the kill comes before the controller has ended by itself."""
        while process.poll() is None:
            self.trace.read()
            if len(self.trace.executions) >= kill.after and self._find_targets(kill.kind, process.pid):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(kill.delay_s)
                return process.poll() is None
            time.sleep(POLL_S)
        return False

    def _find_targets(self, kind: str, controller: int) -> list[int]:
        """The processes to kill, as negative numbers where it is their whole groups; none if there is nothing now."""
        servers = [pid for pid in self.trace.servers[-1:] if is_alive(pid)]
        trials = [one.pid for one in self.trace.running()]
        if kind == "controller":
            return [controller]
        if kind == "server":
            return servers
        if kind == "guard":
            return sorted(_children_of(controller, "hypersweep.pool.server"))
        if kind == "trial":
            return self.generator.sample(trials, min(1, len(trials)))
        targets = [controller, *servers, *(-pid for pid in trials)]
        return self.generator.sample(targets, len(targets))

    def _kill(self, kill: PlannedKill, process: subprocess.Popen[bytes]) -> None:
        self._observe()
        low = self.trace.num_lines
        self.trace.pids.update(_children_of(process.pid))
        targets = self._find_targets(kill.kind, process.pid)
        self.victims.update(map(abs, targets))
        for target in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(target, signal.SIGKILL)
        if not targets:
            return
        self.tally.counts[kill.kind] += 1
        if kill.kind == "trial":
            self.kills.append(Kill(low, low, most=1, victim=targets[0]))
        elif kill.kind == "guard":
            # The server below it may have loaded since `low`, and may be gone only now.
            self.kills.append(Kill(low, self.trace.read(), most=self.plan.workers))
        elif kill.kind == "server":
            self.end_orphans([one.pid for one in self.trace.executions if one.server == targets[0]])
            self.kills.append(Kill(low, low, most=self.plan.workers))
        else:
            process.wait()
            self.end_orphans(self.trace.pids)
            self.kills.append(Kill(low, self.trace.read(), most=self.plan.workers))

    def end_orphans(self, pids: Iterable[int]) -> None:
        """Tell of those that outlive what they were started by; end them."""
        deadline = time.monotonic() + ORPHAN_TIMEOUT_S
        while (alive := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self.tally.tell("orphans", [f"process {pid} still runs" for pid in alive])
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _observe(self) -> None:
        """What has ended stays as it was and does not run again; what is in the log has ended."""
        logged = {block.params["x"] for block in read_log(self.log)} if self.log.exists() else set()
        ended = read_ended(self.folder)
        lines = self.trace.read()
        self.tally.tell(
            "lost", [f"trial {number} had ended" for number, row in self.ended.items() if ended.get(number) != row]
        )
        self.tally.tell("lost", [f"trial {number} is in the log only" for number in logged - ended.keys()])
        for number in ended:
            self.ended_before.setdefault(number, lines)
        self.ended = ended


def _children_of(pid: int, command: str = "") -> set[int]:
    """What the process has started itself, all or what this stands in the command of."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", command], capture_output=True, text=True)
    return set(map(int, found.stdout.split()))


def read_ended(folder: Path) -> dict[int, tuple[object, ...]]:
    """The finished and pruned trials of the store, if there is one."""
    if not (folder / "hyper.sweep").exists():
        return {}
    with Study(folder) as study:
        return {one.trial.number: _as_row(one) for one in study.trials() if one.state in ("finished", "pruned")}


def _as_row(recorded: RecordedTrial) -> tuple[object, ...]:
    """What is the same however often a sweep is broken."""
    trial = recorded.trial
    return trial.params, trial.seed, trial.repeat, recorded.state, recorded.result, recorded.error
