"""GRU4Rec: a recurrent network that reads a history item by item.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016, with the data augmentation of
Tan et al., "Improved Recurrent Neural Networks for Session-based Recommendations", DLRS 2016; where the papers and
RecBole 1.2.1 differ, this is what RecBole computes: no biases in the GRU, a linear layer back to the size of the item
vectors, and cross entropy over all items.

Shapes: B rows, L positions, M asked positions, E size of the item vectors, H size of the GRU's state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hypersweep.recommend.devices import is_host
from hypersweep.recommend.models.dropout import Dropout
from hypersweep.recommend.models.next_item import NextItemModel
from hypersweep.recommend.models.products import Linear, linear
from hypersweep.recommend.models.transformer import take_positions


class GRU4Rec(NextItemModel):
    """Histories B × L to representations B × M × E; see the head of the file."""

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


class GRU(nn.GRU):
    """As `nn.GRU` without biases, histories B × L × E to states B × L × H: on a CPU computed here, with our products.

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014, but as in torch the reset gate
    acts on the product with the state, not on the state. C = 3 · H: what resets, what updates, and the candidates.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias=False, batch_first=True)

    def forward(self, x_BLE: Tensor) -> Tensor:  # type: ignore[override]
        if not is_host(x_BLE.device):
            states_BLH: Tensor = super().forward(x_BLE)[0]
            return states_BLH
        x_LBE = x_BLE.transpose(0, 1)
        for layer in range(self.num_layers):
            input_weight_CE, state_weight_CH = (self.get_parameter(f"weight_{of}_l{layer}") for of in ("ih", "hh"))
            x_LBC = linear(x_LBE, input_weight_CE).to(x_LBE.dtype)  # states stay in 32 bits, whatever products are in
            x_LBE = self._run_layer(x_LBC, state_weight_CH)
        return x_LBE.transpose(0, 1)

    def _run_layer(self, x_LBC: Tensor, state_weight_CH: Tensor) -> Tensor:
        sizes = 2 * self.hidden_size, self.hidden_size
        state_BH = x_LBC.new_zeros(x_LBC.shape[1], self.hidden_size)
        states = []
        for x_BC in x_LBC.unbind():
            x_gates, x_candidate_BH = torch.split_with_sizes(x_BC, sizes, dim=1)
            state_gates, state_candidate_BH = torch.split_with_sizes(linear(state_BH, state_weight_CH), sizes, dim=1)
            reset_BH, update_BH = (x_gates + state_gates).sigmoid().chunk(2, dim=1)
            candidate_BH = _tanh(torch.addcmul(x_candidate_BH, reset_BH, state_candidate_BH))
            state_BH = torch.lerp(candidate_BH, state_BH, update_BH)
            states.append(state_BH)
        return torch.stack(states)


def _tanh(x: Tensor) -> Tensor:
    """A third of the time of torch's, and as exact but near 0, where it is so to 1e-7."""
    return 2 * (2 * x).sigmoid() - 1
