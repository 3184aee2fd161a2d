"""Where the folders of trials lie when other machines run them: in one that all see, or on each, to be sent home."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hypersweep.errors import PoolError
from hypersweep.place import Place
from hypersweep.trial import Failed, Outcome

Files = Mapping[str, bytes]  # by their paths within a trial's folder


@dataclass(frozen=True)
class Written:
    """Bytes that a trial has written, at an offset of a file of its folder; none at 0: the file begins."""

    number: int
    path: str
    offset: int
    data: bytes


def open_folders(home: Place, shared: str | None, *, is_local: bool) -> TrialFolders:
    """`is_local`: all machines are this one. Raises `PoolError` if `shared` cannot be used."""
    if shared is not None:
        return SharedFolders(home, Path(shared))
    own = Place(folder=home.folder.resolve(), log=home.log.resolve())
    return TrialFolders(home, own if is_local else None)


class TrialFolders:
    """`home` is the sweep's place here, `remote` the one that the machines see; None: there is none, and what trials
    write is sent to `write`."""

    marker: str | None = None

    def __init__(self, home: Place, remote: Place | None) -> None:
        self.home = home
        self.remote = remote
        self.problems: dict[int, Failed] = {}

    def prepare(self) -> None:
        """Before the first trial."""

    def write(self, written: Written) -> None:
        """Add what a trial has written to its folder here. Where that cannot be done, the trial will have failed, as
        it would have if it had run here."""
        path = self.home.trial_folder(written.number) / written.path
        is_added = written.offset or written.path == "log.txt"  # to the log of an attempt before this one
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab" if is_added else "wb") as file:
                file.write(written.data)
        except OSError as error:
            text = f"{path.parent}: cannot be written ({error.strerror}); expected room for what the trial writes"
            self.problems[written.number] = Failed(text)

    def judge(self, number: int, outcome: Outcome) -> Outcome:
        """The outcome of a trial, all of whose files have been written by now."""
        return self.problems.pop(number, outcome)

    def read_checkpoint(self, number: int) -> Files:
        """What a trial has to go on from where the machines do not see it."""
        folder = self.home.trial_folder(number)
        if self.remote is not None:
            return {}
        paths = sorted((folder / "checkpoint").rglob("*"))
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}

    def note(self, number: int, text: str) -> None:
        """Add a line to a trial's log."""
        self.write(Written(number, "log.txt", 0, f"hypersweep: {text}\n".encode()))
        self.problems.pop(number, None)

    def close(self) -> None:
        """Leave nothing that only a running sweep needs."""


class SharedFolders(TrialFolders):
    """In a folder that all machines mount (`--shared`): `trials` in the sweep's folder is a link to it.

    `marker` is a file there by which a machine sees that it does. Raises `PoolError` if the folder cannot be used, or
    is another one than that of an earlier session.
    """

    def __init__(self, home: Place, shared: Path) -> None:
        self.link, self.new_link, self.former = (
            home.folder / name for name in ("trials", "trials.shared", "trials.moved")
        )
        made = next((link for link in (self.link, self.new_link) if link.is_symlink()), None)  # by an earlier session
        name = f"{home.folder.stem}-{secrets.token_hex(4)}"
        folder = made.resolve().parent if made else shared.resolve() / name
        if folder.parent != shared.resolve():
            raise PoolError(
                f"--shared: the trials of this sweep lie in {folder.parent} already, got {str(shared)!r}; expected the "
                "same. Leave --shared out"
            )
        super().__init__(home, Place(folder=folder, log=folder / home.log.name))
        try:
            self.marker_file = tempfile.NamedTemporaryFile(dir=folder.parent, prefix=".hypersweep-")  # noqa: SIM115
        except OSError as error:
            raise self._refuse(error) from error
        self.marker = self.marker_file.name

    def _refuse(self, error: OSError) -> PoolError:
        assert self.remote is not None
        return PoolError(
            f"--shared: {self.remote.folder.parent} cannot be written to ({error.strerror}); expected a folder that "
            "all machines mount, with room. Name another"
        )

    def prepare(self) -> None:
        """Make the link; what earlier sessions have written here moves there."""
        if self.link.is_symlink():
            return
        try:
            self._move()
        except OSError as error:
            raise self._refuse(error) from error

    def _move(self) -> None:
        """Each step can be the last one before a kill: the next session goes on from what it finds."""
        assert self.remote is not None
        theirs = self.remote.folder / "trials"
        if not self.new_link.is_symlink():
            self.new_link.symlink_to(theirs)
        theirs.mkdir(parents=True, exist_ok=True)
        if self.link.exists():
            shutil.copytree(self.link, theirs, dirs_exist_ok=True)
            self.link.rename(self.former)
        self.new_link.rename(self.link)
        shutil.rmtree(self.former, ignore_errors=True)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.marker_file.close()
