"""Lanes: threads that compute parts of a batch side by side, each with operators of one thread.

On a CPU this is faster than one part after another with operators of several threads, which wait for each other after
every operator. And no number depends on how many lanes there are: a part is computed as it would be alone, and what
the parts give is taken in their order.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import torch

from hypersweep.recommend.devices import is_host

# Settings of the GNU C library's mallopt: their numbers in malloc.h, and the values
_MALLOC = {
    "M_ARENA_MAX": (-8, 1),  # one heap for all lanes: what one frees serves the others
    "M_MMAP_THRESHOLD": (-3, 32 * 2**20),  # larger pieces stand outside the heap
    "M_TRIM_THRESHOLD": (-1, 512 * 2**20),  # so much may be free at its end
}
_M_TOP_PAD, _DEFAULT_TOP_PAD = -2, 2**17  # how much the heap grows by beyond what it has to
_ROOM_BYTES = 384 * 2**20  # of the heap in large pages: what the lanes of a few threads need
_LARGE_PAGE_BYTES = 2 * 2**20

Part = TypeVar("Part")
Computed = TypeVar("Computed")


class MapParts(Protocol):
    """As `map`: what `compute` makes of each part, in the order of the parts, whichever is ready first."""

    def __call__(self, compute: Callable[[Part], Computed], parts: Iterable[Part], /) -> Iterator[Computed]: ...


def map_in_turn(compute: Callable[[Part], Computed], parts: Iterable[Part], /) -> Iterator[Computed]:
    """One lane, in the caller's thread."""
    return map(compute, parts)


@contextlib.contextmanager
def open_lanes(device: torch.device) -> Iterator[MapParts]:
    """As many lanes as torch has threads; until the end its operators have one each. Other devices than the CPU need
    no lanes."""
    if is_host(device):
        _keep_freed_memory()
    num_lanes = torch.get_num_threads()
    if not is_host(device) or num_lanes == 1:
        yield map_in_turn
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(num_lanes, "lane", initializer=torch.set_num_threads, initargs=(1,)) as executor:
            yield executor.map
    finally:
        torch.set_num_threads(num_lanes)


def _keep_freed_memory() -> None:
    """Keep in the process what a part frees: the next one needs as much, and memory that had been given back in between
    comes from the system anew, page by page, each cleared. Other C libraries stay as they are."""
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        for number, value in _MALLOC.values():
            libc.mallopt(number, value)
        _enlarge_pages(libc)


def _enlarge_pages(libc: ctypes.CDLL) -> None:
    """Let the heap grow once by what the lanes need, and have that part of it in large pages, if the system has some:
    of small ones they go through more than the processor knows the places of."""
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.mallopt(_M_TOP_PAD, _ROOM_BYTES)
    libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(_MALLOC["M_MMAP_THRESHOLD"][1] // 2))))
    libc.mallopt(_M_TOP_PAD, _DEFAULT_TOP_PAD)
    end = libc.sbrk(0)
    start = (end - _ROOM_BYTES) // _LARGE_PAGE_BYTES * _LARGE_PAGE_BYTES
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_HUGEPAGE)
