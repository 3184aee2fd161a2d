"""GRU4Rec: a recurrent network that reads a history item by item.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016, with the data augmentation of
Tan et al., "Improved Recurrent Neural Networks for Session-based Recommendations", DLRS 2016; where the papers and
RecBole 1.2.1 differ, this is what RecBole computes: no biases in the GRU, a linear layer back to the size of the item
vectors, and cross entropy over all items.

Shapes: B rows, L positions, M asked positions, T positions of packed histories, V items and the padding, E size of the
item vectors, H size of the GRU's state, C = 3 · H: what resets, what updates, and the candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from hypersweep.recommend.devices import is_host
from hypersweep.recommend.models.dropout import Dropout
from hypersweep.recommend.models.next_item import NextItemModel
from hypersweep.recommend.models.products import Linear, linear
from hypersweep.recommend.models.transformer import take_positions


class GRU4Rec(NextItemModel):
    """Histories B × L to representations B × M × E; see the head of the file."""

    packs_histories = True

    def __init__(
        self,
        *,
        vocab_size: int,
        max_len: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int,
        dropout_prob: float,
    ) -> None:
        super().__init__(vocab_size)
        self.item_embedding = nn.Embedding(vocab_size, embedding_size, padding_idx=0)
        self.input_dropout = Dropout(dropout_prob)
        self.gru = GRU(embedding_size, hidden_size, num_layers)
        self.output = Linear(hidden_size, embedding_size)
        nn.init.xavier_normal_(self.item_embedding.weight)  # the padding row too
        nn.init.xavier_uniform_(self.gru.get_parameter("weight_ih_l0"))
        nn.init.xavier_uniform_(self.gru.get_parameter("weight_hh_l0"))

    def encode(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        x_BLE = self.input_dropout(self.item_embedding(item_seq_BL))
        out_BME: Tensor = self.output(take_positions(self.gru(x_BLE), asked_BM))
        return out_BME

    def represent(self, item_seq_BL: Tensor, asked_B: Tensor) -> Tensor:
        """On a CPU histories are packed: T positions in place of B × L. Where these are not fewer than the items, each
        item is projected once, in place of each position."""
        if not is_host(item_seq_BL.device):
            return super().represent(item_seq_BL, asked_B)
        histories = pack_padded_sequence(item_seq_BL, asked_B + 1, batch_first=True, enforce_sorted=False)
        item_T, num_rows_L = histories.data, histories.batch_sizes.tolist()
        steps: Iterable[Tensor]
        if len(item_T) < self.vocab_size:
            steps = torch.split_with_sizes(self.gru.project(self.item_embedding(item_T)), num_rows_L)
        else:
            x_VC = self.gru.project(self._item_vectors())
            steps = (x_VC.index_select(0, item_B) for item_B in torch.split_with_sizes(item_T, num_rows_L))
        out_BE: Tensor = self.output(self.gru.read(steps, num_rows_L))
        return out_BE[histories.unsorted_indices]


class GRU(nn.GRU):
    """As `nn.GRU` without biases, histories B × L × E to states B × L × H: on a CPU computed here, with our products.

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014, but as in torch the reset gate
    acts on the product with the state, not on the state.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias=False, batch_first=True)

    def forward(self, x_BLE: Tensor) -> Tensor:  # type: ignore[override]
        if not is_host(x_BLE.device):
            states_BLH: Tensor = super().forward(x_BLE)[0]
            return states_BLH
        x_LBE = x_BLE.transpose(0, 1)
        for layer in range(self.num_layers):
            x_LBE = torch.stack(list(self._run_layer(layer, self.project(x_LBE, layer).unbind(), len(x_BLE))))
        return x_LBE.transpose(0, 1)

    def project(self, x: Tensor, layer: int = 0) -> Tensor:
        """What the layer takes in from its input, … × E to … × C. It stays in 32 bits, whatever products are in."""
        return linear(x, self.get_parameter(f"weight_ih_l{layer}")).to(x.dtype)

    def read(self, steps: Iterable[Tensor], num_rows_L: Sequence[int]) -> Tensor:
        """The states after the last items of packed histories, the longest one first, B × H.

        `steps`: of the first items of all histories what they project to, … × C, then of the second ones of those
        histories that have one, …; `num_rows_L`: how many histories these are.
        """
        for layer in range(self.num_layers - 1):
            below_TH = torch.cat(list(self._run_layer(layer, steps, num_rows_L[0])))
            steps = torch.split_with_sizes(self.project(below_TH, layer + 1), num_rows_L)
        states = zip(self._run_layer(self.num_layers - 1, steps, num_rows_L[0]), [*num_rows_L[1:], 0], strict=True)
        ended = [state_BH[num_later:].clone() for state_BH, num_later in states]  # views would keep all of each state
        return torch.cat(ended[::-1])

    def _run_layer(self, layer: int, steps: Iterable[Tensor], num_rows: int) -> Iterator[Tensor]:
        """The states after each step; the last histories have ended where a step has fewer rows."""
        weight_CH = self.get_parameter(f"weight_hh_l{layer}")
        sizes = 2 * self.hidden_size, self.hidden_size
        state_BH = weight_CH.new_zeros(num_rows, self.hidden_size)
        for x_BC in steps:
            if len(x_BC) < len(state_BH):
                state_BH = state_BH[: len(x_BC)]
            x_gates, x_candidate_BH = torch.split_with_sizes(x_BC, sizes, dim=1)
            state_gates, state_candidate_BH = torch.split_with_sizes(linear(state_BH, weight_CH), sizes, dim=1)
            reset_BH, update_BH = (x_gates + state_gates).sigmoid_().chunk(2, dim=1)
            candidate_BH = _tanh(torch.addcmul(x_candidate_BH, reset_BH, state_candidate_BH))
            state_BH = torch.lerp(candidate_BH, state_BH, update_BH)
            yield state_BH


def _tanh(x: Tensor) -> Tensor:
    """A third of the time of torch's, and as exact but near 0, where it is so to 1e-7."""
    return 2 * (2 * x).sigmoid_() - 1
