"""Products by oneDNN against torch's own, values and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hypersweep.recommend.models import products
from hypersweep.recommend.models.gru4rec import GRU
from hypersweep.recommend.models.products import Linear, linear, multiply, multiply_transposed

needs_onednn = pytest.mark.skipif(not products._HAS_ONEDNN, reason="no AVX-512, or no oneDNN, is here")


@pytest.fixture(params=["oneDNN", "torch's own"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "oneDNN" and not products._HAS_ONEDNN:
        pytest.skip("no AVX-512, or no oneDNN, is here")
    monkeypatch.setattr(products, "_HAS_ONEDNN", request.param == "oneDNN")
    monkeypatch.setattr(products, "_LEAST_STEPS", 0)
    yield request.param


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def check_alike(found: Tensor, wanted: Tensor, leaves: list[Tensor]) -> None:
    """The same values, and the same gradients of a sum with weights that differ."""
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    weights = random(*wanted.shape, seed=9, dtype=wanted.dtype).detach()
    for one, right in zip(
        torch.autograd.grad((found * weights).sum(), leaves),
        torch.autograd.grad((wanted * weights).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (300, 5), (7, 13, 5), (2, 3, 4, 5), (0, 5)])
def test_linear(shape: tuple[int, ...], has_bias: bool, way: str) -> None:
    x, weight, bias = random(*shape), random(8, 5, seed=2), random(8, seed=3) if has_bias else None
    leaves = [x, weight, *([] if bias is None else [bias])]
    check_alike(linear(x, weight, bias), F.linear(x, weight, bias), leaves)


@pytest.mark.parametrize("num_out", [1, 3, 200])
def test_linear_of_what_does_not_lie_row_by_row(num_out: int, way: str) -> None:
    x, weight = random(5, 40, 30), random(40, num_out, seed=2)
    bias = random(2 * num_out, seed=3)
    parts = x.mT[:, ::2, 3:], weight[3:].T, bias[::2]
    check_alike(linear(*parts), F.linear(*parts), [x, weight, bias])


def test_a_gradient_that_is_one_number(way: str) -> None:
    x, weight = random(6, 5), random(8, 5, seed=2)
    (found,), (wanted,) = (torch.autograd.grad(y.sum(), [weight]) for y in (linear(x, weight), F.linear(x, weight)))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("learns", ["x", "weight", "bias"])
def test_only_what_is_asked_for_is_differentiated(learns: str, way: str) -> None:
    tensors = {"x": random(6, 5), "weight": random(8, 5, seed=2), "bias": random(8, seed=3)}
    for name, tensor in tensors.items():
        tensor.requires_grad_(name == learns)
    check_alike(linear(*tensors.values()), F.linear(*tensors.values()), [tensors[learns]])


def test_other_numbers_are_torchs_own(way: str) -> None:
    x, weight = random(6, 5, dtype=torch.float64), random(8, 5, dtype=torch.float64)
    assert torch.equal(linear(x, weight), F.linear(x, weight))
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x.float(), weight.float()).dtype == torch.bfloat16


@pytest.mark.parametrize("shapes", [(9, 4, 7), (9, 7, 4), (1, 5, 5), (1, 1, 1)])
def test_products_without_a_derivative(shapes: tuple[int, int, int], way: str) -> None:
    num_rows, num_left, num_right = shapes
    left, right = random(num_rows, num_left).detach(), random(num_rows, num_right, seed=2).detach()
    torch.testing.assert_close(multiply_transposed(left, right), left.T @ right)
    torch.testing.assert_close(multiply(left.T, right), left.T @ right)


@needs_onednn
@pytest.mark.parametrize(("num_rows", "is_large"), [(400_000, True), (300_000, False)])
def test_it_is_onednn_that_makes_large_products(num_rows: int, is_large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def multiply(*tensors: Any) -> Tensor:
        asked.append(tensors)
        return F.linear(*tensors)

    monkeypatch.setattr(products, "_multiply", multiply)
    x, weight = random(num_rows, 2), random(3, 2)
    torch.autograd.grad(linear(x, weight).sum(), [x, weight])
    assert len(asked) == (3 if is_large else 0), "the product, and the two that its gradients are"


@needs_onednn
@pytest.mark.parametrize(("num_rows", "is_large"), [(400_000, True), (300_000, False)])
def test_the_same_limit_without_a_derivative(num_rows: int, is_large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def multiply_large(x: Tensor, weight_NK: Tensor, bias_N: Tensor | None) -> Tensor:
        asked.append(bias_N)
        return x @ weight_NK.T

    monkeypatch.setattr(products, "_multiply", multiply_large)
    rows, weight = random(num_rows, 2).detach(), random(2, 3).detach()
    multiply(rows, weight)
    multiply_transposed(rows, random(num_rows, 3).detach())
    assert len(asked) == (2 if is_large else 0)


def test_the_layer_is_saved_as_torchs() -> None:
    theirs = nn.Linear(5, 8)
    ours = Linear(5, 8)
    ours.load_state_dict(theirs.state_dict())
    x = random(6, 5)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_recurrent_network_is_torchs(num_layers: int, way: str) -> None:
    theirs = nn.GRU(5, 8, num_layers, bias=False, batch_first=True)
    ours = GRU(5, 8, num_layers)
    ours.load_state_dict(theirs.state_dict())
    x = random(3, 7, 5)
    found, wanted = ours(x), theirs(x)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    weights = random(3, 7, 8, seed=9).detach()
    leaves = [[x, *network.parameters()] for network in (ours, theirs)]
    gradients = [torch.autograd.grad((y * weights).sum(), of) for y, of in zip((found, wanted), leaves, strict=True)]
    for one, right in zip(*gradients, strict=True):
        torch.testing.assert_close(one, right, rtol=1e-4, atol=1e-5)


def test_states_stay_in_32_bits() -> None:
    network = GRU(5, 8, 2)
    x = random(3, 40, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x)
    assert found.dtype == torch.float32
    assert (found - network(x)).abs().mean() < 0.001
