"""How many rows are computed at once."""

from __future__ import annotations

import pytest

from hypersweep.recommend.capacity import count_rows


@pytest.mark.parametrize(
    ("batch_size", "max_len", "wanted"),
    [
        (4096, 50, 256),  # as many positions as a CPU is quickest with
        (939, 50, 235),  # a quarter of the rows: four parts
        (512, 50, 128),  # but half of those positions at least
        (1, 50, 128),
        (4096, 200, 64),
        (1_000_000, 10, 1280),
        (8, 100_000, 1),  # one row always
    ],
)
def test_rows_at_once_on_the_host(batch_size: int, max_len: int, wanted: int) -> None:
    assert count_rows(batch_size, max_len, on_host=True) == wanted


@pytest.mark.parametrize(
    ("num_rows", "max_len", "wanted"),
    [
        (10_000, 50, 512),
        (943, 50, 472),  # two parts at least
        (3, 50, 2),
        (0, 50, 1),
        (10_000, 1000, 131),  # so that the memory does not grow with the length
        (10_000, 1_000_000, 1),
    ],
)
def test_rows_of_packed_histories_at_once(num_rows: int, max_len: int, wanted: int) -> None:
    assert count_rows(num_rows, max_len, on_host=True, is_packed=True) == wanted
    assert count_rows(num_rows, max_len, on_host=False, is_packed=True) == max(1, 2**18 // max_len)


@pytest.mark.parametrize(("max_len", "wanted"), [(50, 5242), (512, 512), (1_000_000, 1)])
def test_rows_at_once_elsewhere(max_len: int, wanted: int) -> None:
    assert count_rows(64, max_len, on_host=False) == wanted
