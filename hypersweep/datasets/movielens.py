"""MovieLens' data sets, from their source at GroupLens, in RecBole's `.inter` format."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hypersweep.datasets.download import RETRY_WAIT_S, OnProgress, download
from hypersweep.errors import DataError, did_you_mean

BASE_URL = "https://files.grouplens.org/datasets/movielens"
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


@dataclass(frozen=True)
class Archive:
    """`NAME.zip` at the source, with its published checksum. `member` holds user, item, rating and time a line;
    `readme` the terms of use, which are kept beside the data."""

    name: str
    md5: str
    member: str
    separator: str
    readme: str


MOVIELENS: Mapping[str, Archive] = {
    archive.name: archive
    for archive in (
        Archive("ml-100k", "0e33842e24a9c977be4e0107933c0723", "ml-100k/u.data", "\t", "ml-100k/README"),
        Archive("ml-1m", "c4d9eecfca2ab87c1945afe126590906", "ml-1m/ratings.dat", "::", "ml-1m/README"),
    )
}


def get(
    name: str,
    folder: Path,
    on_progress: OnProgress,
    *,
    base_url: str = BASE_URL,
    archives: Mapping[str, Archive] = MOVIELENS,
    retry_wait_s: float = RETRY_WAIT_S,
) -> Path:
    """The file `folder/NAME/NAME.inter`, downloaded unless it is there; it appears whole or not at all.

    Raises `DataError` for an unknown name, and for whatever prevents it.
    """
    if name not in archives:
        known = " or ".join(archives)
        raise DataError(f"data get: got {name!r}; expected {known}.{did_you_mean(name, archives)} Choose one")
    if not base_url.startswith(("http://", "https://")):
        raise DataError(f"--base-url: got {base_url!r}; expected a URL that begins with https://. Mend it")
    path = folder / name / f"{name}.inter"
    if path.exists():
        return path
    zipped = path.with_name(f"{name}.zip")
    download(f"{base_url.rstrip('/')}/{name}.zip", zipped, archives[name].md5, on_progress, retry_wait_s=retry_wait_s)
    _unpack(archives[name], zipped, path)
    zipped.unlink()
    return path


def _unpack(archive: Archive, zipped: Path, path: Path) -> None:
    unfinished = path.with_name(f".{path.name}.new")
    try:
        with zipfile.ZipFile(zipped) as opened:
            path.with_name("README").write_bytes(opened.read(archive.readme))
            with opened.open(archive.member) as lines, open(unfinished, "w", encoding="utf-8") as file:
                file.write(HEADER)
                file.writelines("\t".join(fields) + "\n" for fields in _read_rows(archive, lines))
        os.replace(unfinished, path)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DataError(
            f"{zipped}: cannot be unpacked ({error}); expected {archive.member} in it. Try again"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _read_rows(archive: Archive, lines: IO[bytes]) -> Iterator[list[str]]:
    for number, line in enumerate(lines, start=1):
        fields = line.decode("ascii", "replace").rstrip("\r\n").split(archive.separator)
        if len(fields) != 4:
            raise DataError(
                f"{archive.member}:{number}: the line has {len(fields)} fields, got {line!r}; expected user, item, "
                "rating and time. Try again"
            )
        yield fields
