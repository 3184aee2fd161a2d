"""GRU4Rec: a recurrent network that reads a history item by item.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016, with the data augmentation of
Tan et al., "Improved Recurrent Neural Networks for Session-based Recommendations", DLRS 2016; where the papers and
RecBole 1.2.1 differ, this is what RecBole computes: no biases in the GRU, a linear layer back to the size of the item
vectors, and cross entropy over all items.

Shapes: B rows, L positions, M asked positions, E size of the item vectors, H size of the GRU's state.
"""

from __future__ import annotations

from torch import Tensor, nn

from hypersweep.recommend.models.dropout import Dropout
from hypersweep.recommend.models.next_item import NextItemModel
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
        self.gru = nn.GRU(embedding_size, hidden_size, num_layers, bias=False, batch_first=True)
        self.output = nn.Linear(hidden_size, embedding_size)
        nn.init.xavier_normal_(self.item_embedding.weight)  # the padding row too
        nn.init.xavier_uniform_(self.gru.get_parameter("weight_ih_l0"))
        nn.init.xavier_uniform_(self.gru.get_parameter("weight_hh_l0"))

    def encode(self, item_seq_BL: Tensor, asked_BM: Tensor) -> Tensor:
        x_BLE = self.input_dropout(self.item_embedding(item_seq_BL))
        state_BLH, _ = self.gru(x_BLE)
        out_BME: Tensor = self.output(take_positions(state_BLH, asked_BM))
        return out_BME
