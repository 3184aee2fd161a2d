"""Where a sweep lies on disk, and who may work on it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypersweep.errors import StoreError

SUFFIX = ".sweep"


@dataclass(frozen=True)
class Place:
    """The paths of one sweep: `folder` is `DIR/hyper.sweep`, `log` is `DIR/hyper.result`."""

    folder: Path
    log: Path

    @classmethod
    def of(cls, directory: Path, stem: str) -> Place:
        return cls(folder=directory / f"{stem}{SUFFIX}", log=directory / f"{stem}.result")

    @property
    def store(self) -> Path:
        return self.folder / "sweep.db"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def exists(self) -> bool:
        return self.store.exists()

    def trial_folder(self, number: int) -> Path:
        """`trials/00/0007`: sharded by hundreds, so that no folder grows large."""
        return self.folder / "trials" / f"{number // 100:02d}" / f"{number:04d}"


def move_aside(paths: Sequence[Path]) -> list[Path]:
    """Rename those of the paths that are there to `….old-1`, or the next number free for all; gives the new names."""
    number = 1
    while any(_aside(path, number).exists() for path in paths):
        number += 1
    return [path.rename(_aside(path, number)) for path in paths if path.exists()]


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.old-{number}")


def find_place(path: Path) -> Place:
    """The sweep that PATH means: the `.sweep` folder, a folder that holds one, or the `.test` file beside it.

    Raises `StoreError` if there is none, or several.
    """
    candidates = [path] if path.name.endswith(SUFFIX) and path.is_dir() else []
    if path.is_dir() and not candidates:
        candidates = sorted(child for child in path.glob(f"*{SUFFIX}") if child.is_dir())
    elif not path.is_dir() and path.suffix == ".test":
        candidates = [path.with_suffix(SUFFIX)]
    elif not path.exists():
        raise StoreError(f"{path}: no such file or folder; expected a .sweep folder or its .test file. Check the path")
    found = [Place.of(folder.parent, folder.name[: -len(SUFFIX)]) for folder in candidates]
    found = [place for place in found if place.exists]
    if len(found) > 1:
        names = ", ".join(str(place.folder) for place in found)
        raise StoreError(f"{path}: holds {len(found)} sweeps, got {names}; expected one. Name one of them")
    if not found:
        raise StoreError(
            f"{path}: no sweep here; expected a .sweep folder, a folder that holds one, or its .test file. "
            "Start one: hypersweep run --space hyper.test (a sweep run with --out lies there)"
        )
    return found[0]


class ControllerLock:
    """One controller at a time: an flock that dies with its holder and is not inherited by children.

    Raises `StoreError`, naming the holder's host and process, if another controller holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; expected a writable folder. Mend its permissions") from error
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self.descriptor)
            raise StoreError(
                f"{path.parent}: another controller runs this sweep{_tell_holder(path)}; expected one at a time. "
                f"Wait for it or stop it; meanwhile: hypersweep status {path.parent}"
            ) from error
        holder = json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, holder, 0)

    def release(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> ControllerLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether a controller holds the lock now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _tell_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f" (process {holder['process']} on {holder['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
