"""Out of memory: what is recognised as such, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypersweep.runner.memory import KernelKills, mark_out_of_memory


@pytest.mark.parametrize(
    "text",
    [
        "MemoryError",
        "_ArrayMemoryError: Unable to allocate 7.11 PiB for an array with shape (1000000000000000,)",
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "RuntimeError: MPS backend out of memory (MPS allocated: 17.9 GB)",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you",
        "OSError: [Errno 12] Cannot allocate memory",
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.",
        "ResourceExhaustedError: OOM when allocating tensor with shape[64,512]",
        "the command ended with exit code 134:   what():  std::bad_alloc",
    ],
)
def test_what_speaks_of_memory(text: str) -> None:
    assert mark_out_of_memory(text) == f"out of memory: {text}"
    assert mark_out_of_memory(mark_out_of_memory(text)) == f"out of memory: {text}", "once"


@pytest.mark.parametrize(
    "text",
    ["ValueError: boom", "RuntimeError: a bloom filter", "the command was killed by SIGKILL (out of memory?)", ""],
)
def test_what_does_not(text: str) -> None:
    assert mark_out_of_memory(text) == text


def test_the_count_of_the_kernel(tmp_path: Path) -> None:
    counts = tmp_path / "memory.events"
    counts.write_text("low 0\noom 3\noom_kill 1\noom_group_kill 7\n")
    kills = KernelKills([tmp_path / "missing", tmp_path, counts])
    assert not kills.has_risen()
    counts.write_text("low 0\noom 9\noom_kill 2\noom_group_kill 7\n")
    assert kills.has_risen()
    assert not kills.has_risen(), "it is told once"


def test_where_nothing_is_counted(tmp_path: Path) -> None:
    counts = tmp_path / "vmstat"
    counts.write_text("pgfault 12\n")
    kills = KernelKills([counts])
    assert not kills.has_risen()
    counts.write_text("pgfault 12\noom_kill 3\n")
    assert not kills.has_risen()
