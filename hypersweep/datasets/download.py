"""Downloading a file: what has come stays and is gone on from, and only what has the right checksum counts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from hypersweep.errors import DataError

OnProgress = Callable[[int, "int | None"], None]
"""Called with the bytes that are there, and with how many there will be, if the server tells."""

MAX_FRUITLESS = 5  # attempts in a row that brought no byte
RETRY_WAIT_S = 1.0
TIMEOUT_S = 30.0
BLOCK_BYTES = 1 << 16


def download(url: str, path: Path, md5: str, on_progress: OnProgress, *, retry_wait_s: float = RETRY_WAIT_S) -> None:
    """Brings `url` to `path`, by way of `path.part`: what an earlier call has left there is gone on from.

    A broken connection is tried again; a wrong checksum once, from the first byte. Raises `DataError` if it cannot be
    had, or if another process is downloading it.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as file, _locked(file, part):
            for _ in range(2):
                _complete(url, file, on_progress, retry_wait_s)
                found = _hash(part)
                if found == md5:
                    os.replace(part, path)
                    return
                file.truncate(0)
    except OSError as error:  # of the disk: those of the network do not come here
        raise DataError(
            f"{part}: cannot be written ({error.strerror or error}); expected a folder with room. Choose another one"
        ) from error
    raise DataError(
        f"{url}: the file is another one, got the MD5 {found}; expected {md5}. Try again later, or another --base-url"
    )


@contextlib.contextmanager
def _locked(file: IO[bytes], part: Path) -> Iterator[None]:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DataError(f"{part}: another process is downloading it; expected one at a time. Wait for it") from error
    yield  # the lock goes with the file


def _complete(url: str, file: IO[bytes], on_progress: OnProgress, retry_wait_s: float) -> None:
    """Append what is missing, in as many attempts as it takes while they bring something."""
    num_fruitless = 0
    while True:
        before = os.fstat(file.fileno()).st_size
        try:
            _append(url, file, before, on_progress)
            return
        except urllib.error.HTTPError as error:
            error.close()  # it is the answer as well, and holds the connection
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # all of it was there
            if error.code < 500:
                raise DataError(
                    f"{url}: cannot be downloaded, got {error.code} {error.reason}; expected the file. Check --base-url"
                ) from error
            problem: Exception = error
        except _DiskError as error:
            raise error.cause from None
        except (OSError, http.client.HTTPException) as error:
            problem = error
        num_fruitless = 0 if os.fstat(file.fileno()).st_size > before else num_fruitless + 1
        if num_fruitless >= MAX_FRUITLESS:
            raise DataError(
                f"{url}: cannot be downloaded ({getattr(problem, 'reason', problem)}), {MAX_FRUITLESS} attempts; "
                "expected an answer. Check the network, then run the same command: it goes on with what has come"
            ) from problem
        time.sleep(retry_wait_s)


class _DiskError(Exception):
    """An error of the disk, told apart from those of the network, which are OSErrors too."""

    def __init__(self, cause: OSError) -> None:
        self.cause = cause


def _append(url: str, file: IO[bytes], start: int, on_progress: OnProgress) -> None:
    """One request for what comes after `start` bytes; raises `ConnectionError` if the answer is cut short."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        partial = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if response.status != http.HTTPStatus.PARTIAL_CONTENT or partial is None or int(partial[1]) != start:
            file.truncate(0)  # the server sends it from the first byte
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        on_progress(start, total)
        while block := response.read(BLOCK_BYTES):
            try:
                file.write(block)
                file.flush()
            except OSError as error:
                raise _DiskError(error) from error
            start += len(block)
            on_progress(start, total)
    if total is not None and start < total:
        raise ConnectionError(f"cut after {start} of {total} bytes")


def _hash(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
