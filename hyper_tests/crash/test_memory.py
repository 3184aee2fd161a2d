"""The kernel kills a trial for want of memory: it is told so, and nothing else of the sweep is harmed."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.processes import TIMEOUT_S, environment, wait_until
from hypersweep.study import Study

LIMIT_BYTES = 256 << 20
HUNGRY = """\
import sys


def f(params):
    held = b"x" * ((600 << 20) if params["x"] == 1 else 1)
    return 1.0


if __name__ == "__main__":
    print(f({"x": int(sys.argv[1])}))
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory, whose processes are killed when they need more."""
    for root, limits in (
        (Path("/sys/fs/cgroup/memory"), ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")),
        (Path("/sys/fs/cgroup"), ("memory.max", "memory.swap.max")),
    ):
        folder = root / f"hypersweep-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            try:
                (folder / limits[0]).write_text(str(LIMIT_BYTES))
                with contextlib.suppress(OSError):  # a kernel that does not count swap
                    (folder / limits[1]).write_text("0" if limits[1] == "memory.swap.max" else str(LIMIT_BYTES))
                yield folder
            finally:
                wait_until(functools.partial(has_removed, folder), f"the end of all in {folder}")
            return
    pytest.skip("no control group with a limit of memory can be made here")


def has_removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("runner", "error"),
    [
        (["--runner", "hungry.py:f"], "out of memory: the kernel killed the process (SIGKILL). Run fewer at once, or "),
        (["--command", f'"{sys.executable}" hungry.py {{x}}; exit $?'], "out of memory: the kernel killed the command"),
    ],
    ids=["function", "command"],
)
def test_the_kernel_takes_the_trial_and_it_is_told(tmp_path: Path, group: Path, runner: list[str], error: str) -> None:
    (tmp_path / "hyper.test").write_text("x choice [0, 1, 2]\n")
    (tmp_path / "hungry.py").write_text(HUNGRY)
    entering = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", entering, "sh", sys.executable, "-m", "hypersweep", "run", *runner],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 1, done.stderr
    with Study(tmp_path) as study:
        assert [recorded.trial.number for recorded in study.trials("finished")] == [0, 2]
        (failed,) = study.trials("failed")
    assert failed.trial.number == 1
    assert str(failed.error).startswith(error)
