"""What Linux lets a process do about those that come from it, each shown in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hyper_tests.processes import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these do nothing elsewhere")

ENDING = """\
import os, subprocess
from hypersweep.pool.linux import adopt_orphans, end_children, find_children
adopt_orphans()
spared = subprocess.Popen(["sleep", "1000"])
for command in ("sleep 1000 & exec sleep 1000", "setsid sh -c 'setsid sleep 1000 & exec sleep 1000' & exec sleep 1000"):
    subprocess.Popen(["sh", "-c", command])
assert len(find_children()) == 3
assert end_children(60, {spared.pid}) == set()
assert find_children() == {spared.pid}
assert end_children(60) == set()
assert find_children() == set()
"""

KILLING = """\
import os, subprocess
from hypersweep.pool import linux
top = subprocess.Popen(["sh", "-c", "sh -c 'sleep 1000 & echo; wait' & wait"], stdout=subprocess.PIPE)
top.stdout.readline()  # all three are there
(middle,) = linux.find_children(top.pid)
(last,) = linux.find_children(middle)
killed, kill = [], os.kill
os.kill = lambda pid, signum: killed.append((pid, signum))
try:
    linux.kill_below(top.pid)
    linux.end_children(0)
    assert killed == [(last, 9), (middle, 9), (last, 9), (middle, 9), (top.pid, 9)], killed
finally:
    for pid in (top.pid, middle, last):  # so that none is waited for before it is killed
        kill(pid, 9)
"""

COLLAPSING = """\
from pathlib import Path
from hypersweep.pool.linux import collapse_memory
held = [bytearray(b"%d" % number * 1000) for number in range(64000)]
collapse_memory()
assert all(content == b"%d" % number * 1000 for number, content in enumerate(held))
print(Path("/proc/self/smaps_rollup").read_text().split("AnonHugePages:")[1].split()[0])
"""


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment(), check=True, stdout=subprocess.PIPE, text=True, timeout=100
    ).stdout


def test_all_that_comes_from_a_process_is_ended() -> None:
    run(ENDING)


def test_the_last_descendants_are_killed_first() -> None:
    run(KILLING)


def test_memory_is_gathered_in_large_pages() -> None:
    huge_kib = int(run(COLLAPSING))
    if huge_kib == 0:
        pytest.skip("this kernel has no large pages to give")
    assert huge_kib > 100 << 10
