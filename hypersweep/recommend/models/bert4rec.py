"""BERT4Rec: a bidirectional transformer that fills in masked items.

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer", CIKM
2019; where the paper and RecBole 1.2.1 differ, this is what RecBole computes.

Shapes: B rows, L positions, M asked positions, D hidden size, V items and the padding 0; the mask token is number V.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hypersweep.recommend.batches import Batch
from hypersweep.recommend.models.dropout import Dropout
from hypersweep.recommend.models.next_item import Examples, NextItemModel
from hypersweep.recommend.models.products import Linear
from hypersweep.recommend.models.transformer import FeedForward, SelfAttention, forbid, initialise

MASKS_AT_RANDOM, MASKS_LAST = 0, 1  # kinds of batches


class BERT4Rec(NextItemModel):
    """Histories with masks B × L to representations B × M × D; see the head of the file."""

    def __init__(
        self,
        *,
        vocab_size: int,
        max_len: int,
        mask_ratio: float,
        ft_ratio: float,
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
        self.mask_ratio = mask_ratio
        self.ft_ratio = ft_ratio
        self.max_asked = int(mask_ratio * max_len)
        self.item_embedding = nn.Embedding(vocab_size + 1, hidden_size, padding_idx=0)
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
        self.output = Linear(hidden_size, hidden_size)
        self.output_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.output_bias = nn.Parameter(torch.zeros(vocab_size))
        initialise(self, initializer_range)

    def encode(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        x_BLD = self.item_embedding(item_seq_BL) + self.position_embedding.weight[: item_seq_BL.shape[1]]
        x_BLD = self.input_dropout(self.input_norm(x_BLD))
        bias_B11L = forbid(item_seq_BL == 0)[:, None, None]
        for attention, feed_forward in zip(self.attentions, self.feed_forwards, strict=True):
            is_last = attention is self.attentions[-1]
            x_BLD = feed_forward(attention(x_BLD, bias_B11L, asked_BM if is_last else None))
        x_BMD = x_BLD  # only the asked positions are left
        out_BMD: Tensor = self.output_norm(F.gelu(self.output(x_BMD)))
        return out_BMD

    def draw_kind(self) -> int:
        """With probability `ft_ratio` the last item of each row is masked, else items at random."""
        return MASKS_LAST if torch.rand(()) < self.ft_ratio else MASKS_AT_RANDOM

    def make_examples(self, batch: Batch, kind: int, generator: torch.Generator | None = None) -> Examples:
        """Masks each item with probability `mask_ratio`, or the last of each row only.

        The row's own target is not used. At most `max_asked` masked items of a row are asked for, the last ones; the
        first item of a row may be masked and is never asked for.
        """
        item_seq_BL = batch.item_seq_BL
        if kind == MASKS_LAST:
            asked_BM = (batch.length_B - 1)[:, None]
            is_masked_BL = torch.zeros_like(item_seq_BL, dtype=torch.bool).scatter_(1, asked_BM, True)
        else:
            draw_BL = torch.rand(item_seq_BL.shape, generator=generator, device=item_seq_BL.device)
            is_masked_BL = (draw_BL < self.mask_ratio) & (item_seq_BL > 0)
            place_L = torch.arange(item_seq_BL.shape[1], device=item_seq_BL.device)
            asked_BM = (place_L * is_masked_BL).topk(self.max_asked).values  # 0 where fewer are masked: never asked for
        target_BM = item_seq_BL.gather(1, asked_BM) * (asked_BM > 0)
        return Examples(item_seq_BL.masked_fill(is_masked_BL, self.vocab_size), asked_BM, target_BM)

    def ask_next(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The mask is appended and the oldest item dropped, even where there was room."""
        appended_BL = F.pad(batch.item_seq_BL, (0, 1)).scatter(1, batch.length_B[:, None], self.vocab_size)
        return appended_BL[:, 1:], batch.length_B - 1
