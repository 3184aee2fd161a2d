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


@pytest.mark.parametrize("max_len", [1, 50, 1_000_000])
def test_rows_of_packed_histories_do_not_depend_on_their_length(max_len: int) -> None:
    assert count_rows(943, max_len, on_host=True, is_packed=True) == 512
    assert count_rows(943, max_len, on_host=False, is_packed=True) == count_rows(943, max_len, on_host=False)


@pytest.mark.parametrize(("max_len", "wanted"), [(50, 5242), (512, 512), (1_000_000, 1)])
def test_rows_at_once_elsewhere(max_len: int, wanted: int) -> None:
    assert count_rows(64, max_len, on_host=False) == wanted
