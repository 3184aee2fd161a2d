"""What only Linux lets a process do about those that come from it; elsewhere each of these does nothing."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

IS_LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None)

OOM_SCORE = 500  # of 1000: above any process of about this size that has not asked for it
_PR_SET_CHILD_SUBREAPER = 36
_MADV_COLLAPSE = 25
_HUGE_PAGE_BYTES = 2 << 20
_WRITTEN = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 +(?:\[heap\])?$", re.MULTILINE)


def adopt_orphans() -> None:
    """Become the parent of all that come from this process and lose theirs, however they left its process group."""
    if IS_LINUX:
        LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def find_children(pid: int | str = "self") -> set[int]:
    """The children of a process, those that have ended and were not waited for among them."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as children:
                found.update(map(int, children.read().split()))
    return found


def kill_below(pid: int) -> None:
    """Kill all that comes from a process, the last descendants first: if the caller is killed meanwhile, the process is
    still there to end the rest. Not what is started meanwhile: that the caller adopts, if it lives."""
    found = [pid]
    for parent in found:  # which grows: parents come before their children
        found.extend(find_children(parent))
    for descendant in reversed(found[1:]):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(descendant, signal.SIGKILL)


def end_children(patience_s: float, spared: Collection[int] = ()) -> set[int]:
    """Kill the children of this process but the `spared` ones, and all that comes from them; what these start meanwhile
    is adopted, and found next. Waits for their end; gives those that the kernel could not end within `patience_s`."""
    deadline = time.monotonic() + patience_s
    while children := find_children().difference(spared):
        for pid in children:
            kill_below(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    return children


def collapse_memory() -> None:
    """Gather the memory of this process in large pages, as far as the system can: a fork copies an entry for each page,
    and the end of the forked process frees it (with torch imported some 35,000 small ones, two thirds of the time that
    a trial takes besides its work)."""
    with contextlib.suppress(OSError):
        for match in _WRITTEN.finditer(Path("/proc/self/maps").read_text()):
            start = -(-int(match[1], 16) // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
            end = int(match[2], 16) // _HUGE_PAGE_BYTES * _HUGE_PAGE_BYTES
            if start < end:
                LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_COLLAPSE)


def find_oom_score() -> int | None:
    """What a trial's readiness to be killed for want of memory shall be: so high that the kernel takes the trial, and
    neither the controller nor the server. None: it cannot be said."""
    try:
        return max(OOM_SCORE, int(Path("/proc/self/oom_score_adj").read_text()))
    except OSError:
        return None


def set_oom_score(score: int | None) -> None:
    if score is not None:
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(score))
