"""How much is computed at once on a device: by one trial, and by how many trials together. Light: no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hypersweep.recommend.models.catalog import find_models, find_options

# Positions computed at once: what a CPU is quickest with, and the least it goes down to so that several lanes have
# parts; what fills a GPU.
CPU_POSITIONS, LEAST_CPU_POSITIONS, LEAST_PARTS = 12_800, 6_400, 4
# Of packed histories, on a CPU: rows that make a step quick, and what keeps a part within some 200 MiB with a state of
# 128. More parts are slower on two cores.
PACKED_ROWS, PACKED_POSITIONS, LEAST_PACKED_PARTS = 512, 2**17, 2
GPU_POSITIONS = 2**18
MAX_TOGETHER = 32
SHARE = 0.6  # of the memory: the rest is for weights, logits and what the allocator cannot use


def count_rows(num_rows: int, max_len: int, *, on_host: bool, is_packed: bool = False) -> int:
    """How many of a batch's rows, or of those to evaluate, are computed at once. `is_packed`: as packed histories."""
    if not on_host:
        return max(1, GPU_POSITIONS // max_len)
    if is_packed:
        return max(1, min(PACKED_ROWS, PACKED_POSITIONS // max_len, math.ceil(num_rows / LEAST_PACKED_PARTS)))
    at_least = max(math.ceil(num_rows / LEAST_PARTS), LEAST_CPU_POSITIONS // max_len)
    return max(1, min(CPU_POSITIONS // max_len, at_least))


def count_fitting(settings: Mapping[str, Any], memory_bytes: int) -> int:
    """How many trials may be trained together, going by what they keep of a micro-batch for their gradients. Where a
    setting is a list, by its largest value. An estimate from the sizes alone."""
    options = {option.name: option for option in find_options(find_models(settings))}

    def largest(name: str) -> int:
        value = settings.get(name, options[name].default)
        values = value if isinstance(value, (list, tuple)) else [value]
        return max(int(options[name].parse(one)) for one in values)

    hidden, length = largest("hidden_size"), largest("MAX_ITEM_LIST_LENGTH")
    a_layer = 12 * hidden + 3 * largest("inner_size") + 3 * largest("n_heads") * length
    numbers = 6 * hidden + largest("n_layers") * a_layer  # kept for a position
    positions = min(GPU_POSITIONS, largest("train_batch_size") * length)
    return max(1, min(MAX_TOGETHER, int(SHARE * memory_bytes / (4 * numbers * positions))))
