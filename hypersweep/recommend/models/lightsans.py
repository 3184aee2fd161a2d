"""LightSANs: low-rank decomposed self-attention with decoupled position encoding.

Fan et al., "Lighter and Better: Low-Rank Decomposed Self-Attention Networks for Next-Item Recommendation", SIGIR 2021;
where the paper and RecBole 1.2.1 differ, this is what RecBole computes: both softmaxes run over the *query* positions,
padded positions take part, and there is no causal mask.

Shapes: B rows, L positions, M asked positions (all L, or the last real one in the last layer), K interests, D hidden
size, H heads of d = D / H.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hypersweep.recommend.models.dropout import Dropout
from hypersweep.recommend.models.next_item import NextItemModel
from hypersweep.recommend.models.products import Linear
from hypersweep.recommend.models.transformer import FeedForward, initialise, take_positions


class LightSANs(NextItemModel):
    """Histories B × L to representations B × M × D; see the head of the file."""

    ignores_padding = False

    def __init__(
        self,
        *,
        vocab_size: int,
        max_len: int,
        k_interests: int,
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
            LightAttention(hidden_size, n_heads, k_interests, hidden_dropout_prob, attn_dropout_prob, layer_norm_eps)
            for _ in range(n_layers)
        )
        self.feed_forwards = nn.ModuleList(
            FeedForward(hidden_size, inner_size, hidden_act, hidden_dropout_prob, layer_norm_eps)
            for _ in range(n_layers)
        )
        initialise(self, initializer_range)

    def encode(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        x_BLD: Tensor = self.input_dropout(self.input_norm(self.item_embedding(item_seq_BL)))
        position_LD = self.position_embedding.weight  # histories are always padded to max_len
        for attention, feed_forward in zip(self.attentions, self.feed_forwards, strict=True):
            is_last = attention is self.attentions[-1]
            x_BLD = feed_forward(attention(x_BLD, position_LD, asked_BM if is_last else None))
        return x_BLD  # only the asked positions are left


class LightAttention(nn.Module):
    """The items attend to K interests, and positions to positions; the two contexts are added."""

    def __init__(
        self, hidden_size: int, n_heads: int, k_interests: int, hidden_dropout: float, attn_dropout: float, eps: float
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = Linear(hidden_size, hidden_size)
        self.key = Linear(hidden_size, hidden_size)
        self.value = Linear(hidden_size, hidden_size)
        self.key_interests = nn.Parameter(torch.randn(hidden_size, k_interests))
        self.value_interests = nn.Parameter(torch.randn(hidden_size, k_interests))
        self.position_norm = nn.LayerNorm(hidden_size, eps=eps)
        self.position_query = Linear(hidden_size, hidden_size)
        self.position_key = Linear(hidden_size, hidden_size)
        self.output = Linear(hidden_size, hidden_size)
        self.attn_dropout = Dropout(attn_dropout)
        self.dropout = Dropout(hidden_dropout)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, x_BLD: Tensor, position_LD: Tensor, asked_BM: Tensor | None) -> Tensor:
        """The output at the asked positions, at all of them if None."""
        context_BMHd = self._attend_to_interests(x_BLD, asked_BM)
        if asked_BM is None:
            context_BMHd = context_BMHd + self._attend_to_positions(x_BLD, position_LD)
        else:
            context_BMHd = context_BMHd + self._attend_to_positions_from(asked_BM, x_BLD, position_LD)
        out_BMD: Tensor = self.output(context_BMHd.flatten(2))
        out_BMD = self.norm(take_positions(x_BLD, asked_BM) + self.dropout(out_BMD))
        return out_BMD

    def _attend_to_interests(self, x_BLD: Tensor, asked_BM: Tensor | None) -> Tensor:
        """Low-rank self-attention: keys and values are pooled into interests; the softmax runs over the queries.

        Not the L queries are projected, but the H · K keys on to what queries are made of: the same scores, but for
        the queries' biases, which would add the same to all scores of a key and so change no weight.
        """
        key_BKD, value_BKD = self._pool(x_BLD)
        key_BKHd, value_BKHd = self._split_heads(key_BKD), self._split_heads(value_BKD)
        query_HdD = self.query.weight.view(self.n_heads, -1, x_BLD.shape[2])
        key_BHKD = torch.einsum("bkhd,hdD->bhkD", key_BKHd, query_HdD) * key_BKHd.shape[-1] ** -0.5
        weight_BNM = (key_BHKD.flatten(1, 2) @ x_BLD.transpose(1, 2)).softmax(dim=2)  # N = H · K
        if asked_BM is not None:
            weight_BNM = weight_BNM.gather(2, asked_BM[:, None].expand(-1, weight_BNM.shape[1], -1))
        weight_BHKM = self.attn_dropout(weight_BNM).view(*key_BHKD.shape[:3], -1)
        return torch.einsum("bhkm,bkhd->bmhd", weight_BHKM, value_BKHd)

    def _pool(self, x_BLD: Tensor) -> tuple[Tensor, Tensor]:
        """Item-to-interest aggregation, of keys and of values: each interest is a mean of the items' projections,
        weighted by a softmax over their products with the interest's vector.

        Items are pooled before they are projected, since the projection of a mean is the mean of the projections; the
        interests' vectors are projected on to what items are made of (again but for biases that change no weight).
        """
        interest_ND = torch.cat(
            [self.key_interests.T @ self.key.weight, self.value_interests.T @ self.value.weight]
        )  # N = 2 · K
        share_BNL = (interest_ND.expand(len(x_BLD), -1, -1) @ x_BLD.transpose(1, 2)).softmax(dim=2)
        for_keys_BKD, for_values_BKD = (share_BNL @ x_BLD).chunk(2, dim=1)
        return self.key(for_keys_BKD), self.value(for_values_BKD)

    def _weigh_positions(self, position_LD: Tensor) -> Tensor:
        """Decoupled position encoding: weights between positions, H × L × L, the same for every row; the softmax runs
        over the queries, and there is no dropout."""
        position_LD = self.position_norm(position_LD)
        query_LHd = self._split_heads(self.position_query(position_LD))
        key_LHd = self._split_heads(self.position_key(position_LD))
        head_size = query_LHd.shape[-1]
        scale = (2 * head_size) ** -0.5 * head_size**-0.5  # the first of the queries, the second of the scores
        score_HLL: Tensor = torch.einsum("mhd,lhd->hml", query_LHd, key_LHd) * scale
        return score_HLL.softmax(dim=1)

    def _attend_to_positions(self, x_BLD: Tensor, position_LD: Tensor) -> Tensor:
        value_BLHd = self._split_heads(self.value(x_BLD))
        return torch.einsum("hml,blhd->bmhd", self._weigh_positions(position_LD), value_BLHd)

    def _attend_to_positions_from(self, asked_BM: Tensor, x_BLD: Tensor, position_LD: Tensor) -> Tensor:
        """The same for few positions: here, too, the items are pooled before they are projected."""
        weight_BHML = self._weigh_positions(position_LD)[:, asked_BM].transpose(0, 1)
        pooled_BHMD = (weight_BHML.flatten(1, 2) @ x_BLD).view(*weight_BHML.shape[:3], -1)
        value_HdD = self.value.weight.view(self.n_heads, -1, x_BLD.shape[2])
        bias_BMHd = weight_BHML.sum(dim=3).transpose(1, 2)[..., None] * self._split_heads(self.value.bias)
        return torch.einsum("bhmD,hdD->bmhd", pooled_BHMD, value_HdD) + bias_BMHd

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.n_heads, -1)
