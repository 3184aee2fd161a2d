from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hypersweep.recommend.models import softmax_loss
from hypersweep.recommend.models.softmax_loss import sum_cross_entropy


def inputs(num: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden, weight, bias = (
        torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True) for shape in [(num, 3), (7, 3), (7,)]
    )
    return hidden, weight, bias, torch.randint(1, 7, (num,), generator=generator)


@pytest.mark.parametrize("max_logits", [1, 7 * 2, 10_000])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("num", [130, 64, 5, 1, 0])
def test_it_is_cross_entropy(num: int, has_bias: bool, max_logits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax_loss, "_HOST_LOGITS", max_logits)
    hidden, weight, bias, target = inputs(num)
    leaves = [hidden, weight, *([bias] if has_bias else [])]
    loss = sum_cross_entropy(hidden, weight, bias if has_bias else None, target)
    logits = hidden @ weight.T + (bias if has_bias else 0)
    wanted = F.cross_entropy(logits, target, reduction="sum")
    torch.testing.assert_close(loss, wanted)
    for found, right in zip(
        torch.autograd.grad(loss * 3, leaves), torch.autograd.grad(wanted * 3, leaves), strict=True
    ):
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize(("num", "max_logits"), [(1, 1), (130, 7 * 64), (130, 7 * 150), (64, 7 * 64)])
def test_products_are_of_whole_blocks(num: int, max_logits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    multiplied = []

    def multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        multiplied.append(len(left))
        return left @ right

    monkeypatch.setattr(softmax_loss, "multiply", multiply)
    monkeypatch.setattr(softmax_loss, "_HOST_LOGITS", max_logits)
    hidden, weight, _, target = inputs(num)
    sum_cross_entropy(hidden, weight, None, target)
    assert multiplied and all(rows % 64 == 0 for rows in multiplied)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_target_0_does_not_count(has_bias: bool) -> None:
    hidden, weight, bias, target = inputs(6)
    leaves = [hidden, weight, *([bias] if has_bias else [])]
    counts = torch.tensor([True, False, True, True, False, True])
    found = sum_cross_entropy(hidden, weight, bias if has_bias else None, target * counts)
    wanted = sum_cross_entropy(hidden[counts], weight, bias if has_bias else None, target[counts])
    torch.testing.assert_close(found, wanted)
    for one, right in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True):
        torch.testing.assert_close(one, right)


def test_mixed_precision_sums_in_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 rows, ten at once: sums of 8 bits would stand still."""
    monkeypatch.setattr(softmax_loss, "_HOST_LOGITS", 7 * 10)
    few, weight, bias, some = (tensor.detach() for tensor in inputs(5))
    hidden = few.float().repeat(2000, 1).requires_grad_()
    vectors, target = weight.float().requires_grad_(), some.repeat(2000)
    wanted = sum_cross_entropy(hidden, vectors, bias.float(), target)
    with torch.autocast("cpu", torch.bfloat16):
        loss = sum_cross_entropy(hidden, vectors, bias.float(), target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, wanted, rtol=0.01, atol=0)
    for found, right in zip(
        torch.autograd.grad(loss, (hidden, vectors)), torch.autograd.grad(wanted, (hidden, vectors)), strict=True
    ):
        torch.testing.assert_close(found, right, rtol=0.02, atol=0.02 * float(right.abs().max()))


def test_large_logits_do_not_overflow() -> None:
    hidden, weight, _, target = inputs(5, torch.float32)
    loss = sum_cross_entropy(hidden * 1e4, weight, None, target)
    torch.testing.assert_close(loss, F.cross_entropy(hidden * 1e4 @ weight.T, target, reduction="sum"))


def test_its_inputs_stay_as_they_are() -> None:
    hidden, weight, bias, target = inputs(5)
    before = [tensor.detach().clone() for tensor in (hidden, weight, bias)]
    sum_cross_entropy(hidden, weight, bias, target)
    for tensor, copy in zip((hidden, weight, bias), before, strict=True):
        assert torch.equal(tensor, copy)
