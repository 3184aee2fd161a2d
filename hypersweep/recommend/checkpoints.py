"""What a trial keeps on disk: after each epoch all that decides how it goes on, at the end its best weights.

The files of a trial's checkpoint folder, all of them for `torch.load(…, weights_only=True)`:

epoch-0007.pt   `trial` (what the trial is: see `fitting.describe_trial`), `epoch`, `best_epoch`, `validations` (pairs
                of epoch and metrics), `weights`, `optimizer`, `random` (states of the random number generators).
                Two are there: that of the last epoch, and that of the best so far, which holds the best weights
best.pt         in their place once the trial has ended: `trial`, `epoch` (the best), `validations`, `valid`, `test`
                (metrics), `weights`, `items` (the ids of items 1, 2, … in the data set)

A file appears whole or not at all, and the files that it replaces go only after that: a kill at any moment costs at
most the epoch that was running.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hypersweep.errors import CheckpointError

FORMAT_VERSION = 1
BEST_NAME = "best.pt"


@dataclass(frozen=True)
class Resumable:
    """An epoch's file, and the weights of the best epoch so far; None if there was no validation yet."""

    state: Mapping[str, Any]
    best_weights: Mapping[str, Tensor] | None


class Checkpoints:
    """The checkpoint folder of one trial; `trial` says what the trial is, in values that `torch.save` can carry.

    What is wrong with the folder is told to `log`, and the trial goes on without: a checkpoint that cannot be read, or
    is of another trial, is removed; one that cannot be written is left out.
    """

    def __init__(self, folder: Path, trial: Mapping[str, Any], log: Callable[[str], None]) -> None:
        self.folder = folder
        self.trial = {**trial, "format": FORMAT_VERSION}
        self.log = log
        self.problem = ""
        _remove(folder.glob(".*.pt.*.new"))  # of a process that was killed while it wrote

    def read_best(self) -> Mapping[str, Any] | None:
        """The file of the best weights, if the trial had ended."""
        path = self.folder / BEST_NAME
        best = self._read(path) if path.exists() else None
        if best is not None:
            _remove(self._epoch_paths().values())
        return best

    def read_last(self) -> Resumable | None:
        """The last epoch to go on from. None: start from the beginning; then the folder holds no checkpoint."""
        paths = self._epoch_paths()
        state = self._read(paths[max(paths)]) if paths else None
        if state is not None:
            best_epoch = state["best_epoch"]
            best = state if best_epoch == state["epoch"] else self._read(self._path(best_epoch)) if best_epoch else None
            if best is not None or not best_epoch:
                return Resumable(state, best["weights"] if best else None)
        _remove([*paths.values(), self.folder / BEST_NAME])
        return None

    def write_epoch(self, state: Mapping[str, Any]) -> None:
        """Keep the state after an epoch; of the earlier ones only the best is kept."""
        if self._write(self._path(state["epoch"]), state):
            earlier = {epoch: path for epoch, path in self._epoch_paths().items() if epoch < state["epoch"]}
            earlier.pop(state["best_epoch"], None)
            _remove(earlier.values())

    def write_best(self, best: Mapping[str, Any]) -> None:
        """Keep the best weights of a trial that has ended, and nothing else."""
        if self._write(self.folder / BEST_NAME, best):
            _remove(self._epoch_paths().values())

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}.pt"

    def _epoch_paths(self) -> dict[int, Path]:
        found = ((re.fullmatch(r"epoch-(\d+)\.pt", path.name), path) for path in self.folder.iterdir())
        return {int(match[1]): path for match, path in found if match and path.is_file()}

    def _read(self, path: Path) -> Mapping[str, Any] | None:
        """What a file of this trial holds; None, and the reason told, if it is of no use."""
        try:
            content = read_checkpoint(path)
        except CheckpointError as error:
            self.log(f"{error}. It is not used")
            return None
        theirs = content["trial"]
        for name in (*self.trial, *theirs):
            if self.trial.get(name) != theirs.get(name):
                differing = f"{name} is {theirs.get(name)!r} there, {self.trial.get(name)!r} here"
                self.log(f"{path}: the checkpoint is of another trial ({differing}). It is not used")
                return None
        return content

    def _write(self, path: Path, content: Mapping[str, Any]) -> bool:
        """Write beside, then rename; the temporary name is new each time, since a process that an earlier controller
        left may still be writing."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
        serialised = io.BytesIO()  # torch.save hides what goes wrong with a file
        torch.save({"trial": self.trial, **content}, serialised)
        try:
            with open(temporary, "wb") as file:
                file.write(serialised.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            problem = f"{path.parent}: no checkpoint can be written ({error.strerror}). The trial goes on without"
            if problem != self.problem:
                self.problem = problem
                self.log(problem)
            return False
        finally:
            _remove([temporary])
        return True


def _remove(paths: Iterable[Path]) -> None:
    """As far as that can be done: a file that stays does no harm."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """The content of a checkpoint, its tensors on the CPU; raises `CheckpointError` if it is damaged or not ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # compares checksums, which torch.load does not
        if damaged is not None:
            raise ValueError(f"{damaged} has changed")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or not isinstance(content.get("trial"), dict):
            raise ValueError("it says of no trial")
    except Exception as error:  # whatever a damaged file makes of zip and pickle
        raise CheckpointError(
            f"{path}: the checkpoint cannot be read, got {type(error).__name__}: {error}; expected a file that a trial "
            "of a built-in recommender has written"
        ) from error
    return content
