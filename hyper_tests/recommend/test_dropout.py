from __future__ import annotations

import threading

import pytest
import torch

from hypersweep.recommend.models.dropout import Dropout, noise_from


@pytest.mark.parametrize("probability", [0.1, 0.2, 0.5, 0.9])
def test_what_is_dropped_and_how_the_rest_is_scaled(probability: float) -> None:
    torch.manual_seed(1)
    x = torch.ones(401, 503, requires_grad=True)
    y = Dropout(probability)(x)
    share = float((y == 0).float().mean())
    assert share == pytest.approx(probability, abs=0.005)
    assert y.max().item() == pytest.approx(1 / (1 - probability), rel=1e-3)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_elements_are_independent() -> None:
    torch.manual_seed(1)
    kept = (Dropout(0.5)(torch.ones(100_000, 4)) > 0).float()
    correlation = torch.corrcoef(kept.T) - torch.eye(4)
    assert correlation.abs().max() < 0.02
    assert kept.mean(dim=0).sub(0.5).abs().max() < 0.01


def test_it_is_the_identity_in_evaluation_or_without_a_probability() -> None:
    x = torch.randn(3, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_the_seed_decides() -> None:
    x = torch.ones(7, 9)
    torch.manual_seed(3)
    first = Dropout(0.5)(x)
    assert not torch.equal(Dropout(0.5)(x), first)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5)(x), first)


def test_noise_comes_from_the_generator_that_is_given() -> None:
    x = torch.ones(7, 9)
    torch.manual_seed(3)
    outside = Dropout(0.5)(x)
    torch.manual_seed(3)
    with noise_from(torch.Generator().manual_seed(4)):
        first = Dropout(0.5)(x)
    assert torch.equal(Dropout(0.5)(x), outside)
    with noise_from(torch.Generator().manual_seed(4)):
        assert torch.equal(Dropout(0.5)(x), first)
    assert not torch.equal(first, outside)


def test_noise_is_given_to_one_thread_only() -> None:
    x = torch.ones(7, 9)
    torch.manual_seed(3)
    drawn = []
    with noise_from(torch.Generator().manual_seed(4)):
        thread = threading.Thread(target=lambda: drawn.append(Dropout(0.5)(x)))
        thread.start()
        thread.join()
    torch.manual_seed(3)
    assert torch.equal(drawn[0], Dropout(0.5)(x))
