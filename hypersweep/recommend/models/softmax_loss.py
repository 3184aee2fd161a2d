"""Cross entropy over all items without ever holding the logits of all predictions.

Shapes: N predictions, C of them at once, D hidden size, V items and the padding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Logits held at once: what fits a CPU's cache, what fills a GPU.
_CPU_LOGITS, _GPU_LOGITS = 2**19, 2**22


def sum_cross_entropy(hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_N: Tensor) -> Tensor:
    """Σ -log softmax(hidden @ weightᵀ + bias)[target], the padding column taking part.

    Gradients are computed along with the loss, chunk by chunk, so that memory does not grow with N · V.
    """
    loss: Tensor = _SumCrossEntropy.apply(hidden_ND, weight_VD, bias_V, target_N)  # type: ignore[no-untyped-call]
    return loss


class _SumCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_N: Tensor) -> Tensor:
        loss = hidden_ND.new_zeros(())
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_weight_VD = torch.zeros_like(weight_VD)
        grad_bias_V = None if bias_V is None else torch.zeros_like(bias_V)
        max_logits = _CPU_LOGITS if hidden_ND.device.type == "cpu" else _GPU_LOGITS
        for start in range(0, len(hidden_ND), chunk := max(1, max_logits // len(weight_VD))):
            rows = slice(start, start + chunk)
            hidden_CD, target_C1 = hidden_ND[rows], target_N[rows, None]
            logit_CV = hidden_CD @ weight_VD.T
            if bias_V is not None:
                logit_CV += bias_V
            share_CV = logit_CV.softmax(dim=1)
            # log Σ exp(logit), by way of the largest logit: its share of the sum is at least 1 / V, never 0
            log_total_C1 = logit_CV.amax(dim=1, keepdim=True) - share_CV.amax(dim=1, keepdim=True).log()
            loss += (log_total_C1 - logit_CV.gather(1, target_C1)).sum()
            # d loss / d logit = softmax - one-hot(target)
            grad_logit_CV = share_CV.scatter_add_(1, target_C1, share_CV.new_full(target_C1.shape, -1.0))
            grad_hidden_ND[rows] = grad_logit_CV @ weight_VD
            grad_weight_VD.addmm_(grad_logit_CV.T, hidden_CD)
            if grad_bias_V is not None:
                grad_bias_V += grad_logit_CV.sum(dim=0)
        ctx.save_for_backward(grad_hidden_ND, grad_weight_VD, grad_bias_V)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.saved_tensors
        return (*(None if gradient is None else gradient * grad for gradient in gradients), None)
