"""The code as the machines of a cluster get it: hypersweep, and the small files of one folder for the runner's."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from hypersweep.errors import PoolError
from hypersweep.place import SUFFIX
from hypersweep.pool.landing import CODE, PACKAGES
from hypersweep.runner import RunnerReference
from hypersweep.runner.reference import REGISTERED

PACKAGE = Path(__file__).resolve().parents[1]
MAX_FILE_BYTES = 1 << 20  # what is larger is data
MAX_BYTES = 64 << 20
MAX_FILES = 10_000
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")


def pack(code: Path) -> bytes:
    """The parcel for `landing`, with the runner's code if there is any. What is compiled already travels too."""
    parcel = io.BytesIO()
    with tarfile.open(fileobj=parcel, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(PACKAGE.rglob("*")):
            if path.is_file() and not path.suffix[1:].isdigit():  # those are being written
                archive.add(path, f"{PACKAGES}/{path.relative_to(PACKAGE.parent)}")
        if os.listdir(code):
            archive.add(code, CODE)
    return parcel.getvalue()


def stage_code(reference: RunnerReference, folder: Path) -> RunnerReference:
    """Copy the code of a runner to `folder`; gives the reference as it is to be read there. Nothing is copied for a
    runner that is installed. Raises `PoolError` if there is more than code can be."""
    root = find_root(reference)
    if root is None:
        return reference
    num_files = num_bytes = 0
    for path in _walk(root):
        num_files, num_bytes = num_files + 1, num_bytes + path.stat().st_size
        if num_files > MAX_FILES or num_bytes > MAX_BYTES:
            raise PoolError(
                f"{root}: holds more than the runner's code, got over {MAX_FILES:,} files or {MAX_BYTES >> 20} MiB "
                "that would travel to each machine; expected a folder of code. Start the sweep in such a folder"
            )
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    target_text, colon, attribute = reference.text.rpartition(":")
    if not reference.is_command and target_text.endswith(".py"):
        inside = Path(reference.directory, target_text).resolve().relative_to(root)
        return dataclasses.replace(reference, text=f"{inside}{colon}{attribute}", directory=str(root))
    return dataclasses.replace(reference, directory=str(root))


def find_root(reference: RunnerReference) -> Path | None:
    """The folder that has to travel: the one the sweep was started in if it holds the runner, else the runner's own.
    None if the runner is installed, as it has to be on every machine then."""
    if reference.text in REGISTERED and not reference.is_command:
        return None
    directory = Path(reference.directory).resolve()
    files = [] if reference.is_command else [path.resolve() for path in reference.find_files()]
    if not files:
        return directory
    path, target = files[0], reference.text.rpartition(":")[0]
    if any(path.is_relative_to(Path(sysconfig.get_path(name)).resolve()) for name in _INSTALLED):
        return None
    if path.is_relative_to(directory):
        return directory
    if target.endswith(".py"):
        return path.parent
    return path.parents[target.count(".") + (path.name == "__init__.py")]


def _walk(root: Path) -> Iterator[Path]:
    """The files that may be code: not hidden, not large, in no sweep and in no environment."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_left_out(Path(folder, name)))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
                yield path


def _is_left_out(folder: Path) -> bool:
    is_generated = folder.name in ("__pycache__", "node_modules") or SUFFIX in folder.suffixes
    return folder.name.startswith(".") or is_generated or (folder / "pyvenv.cfg").exists()
