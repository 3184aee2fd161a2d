"""Full ranking over all items and the metrics of RecBole, for one target per row.

Shapes: B rows of a batch, N rows, V items and the padding 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hypersweep.recommend.batches import Batch, Rows, Splits
from hypersweep.recommend.capacity import count_rows
from hypersweep.recommend.devices import is_host
from hypersweep.recommend.lanes import MapParts, map_in_turn

# Scores computed at once: what fits a CPU's cache, what fills a GPU (128 MiB, and three times that to rank them).
_HOST_SCORES, _GPU_SCORES = 2**22, 2**25
_FEW_PARTS = 4


def evaluate(
    score: Callable[[Batch], Tensor],
    splits: Splits,
    rows: Rows,
    *,
    metrics: Sequence[str],
    topk: Sequence[int],
    decimals: int,
    batch_size: int,
    is_packed: bool = False,
    map_parts: MapParts = map_in_turn,
) -> dict[str, float]:
    """The metrics of a scorer, which gives B × V scores for a batch. `is_packed`: it reads histories of any lengths
    together, without padding."""
    on_host = is_host(splits.item_T.device)
    max_scores = _HOST_SCORES if on_host else _GPU_SCORES
    at_once = count_rows(len(rows), splits.max_len, on_host=on_host, is_packed=is_packed)
    batch_size = max(1, min(batch_size, max_scores // (splits.num_items + 1), at_once))

    def rank(index_B: Tensor) -> Tensor:
        batch = splits.batch(rows, index_B)
        return rank_targets(score(batch), batch.target_B)

    # Rows of similar lengths together: a model that ignores the padding may leave it out, one that packs histories has
    # most rows at each step. Parts of equal sizes, so that no lane waits for another; few parts of packed histories
    # have rows of all lengths, so that no lane has more to read than another.
    index_N = (rows.target_at_N - rows.first_at_N).argsort(descending=True, stable=True)
    num_parts = max(1, math.ceil(len(rows) / batch_size))
    if is_packed and num_parts <= _FEW_PARTS:
        parts = [index_N[part::num_parts] for part in range(num_parts)]
    else:
        parts = list(index_N.tensor_split(num_parts))
    ranks = list(map_parts(rank, parts))
    return mean_metrics(torch.cat(ranks).cpu().numpy(), metrics=metrics, topk=topk, decimals=decimals)


def rank_targets(score_BV: Tensor, target_B: Tensor) -> Tensor:
    """The rank (1 is best) of each target among all items but the padding, in a stable descending sort by item id.

    Counted, not sorted: in floats, on a CPU four times as quick as in booleans, and exact up to 2^24 items. Where
    scores are NaN the target is last: a diverged model must not look perfect.
    """
    target_score_B1 = score_BV.gather(1, target_B[:, None])
    item_V = torch.arange(score_BV.shape[1], dtype=torch.float32, device=score_BV.device)
    is_worse_BV, is_tie_BV, is_later_BV = (torch.empty_like(score_BV, dtype=torch.float32) for _ in range(3))
    torch.lt(score_BV, target_score_B1, out=is_worse_BV)
    torch.eq(score_BV, target_score_B1, out=is_tie_BV)
    torch.gt(item_V, target_B[:, None].float(), out=is_later_BV)
    num_after_B = is_worse_BV.addcmul_(is_tie_BV, is_later_BV)[:, 1:].sum(dim=1)
    return score_BV.shape[1] - 1 - num_after_B.long()


def mean_metrics(
    rank_N: npt.NDArray[np.int64], *, metrics: Sequence[str], topk: Sequence[int], decimals: int
) -> dict[str, float]:
    """The means over rows, named and ordered as RecBole does: for each metric all k."""
    return {
        f"{metric}@{k}": float(np.round(np.mean(_METRICS[metric](rank_N, k)), decimals))
        for metric in metrics
        for k in topk
    }


def _hit(rank_N: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.float64]:
    return (rank_N <= k).astype(np.float64)


_METRICS: Mapping[str, Callable[[npt.NDArray[np.int64], int], npt.NDArray[np.float64]]] = {
    "recall": _hit,
    "hit": _hit,
    "precision": lambda rank_N, k: _hit(rank_N, k) / k,
    "mrr": lambda rank_N, k: _hit(rank_N, k) / rank_N,
    "ndcg": lambda rank_N, k: _hit(rank_N, k) / np.log2(rank_N + 1.0),
}
