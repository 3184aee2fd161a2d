"""What every model of the next item has in common: the trainer and the evaluation see only this.

Shapes: B rows, L positions, M predictions asked of a row, D hidden size, V items and the padding 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hypersweep.recommend.batches import Batch
from hypersweep.recommend.devices import is_host
from hypersweep.recommend.models.products import linear
from hypersweep.recommend.models.softmax_loss import sum_cross_entropy


@dataclass(frozen=True)
class Examples:
    """Histories, the positions to predict at, and the items there; a target 0 does not count."""

    item_seq_BL: Tensor
    asked_BM: Tensor
    target_BM: Tensor

    def split(self, size: int, *, is_cut: bool) -> Iterator[Examples]:
        """Parts of at most `size` rows; if cut, of rows of similar lengths, without most of the positions where all are
        padded, which have to be waited for."""
        if not is_cut:
            parts = (torch.split(tensor, size) for tensor in (self.item_seq_BL, self.asked_BM, self.target_BM))
            yield from map(Examples, *parts)
            return
        length_B, rows_B = (self.item_seq_BL > 0).sum(dim=1).sort(descending=True, stable=True)
        for rows, length in zip(torch.split(rows_B, size), length_B[::size].tolist(), strict=True):
            yield Examples(cut(self.item_seq_BL[rows], length), self.asked_BM[rows], self.target_BM[rows])


class NextItemModel(nn.Module, ABC):
    """A model that scores an item by its vector's dot product with the representation of a history.

    A subclass sets `item_embedding`, of which the first V vectors are items, and computes `encode`; it overrides the
    two ways of asking if it is not trained and asked at the last item of the history, `represent` if it has a quicker
    way to score, and says if it uses the padding.
    """

    ignores_padding = True  # whether the padding on the right makes no difference
    packs_histories = False  # whether, on a CPU, `represent` reads histories of any lengths together, without padding
    item_embedding: nn.Embedding
    output_bias: nn.Parameter | None  # one number per vector, if the model has them

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.register_parameter("output_bias", None)

    @abstractmethod
    def encode(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        """The representation at the asked positions, B × M × D."""

    def draw_kind(self) -> int:
        """Of what kind the next training batch is, if there are several: what decides its shapes, drawn on the host."""
        return 0

    def make_examples(self, batch: Batch, kind: int, generator: torch.Generator | None = None) -> Examples:
        """What a training batch of this kind teaches; what is random for the whole batch is drawn from `generator`, on
        the batch's device (None: torch's own)."""
        return Examples(batch.item_seq_BL, (batch.length_B - 1)[:, None], batch.target_B[:, None])

    def ask_next(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The input and the one position whose representation scores the next item."""
        return batch.item_seq_BL, batch.length_B - 1

    def represent(self, item_seq_BL: Tensor, asked_B: Tensor) -> Tensor:
        """As `encode` in `eval` mode, at one position of each history, B × D: a model may have a quicker way here."""
        return self.encode(item_seq_BL, asked_B[:, None]).squeeze(1)

    def sum_loss(self, examples: Examples) -> Tensor:
        """The cross entropy of the predictions that count, summed."""
        hidden_BMD = self.encode(examples.item_seq_BL, examples.asked_BM)
        return sum_counted(hidden_BMD, self._item_vectors(), self.output_bias, examples.target_BM)

    @torch.inference_mode()
    def score(self, batch: Batch) -> Tensor:
        """The scores of all items and the padding, B × V."""
        item_seq_BL, asked_B = self.ask_next(batch)
        if self.ignores_padding and is_host(asked_B.device):  # elsewhere the length would have to be waited for
            item_seq_BL = cut(item_seq_BL, int(asked_B.max()) + 1)
        return linear(self.represent(item_seq_BL, asked_B), self._item_vectors(), self.output_bias)

    def _item_vectors(self) -> Tensor:
        return self.item_embedding.weight[: self.vocab_size]


def cut(item_seq_BL: Tensor, length: int) -> Tensor:
    """The first positions, at least `length` of them: a multiple of four, so that lengths are few."""
    return item_seq_BL[:, : length + -length % 4]


def sum_counted(hidden_BMD: Tensor, vector_VD: Tensor, bias_V: Tensor | None, target_BM: Tensor) -> Tensor:
    """The cross entropy of the predictions that count, summed, of these representations, item vectors and biases."""
    if not is_host(target_BM.device):  # how many count would have to be waited for
        return sum_cross_entropy(hidden_BMD.flatten(0, 1), vector_VD, bias_V, target_BM.flatten())
    counts_BM = target_BM > 0
    return sum_cross_entropy(hidden_BMD[counts_BM], vector_VD, bias_V, target_BM[counts_BM])
