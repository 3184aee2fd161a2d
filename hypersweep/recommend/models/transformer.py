"""The parts of transformers as RecBole 1.2.1 builds them: post-norm layers with biases everywhere.

Shapes: B rows, L positions, M asked positions (all L, or fewer in a last layer), D hidden size, F inner size, H heads
of d = D / H.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hypersweep.recommend.models.dropout import Dropout

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


def take_positions(x_BLD: Tensor, asked_BM: Tensor | None) -> Tensor:
    """The vectors at the asked positions; all of them if None."""
    if asked_BM is None:
        return x_BLD
    return x_BLD.gather(1, asked_BM[:, :, None].expand(-1, -1, x_BLD.shape[2]))


class FeedForward(nn.Module):
    """Two linear layers with an activation between, added to the input and normed: … × D to … × D."""

    def __init__(self, hidden_size: int, inner_size: int, act: str, dropout: float, eps: float) -> None:
        super().__init__()
        self.expand = nn.Linear(hidden_size, inner_size)
        self.contract = nn.Linear(inner_size, hidden_size)
        self.act = ACTIVATIONS[act]
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, x_BMD: Tensor) -> Tensor:
        y_BMD = self.contract(self.act(self.expand(x_BMD)))
        out_BMD: Tensor = self.norm(x_BMD + self.dropout(y_BMD))
        return out_BMD


class SelfAttention(nn.Module):
    """Scaled dot-product attention of H heads, added to the input and normed: B × L × D to B × M × D."""

    def __init__(self, hidden_size: int, n_heads: int, hidden_dropout: float, attn_dropout: float, eps: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)
        self.attn_dropout = attn_dropout
        self.dropout = Dropout(hidden_dropout)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, x_BLD: Tensor, may_attend_B1ML: Tensor, asked_BM: Tensor | None) -> Tensor:
        """`may_attend` is true where a query may see a key; a dimension of 1 stands for all."""
        x_BMD = take_positions(x_BLD, asked_BM)
        query_BHMd = self._split_heads(self.query(x_BMD))
        key_BHLd = self._split_heads(self.key(x_BLD))
        value_BHLd = self._split_heads(self.value(x_BLD))
        context_BHMd = F.scaled_dot_product_attention(
            query_BHMd,
            key_BHLd,
            value_BHLd,
            attn_mask=may_attend_B1ML,
            dropout_p=self.attn_dropout if self.training else 0.0,
        )
        context_BMD = context_BHMd.transpose(1, 2).flatten(2)
        out_BMD: Tensor = self.norm(x_BMD + self.dropout(self.output(context_BMD)))
        return out_BMD

    def _split_heads(self, x_BLD: Tensor) -> Tensor:
        return x_BLD.view(*x_BLD.shape[:-1], self.n_heads, -1).transpose(1, 2)
