"""Reading UTF-8 text files, so that every failure names the file, the line and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike, fspath

from hypersweep.errors import HypersweepError


def read_lines(path: str | PathLike[str], error_class: type[HypersweepError], next_step: str) -> Iterator[str]:
    """The lines of a file without their newline, one at a time; only a newline ends a line.

    Raises `error_class` if the file is missing (then `next_step` says what to do), cannot be read or is no text.
    """
    where = fspath(path)
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                text = line.removesuffix(b"\n").decode()
                if "\0" in text:
                    raise error_class(f"{where}:{number}: a NUL byte; expected text. Check that it is the right file")
                yield text
    except FileNotFoundError as error:
        raise error_class(f"{where}: there is no such file; expected a text file. {next_step}") from error
    except UnicodeDecodeError as error:
        got = error.object[error.start : error.end]
        raise error_class(
            f"{where}:{number}: no UTF-8 text, got {got!r}; expected UTF-8. Save the file with that encoding"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise error_class(f"{where}: cannot be read ({reason}); expected a text file. {next_step}") from error
