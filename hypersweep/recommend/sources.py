"""Where a data set comes from: a file in one of three formats, or the generator of sample data."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypersweep.datasets import MOVIELENS, find_data_folders
from hypersweep.errors import DataError, did_you_mean
from hypersweep.recommend.sample import SAMPLES, VERSION

FORMATS = (".inter", ".dat", ".csv", ".tsv")
COMPRESSED = ".gz"
_SUFFIXES = tuple(form + end for form in FORMATS for end in ("", COMPRESSED))
_BLOCK_BYTES = 1 << 20


def is_compressed(path: Path) -> bool:
    return path.suffix == COMPRESSED


def find_format(path: Path) -> str:
    """The suffix that tells the format, without a `.gz` after it."""
    return path.with_suffix("").suffix if is_compressed(path) else path.suffix


@dataclass(frozen=True)
class FileSource:
    """A file that is there; the suffix tells its format."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.parent.name if find_format(self.path) == ".dat" else self.path.name.partition(".")[0]

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the data depends on: the file's content, wherever it lies, and how it is read."""
        digest = hashlib.sha256()
        try:
            with open(self.path, "rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror}); expected a file. Check it") from error
        return {"sha256": digest.hexdigest(), "format": find_format(self.path)}


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
    default `$HYPERSWEEP_DATA`, else the folder `dataset` and what `hypersweep data get` has brought, as
    `NAME/NAME.inter`, `NAME/ratings.dat`, `NAME/NAME.csv` or `NAME/NAME.tsv`, each also with `.gz`.
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
        folders = find_data_folders(data_path)
        candidates = [path for folder in folders for path in _files_in(folder / dataset, dataset)]
    for candidate in candidates:
        if candidate.is_file():
            return FileSource(_with_known_format(candidate).resolve())
    download = f", or download it: hypersweep data get {dataset}" if dataset in MOVIELENS else ""
    looked = ", ".join(str(candidate) for candidate in candidates if not is_compressed(candidate))
    raise DataError(
        f"settings: 'dataset' is not there, got {dataset!r}; expected one of the files {looked} (or the same with "
        f"{COMPRESSED}). Put the data there, or set data_path or the environment variable HYPERSWEEP_DATA to the "
        f"folder of the data sets{download}, or try the data set sample, which needs no file"
    )


def _files_in(folder: Path, name: str) -> list[Path]:
    plain = [folder / f"{name}.inter", folder / "ratings.dat", folder / f"{name}.csv", folder / f"{name}.tsv"]
    return [path.with_name(path.name + end) for path in plain for end in ("", COMPRESSED)]


def _with_known_format(path: Path) -> Path:
    if find_format(path) not in FORMATS:
        raise DataError(
            f"{path}: the format is unknown, got the suffix {find_format(path)!r}; expected {', '.join(FORMATS)}, each "
            f"also with {COMPRESSED}. Rename it"
        )
    return path
