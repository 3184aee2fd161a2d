"""The parts of transformers as RecBole 1.2.1 builds them: post-norm layers with biases everywhere.

Shapes: B rows, L positions, M asked positions (all L, or fewer in a last layer), C vectors at once, D hidden size, H
heads of d = D / H.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hypersweep.recommend.devices import is_host
from hypersweep.recommend.models.dropout import Dropout
from hypersweep.recommend.models.products import Linear

_HOST_NUMBERS = 2**19  # of the inner vectors, computed at once: what fits a CPU's cache

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "swish": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def initialise(model: nn.Module, std: float) -> None:
    """Normal weights for linear layers and embeddings, the padding row too; zero biases. (Layer norms are (1, 0).)"""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def forbid(is_forbidden: Tensor) -> Tensor:
    """What to add to the scores of an attention: minus infinity where it is forbidden."""
    return torch.zeros(is_forbidden.shape, device=is_forbidden.device).masked_fill(is_forbidden, float("-inf"))


def take_positions(x_BLD: Tensor, asked_BM: Tensor | None) -> Tensor:
    """The vectors at the asked positions; all of them if None."""
    if asked_BM is None:
        return x_BLD
    return x_BLD.gather(1, asked_BM[:, :, None].expand(-1, -1, x_BLD.shape[2]))


class FeedForward(nn.Module):
    """Two linear layers with an activation between, added to the input and normed: … × D to … × D."""

    def __init__(self, hidden_size: int, inner_size: int, act: str, dropout: float, eps: float) -> None:
        super().__init__()
        self.expand = Linear(hidden_size, inner_size)
        self.contract = Linear(inner_size, hidden_size)
        self.num_at_once = max(1, _HOST_NUMBERS // inner_size)
        self.act = ACTIVATIONS[act]
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, x_BMD: Tensor) -> Tensor:
        if is_host(x_BMD.device):
            parts = torch.split(x_BMD.flatten(0, -2), self.num_at_once)
            y_BMD = torch.cat([self._transform(x_CD) for x_CD in parts]).view(x_BMD.shape)
        else:
            y_BMD = self._transform(x_BMD)
        out_BMD: Tensor = self.norm(x_BMD + self.dropout(y_BMD))
        return out_BMD

    def _transform(self, x: Tensor) -> Tensor:
        y: Tensor = self.contract(self.act(self.expand(x)))
        return y


class SelfAttention(nn.Module):
    """Scaled dot-product attention of H heads, added to the input and normed: B × L × D to B × M × D."""

    def __init__(self, hidden_size: int, n_heads: int, hidden_dropout: float, attn_dropout: float, eps: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = Linear(hidden_size, hidden_size)
        self.key = Linear(hidden_size, hidden_size)
        self.value = Linear(hidden_size, hidden_size)
        self.output = Linear(hidden_size, hidden_size)
        self.attn_dropout = Dropout(attn_dropout)
        self.dropout = Dropout(hidden_dropout)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, x_BLD: Tensor, bias_B1ML: Tensor, asked_BM: Tensor | None) -> Tensor:
        """`bias` is added to the scores: minus infinity where a query may not see a key; a dimension of 1 stands for
        all."""
        if asked_BM is None:
            x_BMD, context_BHMd = x_BLD, self._attend(x_BLD, bias_B1ML)
        else:
            x_BMD = take_positions(x_BLD, asked_BM)
            context_BHMd = self._attend_from(x_BMD, x_BLD, bias_B1ML)
        context_BMD = context_BHMd.transpose(1, 2).flatten(2)
        out_BMD: Tensor = self.norm(x_BMD + self.dropout(self.output(context_BMD)))
        return out_BMD

    def _attend(self, x_BLD: Tensor, bias_B1LL: Tensor) -> Tensor:
        """The contexts of all positions."""
        query_BHLd = self._split_heads(self.query(x_BLD))
        key_BHLd = self._split_heads(self.key(x_BLD))
        value_BHLd = self._split_heads(self.value(x_BLD))
        weight_BHLL = self._weigh(query_BHLd @ key_BHLd.transpose(2, 3), bias_B1LL)
        return weight_BHLL @ value_BHLd

    def _attend_from(self, x_BMD: Tensor, x_BLD: Tensor, bias_B1ML: Tensor) -> Tensor:
        """The contexts of few positions: the same, but what is projected is their queries, on to what keys are made
        of, and the means of what values are made of.

        The keys' biases are left out: they add the same to all scores of a query, so that its weights stay the same.
        """
        query_BMHd = self.query(x_BMD).view(*x_BMD.shape[:2], self.n_heads, -1)
        key_HdD = self.key.weight.view(self.n_heads, -1, x_BLD.shape[2])
        value_HdD = self.value.weight.view(self.n_heads, -1, x_BLD.shape[2])
        query_BHMD = torch.einsum("bmhd,hdD->bhmD", query_BMHd, key_HdD)
        score_BNL = query_BHMD.flatten(1, 2) @ x_BLD.transpose(1, 2)  # N = H · M
        weight_BHML = self._weigh(score_BNL.view(*query_BHMD.shape[:3], -1), bias_B1ML)
        mean_BHMD = (weight_BHML.flatten(1, 2) @ x_BLD).view(query_BHMD.shape)
        value_bias_BHMd = weight_BHML.sum(dim=3, keepdim=True) * self.value.bias.view(self.n_heads, 1, -1)
        return torch.einsum("bhmD,hdD->bhmd", mean_BHMD, value_HdD) + value_bias_BHMd

    def _weigh(self, score_BHML: Tensor, bias_B1ML: Tensor) -> Tensor:
        head_size = self.query.out_features // self.n_heads
        weight_BHML: Tensor = self.attn_dropout((score_BHML * head_size**-0.5 + bias_B1ML).softmax(dim=3))
        return weight_BHML

    def _split_heads(self, x_BLD: Tensor) -> Tensor:
        return x_BLD.view(*x_BLD.shape[:-1], self.n_heads, -1).transpose(1, 2)
