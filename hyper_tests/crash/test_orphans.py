"""Nothing that a sweep has started outlives it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hyper_tests.crash.test_kill import ORPHAN_TIMEOUT_S, Sweep, read_if_there
from hyper_tests.processes import is_alive, wait_until


def test_a_trial_that_ends_after_all_above_it_leaves_nothing_behind(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path / "sweep", "end_with_server", num_trials=1)
    with sweep.start() as process:
        left = int(wait_until(lambda: read_if_there(sweep.traces / "0"), "the trial"))
        server = int(sweep.pids.read_text().split()[0])
        os.kill(server, signal.SIGSTOP)  # so that it does not see the controller end
        process.kill()
        process.wait()
        os.kill(server, signal.SIGKILL)
    wait_until(lambda: not is_alive(left), "the end of what the trial has started", timeout_s=ORPHAN_TIMEOUT_S)
