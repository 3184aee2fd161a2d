"""A runner that does nothing, in processes that have torch: the server process imports it once."""

from __future__ import annotations

import torch


def finish(params: dict[str, int]) -> float:
    assert torch.get_num_threads() == 1
    return 0.5
