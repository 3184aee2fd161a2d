"""Cross entropy over all items without ever holding the logits of all predictions.

Shapes: N predictions, C of them at once, D hidden size, V items and the padding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hypersweep.recommend.devices import is_host
from hypersweep.recommend.models.products import multiply, multiply_transposed

# Logits held at once: what fits a CPU's cache, what fills a GPU (128 MiB, and a few times as much besides).
_HOST_LOGITS, _GPU_LOGITS = 2**19, 2**25
_HOST_BLOCK = 64  # predictions: on a CPU so many at least go through all items' vectors together


def sum_cross_entropy(hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_N: Tensor) -> Tensor:
    """Σ -log softmax(hidden @ weightᵀ + bias)[target], the padding column taking part; a target 0 does not count.

    Gradients are computed along with the loss, chunk by chunk, so that memory does not grow with N · V. Within
    `torch.autocast` the products are of its type, and what is summed is of 32 bits.
    """
    device_type = hidden_ND.device.type
    if not (torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)):
        loss: Tensor = _SumCrossEntropy.apply(hidden_ND, weight_VD, bias_V, target_N)  # type: ignore[no-untyped-call]
        return loss
    dtype = torch.get_autocast_dtype(device_type)
    with torch.autocast(device_type, enabled=False):
        return sum_cross_entropy(hidden_ND.to(dtype), weight_VD.to(dtype), bias_V, target_N)


class _SumCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_N: Tensor) -> Tensor:
        loss, *gradients = _differentiate(hidden_ND, weight_VD, bias_V, target_N)
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.saved_tensors
        return (*(None if gradient is None else gradient * grad for gradient in gradients), None)


def _differentiate(
    hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_N: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The loss, and its gradients by hidden, weight and bias."""
    dtype = torch.promote_types(weight_VD.dtype, torch.float32)  # of all that is summed
    loss = hidden_ND.new_zeros((), dtype=dtype)
    grad_weight_VD = torch.zeros_like(weight_VD, dtype=dtype)
    grad_bias_V = None if bias_V is None else torch.zeros_like(bias_V)
    num_rows = len(hidden_ND)
    if is_host(hidden_ND.device):
        chunk = max(_HOST_BLOCK, _HOST_LOGITS // len(weight_VD) // _HOST_BLOCK * _HOST_BLOCK)
        padding = -num_rows % _HOST_BLOCK  # whole blocks, so that products are of few shapes
        hidden_ND, target_N = F.pad(hidden_ND, (0, 0, 0, padding)), F.pad(target_N, (0, padding))
    else:
        chunk = max(1, _GPU_LOGITS // len(weight_VD))
    grad_hidden_ND = torch.empty_like(hidden_ND)
    for start in range(0, len(hidden_ND), chunk):
        rows = slice(start, start + chunk)
        hidden_CD, target_C1 = hidden_ND[rows], target_N[rows, None]
        counts_C1 = (target_C1 > 0).to(hidden_CD.dtype)
        logit_CV = multiply(hidden_CD, weight_VD.T).to(dtype)
        if bias_V is not None:
            logit_CV += bias_V
        share_CV = logit_CV.softmax(dim=1)
        # log Σ exp(logit), by way of the largest logit: its share of the sum is at least 1 / V, never 0
        log_total_C1 = logit_CV.amax(dim=1, keepdim=True) - share_CV.amax(dim=1, keepdim=True).log()
        loss += ((log_total_C1 - logit_CV.gather(1, target_C1)) * counts_C1).sum()
        # d loss / d logit = softmax - one-hot(target), where the target counts
        grad_logit_CV = share_CV.scatter_add_(1, target_C1, share_CV.new_full(target_C1.shape, -1.0))
        grad_logit_CV = grad_logit_CV.to(hidden_CD.dtype)
        grad_hidden_ND[rows] = multiply(grad_logit_CV, weight_VD) * counts_C1
        _add_product(grad_weight_VD, grad_logit_CV, hidden_CD * counts_C1)
        if grad_bias_V is not None:
            grad_bias_V += (counts_C1.T @ grad_logit_CV).squeeze(0)
    return loss, grad_hidden_ND[:num_rows], grad_weight_VD, grad_bias_V


def _add_product(total: Tensor, left_CV: Tensor, right_CD: Tensor) -> None:
    """Adds leftᵀ @ right."""
    if is_host(total.device) or left_CV.dtype != total.dtype:
        total += multiply_transposed(left_CV, right_CD)
    else:
        total.addmm_(left_CV.T, right_CD)
