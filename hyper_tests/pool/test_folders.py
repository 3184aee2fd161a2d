"""Where the folders of trials lie that other machines run."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import PoolError
from hypersweep.place import Place
from hypersweep.pool.folders import SharedFolders, Written, open_folders
from hypersweep.trial import Failed, Finished, Interrupted, Result


@pytest.fixture
def home(tmp_path: Path) -> Place:
    place = Place.of(tmp_path / "home", "hyper")
    place.folder.mkdir(parents=True)
    return place


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def test_on_this_machine_nothing_has_to_travel(home: Place) -> None:
    folders = open_folders(home, None, is_local=True)
    assert folders.remote == home
    assert folders.read_checkpoint(0) == {}


def test_what_trials_elsewhere_write_is_added_here(home: Place) -> None:
    folders = open_folders(home, None, is_local=False)
    assert folders.remote is None
    for _ in range(2):  # attempts: the log goes on, what else there is begins anew
        folders.write(Written(7, "log.txt", 0, b"one\n"))
        folders.write(Written(7, "log.txt", 4, b"two\n"))
        folders.write(Written(7, "checkpoint/deep/state", 0, b""))
        folders.write(Written(7, "checkpoint/deep/state", 0, b"ab"))
        folders.write(Written(7, "checkpoint/deep/state", 2, b"c"))
    assert (home.trial_folder(7) / "log.txt").read_text() == "one\ntwo\n" * 2
    assert folders.read_checkpoint(7) == {"checkpoint/deep/state": b"abc"}


def test_what_cannot_be_written_is_the_failure_of_its_trial(home: Place) -> None:
    (home.folder / "trials").write_text("no folder")
    folders = open_folders(home, None, is_local=False)
    folders.write(Written(7, "log.txt", 0, b"one\n"))
    finished = Finished(Result(valid={"score": 1.0}))
    assert folders.judge(6, finished) == finished
    outcome = folders.judge(7, finished)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith(f"{home.trial_folder(7)}: cannot be written (Not a directory)")
    folders.note(7, "a note is no loss")
    assert folders.judge(7, Interrupted()) == Interrupted()


def test_shared_folders_stand_in_for_the_sweeps_own(home: Place, shared: Path) -> None:
    folders = open_folders(home, str(shared), is_local=False)
    assert folders.marker is not None
    assert Path(folders.marker).parent == shared
    assert Path(folders.marker).exists()
    folders.prepare()
    folders.prepare()
    assert folders.remote is not None
    theirs = folders.remote.trial_folder(7) / "checkpoint"
    assert shared in theirs.parents
    theirs.mkdir(parents=True)
    assert (home.trial_folder(7) / "checkpoint").is_dir()
    folders.close()
    assert not Path(folders.marker).exists()


def test_a_sweep_keeps_its_shared_folder(home: Place, shared: Path, tmp_path: Path) -> None:
    folders = SharedFolders(home, shared)
    folders.prepare()
    folders.close()
    again = SharedFolders(home, shared)
    again.close()
    assert again.remote == folders.remote
    with pytest.raises(PoolError, match=r"lie in .*/shared already, got '.*/another'; expected the same. Leave"):
        SharedFolders(home, tmp_path / "another")


def test_a_sweep_begun_without_one_moves_there(home: Place, shared: Path) -> None:
    log = home.trial_folder(7) / "log.txt"
    log.parent.mkdir(parents=True)
    log.write_text("before")
    folders = SharedFolders(home, shared)
    folders.prepare()
    folders.close()
    assert log.read_text() == "before"
    assert shared in log.resolve().parents
    assert [path.name for path in home.folder.iterdir()] == ["trials"]


class Killed(BaseException):
    """Where a kill would have ended the process."""


STEPS = ((Path, "mkdir"), (Path, "symlink_to"), (shutil, "copytree"), (Path, "rename"), (shutil, "rmtree"))


def kill_before_step(patch: pytest.MonkeyPatch, step: int) -> None:
    """Of the file operations of a move, counted from 0."""
    left = [step]

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return operation(*arguments, **options)

        return call

    for owner, name in STEPS:
        patch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.mark.parametrize("step", range(8))
def test_a_move_that_was_killed_goes_on(home: Place, shared: Path, step: int) -> None:
    checkpoint = home.trial_folder(7) / "checkpoint" / "weights"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("w")
    first = SharedFolders(home, shared)
    with pytest.MonkeyPatch.context() as patch:
        kill_before_step(patch, step)
        with contextlib.suppress(Killed):
            first.prepare()
    first.close()
    second = SharedFolders(home, shared)
    second.prepare()
    second.close()
    assert checkpoint.read_text() == "w"
    assert shared in checkpoint.resolve().parents
    assert len(list(shared.iterdir())) == 1
    assert (home.folder / "trials").is_symlink()
    assert not (home.folder / "trials.shared").is_symlink()


def test_a_shared_disk_that_is_full(home: Place, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.folder / "trials").mkdir()

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", refuse)
    folders = SharedFolders(home, shared)
    with pytest.raises(PoolError, match=r"^--shared: .*/shared cannot be written to \(No space left on device\)"):
        folders.prepare()
    folders.close()


def test_a_shared_folder_that_is_none(home: Place, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"^--shared: .*/nowhere cannot be written to \(No such file or directory\)"):
        SharedFolders(home, tmp_path / "nowhere")
