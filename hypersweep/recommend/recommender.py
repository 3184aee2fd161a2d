"""The best weights of a finished trial, to be asked for a user's next items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hypersweep.errors import CheckpointError, DataError
from hypersweep.recommend.batches import Batch
from hypersweep.recommend.checkpoints import read_checkpoint
from hypersweep.recommend.models.catalog import find_models
from hypersweep.recommend.training import build_model


class Recommender:
    """A trained model with its items; `path` names a `best.pt` (see `checkpoints`).

    trial    the settings that it was trained with
    model    the model, on the CPU, for evaluation
    items    the ids of items 1, 2, … in the data set

    Raises `CheckpointError` for a file that is none, or does not fit this version's models.
    """

    def __init__(self, path: str | Path) -> None:
        content = read_checkpoint(Path(path))
        try:
            self.trial = content["trial"]
            self.items: list[str] = content["items"]
            (entry,) = find_models(self.trial)
            self.model = build_model(entry, self.trial, vocab_size=len(self.items) + 1)
            self.model.load_state_dict(content["weights"])
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())  # torch tells it in several lines
            raise CheckpointError(
                f"{path}: does not hold the best weights of a model as this version builds it, got {reason}; expected "
                "the best.pt of a finished trial. Name one, or use the version that wrote it"
            ) from error
        self.model.eval()

    def recommend(self, history: Sequence[str], k: int = 10) -> list[tuple[str, float]]:
        """The `k` items most likely to follow a history (oldest first), and their scores, best first.

        Items of the history may be among them, as in the evaluation. Raises `DataError` for an empty history and for
        items that are not in the data set.
        """
        number = {item: place + 1 for place, item in enumerate(self.items)}
        unknown = [item for item in history if item not in number]
        if unknown or not history:
            what = f"an item is unknown, got {unknown[0]!r}" if unknown else f"it is empty, got {history!r}"
            raise DataError(f"history: {what}; expected ids of items that the model was trained on. Leave out others")
        max_len: int = self.trial["MAX_ITEM_LIST_LENGTH"]
        recent = [number[item] for item in history][-max_len:]
        item_seq_1L = torch.tensor([recent + [0] * (max_len - len(recent))])
        batch = Batch(item_seq_1L, length_B=torch.tensor([len(recent)]), target_B=torch.zeros(1, dtype=torch.long))
        score_V = self.model.score(batch)[0, 1:]  # without the padding
        best = score_V.topk(min(k, len(self.items)))
        items = [self.items[place] for place in best.indices.tolist()]
        return list(zip(items, best.values.tolist(), strict=True))
