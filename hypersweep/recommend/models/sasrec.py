"""SASRec: self-attention that looks back, from every item to those before it.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; where the paper and RecBole 1.2.1 differ, this
is what RecBole computes: the layers of BERT4Rec (norms after the sums, GELU), and cross entropy over all items.

Shapes: B rows, L positions, M asked positions, D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hypersweep.recommend.models.dropout import Dropout
from hypersweep.recommend.models.next_item import NextItemModel
from hypersweep.recommend.models.transformer import FeedForward, SelfAttention, forbid, initialise


class SASRec(NextItemModel):
    """Histories B × L to representations B × M × D; see the head of the file."""

    def __init__(
        self,
        *,
        vocab_size: int,
        max_len: int,
        n_layers: int,
        n_heads: int,
        hidden_size: int,
        inner_size: int,
        hidden_dropout_prob: float,
        attn_dropout_prob: float,
        hidden_act: str,
        layer_norm_eps: float,
        initializer_range: float,
    ) -> None:
        super().__init__(vocab_size)
        self.item_embedding = nn.Embedding(vocab_size, hidden_size, padding_idx=0)
        self.position_embedding = nn.Embedding(max_len, hidden_size)
        self.input_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.input_dropout = Dropout(hidden_dropout_prob)
        self.attentions = nn.ModuleList(
            SelfAttention(hidden_size, n_heads, hidden_dropout_prob, attn_dropout_prob, layer_norm_eps)
            for _ in range(n_layers)
        )
        self.feed_forwards = nn.ModuleList(
            FeedForward(hidden_size, inner_size, hidden_act, hidden_dropout_prob, layer_norm_eps)
            for _ in range(n_layers)
        )
        initialise(self, initializer_range)

    def encode(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        x_BLD = self.item_embedding(item_seq_BL) + self.position_embedding.weight[: item_seq_BL.shape[1]]
        x_BLD = self.input_dropout(self.input_norm(x_BLD))
        place_L = torch.arange(item_seq_BL.shape[1], device=item_seq_BL.device)
        for attention, feed_forward in zip(self.attentions, self.feed_forwards, strict=True):
            is_last = attention is self.attentions[-1]
            place_BM = asked_BM if is_last else place_L[None]
            bias_B1ML = forbid(place_L > place_BM[:, :, None])[:, None]  # the padding on the right never is before
            x_BLD = feed_forward(attention(x_BLD, bias_B1ML, asked_BM if is_last else None))
        x_BMD: Tensor = x_BLD  # only the asked positions are left
        return x_BMD
