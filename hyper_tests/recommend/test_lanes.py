from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hyper_tests.recommend.short_trials import ShortTrial, write_data
from hypersweep.recommend.lanes import open_lanes
from hypersweep.recommend.models.catalog import CATALOG

CPU = torch.device("cpu")


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
