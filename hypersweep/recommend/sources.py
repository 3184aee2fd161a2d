"""Where a data set comes from: a file in one of three formats, or the generator of sample data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypersweep.errors import DataError, did_you_mean
from hypersweep.recommend.sample import SAMPLES, VERSION

_SUFFIXES = (".inter", ".dat", ".csv")


@dataclass(frozen=True)
class FileSource:
    """A file that is there; the suffix tells its format."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.parent.name if self.path.suffix == ".dat" else self.path.stem

    @property
    def identity(self) -> Mapping[str, Any]:
        """What changes when the file does."""
        stat = self.path.stat()
        return {"path": str(self.path), "size_bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


@dataclass(frozen=True)
class SampleSource:
    """Generated data: nothing on disk."""

    name: str

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"sample": self.name, "version": VERSION}


Source = FileSource | SampleSource


def find_source(dataset: str, data_path: str | None) -> Source:
    """The source that the setting `dataset` names.

    A path (it has a `/`, or a suffix of a data file) is taken as it is; a name is looked for below `data_path`, by
    default `$HYPERSWEEP_DATA`, else the folder `dataset`, as `NAME/NAME.inter`, `NAME/ratings.dat` or `NAME/NAME.csv`.
    Raises `DataError` that says where it was looked for.
    """
    if dataset in SAMPLES:
        return SampleSource(dataset)
    if dataset.startswith("sample:"):
        raise DataError(
            f"settings: 'dataset' is no sample, got {dataset!r}; expected {', '.join(SAMPLES)}."
            f"{did_you_mean(dataset, SAMPLES)} Change it"
        )
    if os.sep in dataset or dataset.endswith(_SUFFIXES):
        given = Path(dataset).expanduser()
        candidates = _files_in(given, given.name) if given.is_dir() else [given]
    else:
        folder = Path(data_path or os.environ.get("HYPERSWEEP_DATA") or "dataset").expanduser()
        candidates = _files_in(folder / dataset, dataset)
    for candidate in candidates:
        if candidate.is_file():
            return FileSource(_with_known_suffix(candidate).resolve())
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise DataError(
        f"settings: 'dataset' is not there, got {dataset!r}; expected one of the files {looked}. Put the data there, "
        "or set data_path or the environment variable HYPERSWEEP_DATA to the folder of the data sets, or try the data "
        "set sample, which needs no file"
    )


def _files_in(folder: Path, name: str) -> list[Path]:
    return [folder / f"{name}.inter", folder / "ratings.dat", folder / f"{name}.csv"]


def _with_known_suffix(path: Path) -> Path:
    if path.suffix not in _SUFFIXES:
        raise DataError(
            f"{path}: the format is unknown, got the suffix {path.suffix!r}; expected {', '.join(_SUFFIXES)}. Rename it"
        )
    return path
