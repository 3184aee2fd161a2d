"""Where a sweep lies on disk, and who may work on it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypersweep.errors import StoreError
from hypersweep.spacefile import SUFFIXES

SUFFIX = ".sweep"

# Where SQLite's and the controllers' locks, and the memory that SQLite shares, cannot be relied upon.
NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "afpfs", "webdav", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse"),
    *("lustre", "gpfs", "beegfs", "ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs", "orangefs", "panfs"),
}


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
        return Path(self._trial_path(number))

    def checkpoint_path(self, number: int) -> str:
        """Where `LiveTrial.checkpoint_dir` of the trial is; a text, since every end of a trial asks for it."""
        return f"{self._trial_path(number)}/checkpoint"

    def _trial_path(self, number: int) -> str:
        return f"{self.folder}/trials/{number // 100:02d}/{number:04d}"


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
    elif not path.is_dir() and path.suffix in SUFFIXES:
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


def refuse_network(folder: Path, mounts: str | None = None) -> None:
    """Raises `StoreError` if the folder, which need not be there yet, lies on a network file system. `mounts` is what
    the system tells of its file systems, in the form of /proc/mounts or of macOS's `mount`."""
    path = folder.resolve()
    kind_of = dict(_read_mounts(_list_mounts() if mounts is None else mounts))
    kind = next((kind_of[str(parent)] for parent in (path, *path.parents) if str(parent) in kind_of), "")
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreError(
            f"{folder}: lies on a network file system, got {kind}; expected a local disk, where locks can be relied "
            "upon. Move the sweep to one, or choose one: --out DIR"
        )


def _list_mounts() -> str:
    try:
        if sys.platform == "darwin":
            return subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=True).stdout
        return Path("/proc/mounts").read_text()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""


def _read_mounts(text: str) -> Iterator[tuple[str, str]]:
    """(where, kind) of each file system; of two at one place the later counts."""
    for line in text.splitlines():
        on_macos = re.fullmatch(r".* on (/.*) \((\w+)[,)].*", line)
        fields = line.split(" ")
        if on_macos:
            yield on_macos[1], on_macos[2]
        elif len(fields) > 2:
            yield re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1]), fields[2]


def as_word(path: Path) -> str:
    """The path as a word of a command for the shell, for what is told to be run."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


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
                f"{path.parent}: another controller runs this sweep{tell_holder(path)}; expected one at a time. "
                f"Wait for it or stop it; meanwhile: hypersweep status {as_word(path.parent)}"
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


def tell_holder(path: Path) -> str:
    """` (process 7 on host)`: who holds the lock, or held it last; nothing if that cannot be read."""
    try:
        holder = json.loads(path.read_text())
        return f" (process {holder['process']} on {holder['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
