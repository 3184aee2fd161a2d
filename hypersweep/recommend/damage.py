"""What is wrong with a file of interactions that could not be read: looked for line by line, only then."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from hypersweep.recommend.sources import is_compressed


def find_damage(path: Path, separator: str, quote: str | None) -> tuple[str, str] | None:
    """The first line that is no UTF-8 text or has more columns than the first, as (`file:line`, what is wrong); None
    if no line is. Columns are not counted from the first quote on, within which a separator may stand."""
    width, is_counted, number = None, True, 0
    try:
        for number, line in enumerate(_read_lines(path), start=1):
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                return f"{path}:{number}", f"byte {line[error.start]:#04x} is no UTF-8"
            is_counted = is_counted and not (quote and quote in text)
            num_columns = text.count(separator) + 1
            width = width or num_columns
            if is_counted and num_columns > width:
                return f"{path}:{number}", f"{num_columns} columns after {width} in the first line"
    except (OSError, EOFError, zlib.error) as error:
        return f"{path}:{number + 1}", str(error)
    return None


def _read_lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path) if is_compressed(path) else open(path, "rb") as file:
        yield from file
