from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hyper_tests.processes import environment
from hyper_tests.recommend.short_trials import ShortTrial, write_data
from hypersweep.recommend.lanes import open_lanes
from hypersweep.recommend.models.catalog import CATALOG

CPU = torch.device("cpu")

FILLING = """\
import mmap, torch
from pathlib import Path
from hypersweep.recommend.lanes import open_lanes
def read_large_kib():
    return int(Path("/proc/self/smaps_rollup").read_text().split("AnonHugePages:")[1].split()[0])
def fill(number):
    return torch.full((2**20,), number)
before = read_large_kib()
asked = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
asked.madvise(mmap.MADV_HUGEPAGE)
asked.write(bytes(64 << 20))
given = read_large_kib() - before
asked.close()
before = read_large_kib()
for again in range(2):
    with open_lanes(torch.device("cpu")) as map_parts:
        held = list(map_parts(fill, range(8)))
    assert [int(one.max()) for one in held] == list(range(8))
print(given, read_large_kib() - before)
"""


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("model", CATALOG)
def test_no_number_depends_on_the_lanes(tmp_path: Path, model: str) -> None:
    data = write_data(tmp_path / "short.csv")
    before = torch.get_num_threads()
    told = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        trial = ShortTrial(tmp_path / str(num_threads), data, model=model, micro_batch_size=10, epochs=2)
        told.append(trial.run())
    torch.set_num_threads(before)
    for other in told[1:]:
        assert (other.result, other.reports, other.epochs) == (told[0].result, told[0].reports, told[0].epochs)


@pytest.mark.usefixtures("three_threads")
def test_parts_are_computed_side_by_side_and_taken_in_order() -> None:
    meeting = threading.Barrier(3, timeout=30)

    def compute(part: int) -> tuple[int, int]:
        if part < 3:
            meeting.wait()
        return part, torch.get_num_threads()

    with open_lanes(CPU) as map_parts:
        assert torch.get_num_threads() == 1
        assert list(map_parts(compute, range(9))) == [(part, 1) for part in range(9)]
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_an_error_in_a_lane_is_raised_and_ends_them() -> None:
    def compute(part: int) -> int:
        return 1 // part

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match="division"), open_lanes(CPU) as map_parts:
        list(map_parts(compute, range(9)))
    assert torch.get_num_threads() == 3
    assert threading.active_count() == before


@pytest.mark.usefixtures("three_threads")
def test_other_devices_have_no_lanes() -> None:
    with open_lanes(torch.device("cuda")) as map_parts:
        assert list(map_parts(lambda part: threading.current_thread(), range(2))) == [threading.main_thread()] * 2
        assert torch.get_num_threads() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is known of the pages")
def test_lanes_compute_in_large_pages() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLING], env=environment(), check=True, stdout=subprocess.PIPE, text=True, timeout=100
    )
    given_kib, kib = map(int, done.stdout.split())
    if given_kib == 0:
        pytest.skip("this system has no large pages to give")
    assert kib > given_kib / 4  # both were to be 64 MiB
