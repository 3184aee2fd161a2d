"""The folder of prepared data: what `prepare` writes and trials memory-map."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hypersweep.datasets import find_cache
from hypersweep.errors import DataError
from hypersweep.recommend.filters import Sequences
from hypersweep.recommend.interactions import Codes

FORMAT_VERSION = 1


def find_folder(name: str, content_key: Mapping[str, Any]) -> Path:
    """Where data of this name and key stands or will stand: below `$HYPERSWEEP_CACHE`, by default
    `~/.cache/hypersweep`. The key is all that the content depends on."""
    text = json.dumps({**content_key, "format": FORMAT_VERSION}, sort_keys=True)
    return find_cache() / "data" / f"{name.replace(':', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def write_prepared(folder: Path, sequences: Sequences, description: Mapping[str, Any]) -> None:
    """Writes the folder beside its place and renames it there: it appears whole or not at all. If another process
    was first, its folder stays. Raises `DataError` if the cache cannot be written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            np.save(temporary / "items.npy", sequences.item_T)
            np.save(temporary / "offsets.npy", sequences.offset_U)
            tokens = {"users": sequences.user_tokens, "items": sequences.item_tokens}
            (temporary / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")
            (temporary / "description.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
            _rename_if_first(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{folder.parent}: prepared data cannot be written, {error.strerror or error}; expected a folder with room "
            "and the right to write. Set the environment variable HYPERSWEEP_CACHE to another one"
        ) from error


def _rename_if_first(temporary: Path, folder: Path) -> None:
    try:
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():
            raise


@dataclass(frozen=True)
class PreparedData:
    """A prepared folder, its arrays memory-mapped. The shapes are those of `Sequences`."""

    item_T: Codes
    offset_U: Codes
    num_items: int
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> PreparedData:
        # Mode c: pages are shared until written to, which nobody does; torch wants arrays that could be.
        description = json.loads((folder / "description.json").read_text(encoding="utf-8"))
        return cls(
            item_T=np.load(folder / "items.npy", mmap_mode="c"),
            offset_U=np.load(folder / "offsets.npy", mmap_mode="c"),
            num_items=description["num_items"],
            folder=folder,
        )

    def read_tokens(self) -> tuple[list[str], list[str]]:
        """The ids of the file: those of users 0, 1, …, and of items 1, 2, …."""
        tokens = json.loads((self.folder / "tokens.json").read_text(encoding="utf-8"))
        return tokens["users"], tokens["items"]
