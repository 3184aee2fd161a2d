"""Products with matrices: by oneDNN where that is quicker than what torch takes by itself.

On a CPU torch multiplies numbers of 32 bits by Intel's MKL, which leaves half of AVX-512 unused on AMD's processors;
oneDNN, which is part of torch too, does not (benchmarks/NOTES.md). It is taken wherever there is AVX-512; elsewhere
products are torch's own. oneDNN prepares itself for each new shape and keeps that, up to 0.5 MiB: shapes should be few.

Shapes: R rows, K columns to N columns; … any dimensions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hypersweep.recommend.devices import is_host

_HAS_ONEDNN = (
    torch.backends.cpu.get_cpu_capability() == "AVX512"
    and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")
)
_LEAST_STEPS = 2**21  # multiplications of a product: below, what a call costs besides outweighs what it saves


class Linear(nn.Linear):
    """As `nn.Linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight_NK: Tensor, bias_N: Tensor | None = None) -> Tensor:
    """x @ weightᵀ + bias, … × K to … × N."""
    if not _is_for_onednn(x, weight_NK, x.shape[-1]):
        return F.linear(x, weight_NK, bias_N)
    if not torch.is_grad_enabled():
        return _multiply(x, weight_NK, bias_N)
    y: Tensor = _Linear.apply(x, weight_NK, bias_N)  # type: ignore[no-untyped-call]
    return y


def multiply(x: Tensor, weight_KN: Tensor) -> Tensor:
    """x @ weight, … × K to … × N, without a derivative."""
    return _multiply(x, weight_KN.T, None) if _is_for_onednn(x, weight_KN, len(weight_KN)) else x @ weight_KN


def multiply_transposed(left_RN: Tensor, right_RK: Tensor) -> Tensor:
    """leftᵀ @ right, N × K, without a derivative."""
    if not _is_for_onednn(left_RN, right_RK, len(left_RN)):
        return left_RN.T @ right_RK
    if left_RN.shape[1] > right_RK.shape[1]:  # up to 1.8 times as quick with the smaller one on the left
        return _multiply(right_RK.T, left_RN.T, None).T
    return _multiply(left_RN.T, right_RK.T, None)


def _is_for_onednn(left: Tensor, right: Tensor, num_summed: int) -> bool:
    """`num_summed`: the products that are summed for a number of the result."""
    return (
        _HAS_ONEDNN
        and left.numel() * right.numel() > _LEAST_STEPS * num_summed
        and is_host(left.device)
        and left.dtype == right.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _multiply(x: Tensor, weight_NK: Tensor, bias_N: Tensor | None) -> Tensor:
    bias_N = None if bias_N is None else bias_N.contiguous()  # oneDNN is not told how it lies
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight_NK, bias_N, "none", [], "")
    return y


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_NK: Tensor, bias_N: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight_NK)
        return _multiply(x, weight_NK, bias_N)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_NK = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        grad_RN = grad.reshape(-1, grad.shape[-1])
        return (
            multiply(grad, weight_NK) if needs_x else None,
            multiply_transposed(grad_RN, x.reshape(-1, x.shape[-1])) if needs_weight else None,
            grad_RN.sum(dim=0) if needs_bias else None,
        )
