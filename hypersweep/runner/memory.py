"""Out of memory: how it shows in what an error says, and where the kernel counts whom it has killed for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

OUT_OF_MEMORY = "out of memory: "  # how the error of such a trial begins

# Python's and numpy's MemoryError, torch's and cupy's OutOfMemoryError (CUDA, MPS), torch's allocator on the CPU, the
# system's ENOMEM, JAX, TensorFlow, C++.
_SIGNS = re.compile(
    r"out of memory(?!\?)|(?:can't|cannot) allocate memory|MemoryError|OutOfMemory|\bOOM\b|bad_alloc", re.IGNORECASE
)


def mark_out_of_memory(text: str) -> str:
    """The text of an error, led by `out of memory: ` if that is what it speaks of."""
    return f"{OUT_OF_MEMORY}{text}" if _SIGNS.search(text) and not text.startswith(OUT_OF_MEMORY) else text


class KernelKills:
    """How many processes the kernel has killed for want of memory, as counted for this process's control group, else
    for the whole machine. Linux only; elsewhere the count never rises."""

    def __init__(self, files: Iterable[Path] | None = None) -> None:
        paths = _find_files() if files is None else files
        self.path = next((path for path in paths if _read_count(path) is not None), None)
        self.seen = _read_count(self.path)

    def has_risen(self) -> bool:
        """Whether it is higher than at the last look. It rises before the killed process ends."""
        before, self.seen = self.seen, _read_count(self.path)
        return before is not None and self.seen is not None and self.seen > before


def _find_files() -> Iterator[Path]:
    """Where the count may stand, the most precise first. Within a container the control group's path may be that of
    the host, and its files at the top of what is mounted."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    groups = dict(line.split(":", 2)[1:] for line in lines)  # controllers -> path; version 2 has no names for them
    for folder, name, group in (
        ("/sys/fs/cgroup/memory", "memory.oom_control", groups.get("memory")),
        ("/sys/fs/cgroup", "memory.events", groups.get("")),
    ):
        if group is not None:
            yield Path(folder, group.lstrip("/"), name)
            yield Path(folder, name)
    yield Path("/proc/vmstat")


def _read_count(path: Path | None) -> int | None:
    """The number in the line `oom_kill 3`; None if there is none to read."""
    if path is None:
        return None
    try:
        found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
