"""Where data sets lie, and what is made of them."""

from __future__ import annotations

import os
from pathlib import Path


def find_cache() -> Path:
    """`$HYPERSWEEP_CACHE`, by default `~/.cache/hypersweep`."""
    return Path(os.environ.get("HYPERSWEEP_CACHE") or "~/.cache/hypersweep").expanduser()


def find_data_folders(data_path: str | None) -> list[Path]:
    """The folders below which a data set is looked for by its name: `data_path`, else `$HYPERSWEEP_DATA`, else
    `dataset`, as RecBole has it, and what was downloaded."""
    named = data_path or os.environ.get("HYPERSWEEP_DATA")
    return [Path(named).expanduser()] if named else [Path("dataset"), find_cache() / "datasets"]


def find_download_folder() -> Path:
    """Where a download goes, so that it is found by its name: `$HYPERSWEEP_DATA`, else `datasets` in the cache."""
    return find_data_folders(None)[-1]
