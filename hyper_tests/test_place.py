"""Where a sweep lies, how it is found, and who may work on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hyper_tests.processes import environment
from hypersweep.errors import StoreError
from hypersweep.place import ControllerLock, Place, find_place, is_locked, move_aside, refuse_network

HOLDING = """
import sys
from pathlib import Path
from hypersweep.place import ControllerLock
lock = ControllerLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def make_sweep(directory: Path, stem: str = "hyper") -> Place:
    place = Place.of(directory, stem)
    place.folder.mkdir(parents=True)
    place.store.touch()
    return place


def test_paths(tmp_path: Path) -> None:
    place = Place.of(tmp_path, "lr")
    assert (place.folder, place.log) == (tmp_path / "lr.sweep", tmp_path / "lr.result")
    assert (place.store, place.lock) == (tmp_path / "lr.sweep" / "sweep.db", tmp_path / "lr.sweep" / "lock")


@pytest.mark.parametrize(
    ("number", "folder"),
    [(0, "00/0000"), (7, "00/0007"), (123, "01/0123"), (99_999, "999/99999"), (10**15, f"{10**13}/{10**15}")],
)
def test_trial_folders_are_sharded_by_hundreds(number: int, folder: str) -> None:
    assert Place.of(Path("d"), "hyper").trial_folder(number) == Path("d/hyper.sweep/trials", folder)


@pytest.mark.parametrize("path", ["", "hyper.sweep", "hyper.test", "hyper.sweep/"])
def test_a_sweep_is_found(tmp_path: Path, path: str) -> None:
    place = make_sweep(tmp_path)
    (tmp_path / "hyper.test").touch()
    assert find_place(tmp_path / path) == place


def test_a_sweep_is_found_by_a_space_file_that_is_gone(tmp_path: Path) -> None:
    assert find_place(make_sweep(tmp_path).folder.with_suffix(".test")) == Place.of(tmp_path, "hyper")


def test_the_stem_is_kept(tmp_path: Path) -> None:
    make_sweep(tmp_path, "a.b")
    assert find_place(tmp_path / "a.b.test") == Place.of(tmp_path, "a.b")
    assert find_place(tmp_path).log == tmp_path / "a.b.result"


def test_of_several_sweeps_one_must_be_named(tmp_path: Path) -> None:
    make_sweep(tmp_path, "a")
    place = make_sweep(tmp_path, "b")
    with pytest.raises(StoreError, match=r"holds 2 sweeps, got .*a.sweep, .*b.sweep; expected one"):
        find_place(tmp_path)
    assert find_place(place.folder) == place


def test_folders_that_only_look_like_one_do_not_count(tmp_path: Path) -> None:
    place = make_sweep(tmp_path, "b")
    (tmp_path / "a.sweep").mkdir()
    (tmp_path / "c.sweep").touch()
    assert find_place(tmp_path) == place


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "no sweep here; expected a .sweep folder"),
        ("a.sweep", "no sweep here"),
        ("missing", "no such file or folder; expected a .sweep folder or its .test file"),
        ("missing.test", "no sweep here"),
        ("file.txt", "no sweep here"),
    ],
)
def test_where_no_sweep_is(tmp_path: Path, path: str, text: str) -> None:
    (tmp_path / "a.sweep").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(StoreError, match=text):
        find_place(tmp_path / path)


def test_moving_aside_never_overwrites(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        make_sweep(tmp_path)
        (tmp_path / "hyper.result").write_text(str(number))
        moved = move_aside([tmp_path / "hyper.result", tmp_path / "hyper.sweep"])
        assert [path.name for path in moved] == [f"hyper.result.old-{number}", f"hyper.sweep.old-{number}"]
    (tmp_path / "hyper.sweep.old-4").touch()
    (tmp_path / "hyper.result").write_text("5")
    assert [path.name for path in move_aside([tmp_path / "hyper.result", tmp_path / "hyper.sweep"])] == [
        "hyper.result.old-5"
    ], "the first number that is free for all"
    assert [(tmp_path / f"hyper.result.old-{number}").read_text() for number in (1, 2, 3, 5)] == ["1", "2", "3", "5"]


MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/export /mnt/data\\040sets nfs4 rw,vers=4.2 0 0
tmpfs /mnt/data\\040sets/local tmpfs rw 0 0
/dev/sdb1 /home ext4 rw 0 0
//server/home /home cifs rw 0 0
sshfs#host: /mnt/ssh fuse.sshfs rw 0 0
"""
MACOS_MOUNTS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//guest@server/share on /Volumes/my share (smbfs, nodev, nosuid, mounted by somebody)
/dev/disk4s1 on /Volumes/usb (hfs, local, nodev)
"""


@pytest.mark.parametrize(
    ("mounts", "folder", "kind"),
    [
        (MOUNTS, "/mnt/data sets/hyper.sweep", "nfs4"),
        (MOUNTS, "/mnt/data sets/a/b/hyper.sweep", "nfs4"),
        (MOUNTS, "/mnt/data sets/local/hyper.sweep", None),
        (MOUNTS, "/mnt/data/hyper.sweep", None),
        (MOUNTS, "/home/somebody/hyper.sweep", "cifs"),
        (MOUNTS, "/mnt/ssh/hyper.sweep", "fuse.sshfs"),
        (MACOS_MOUNTS, "/Volumes/my share/hyper.sweep", "smbfs"),
        (MACOS_MOUNTS, "/Volumes/usb/hyper.sweep", None),
        (MACOS_MOUNTS, "/hyper.sweep", None),
        ("", "/hyper.sweep", None),
        ("\0 nonsense\n\n\xff", "/hyper.sweep", None),
    ],
)
def test_a_network_file_system_is_refused(mounts: str, folder: str, kind: str | None) -> None:
    if kind is None:
        refuse_network(Path(folder), mounts)
        return
    with pytest.raises(StoreError, match=rf"network file system, got {kind}; expected a local disk.*--out DIR"):
        refuse_network(Path(folder), mounts)


def test_the_file_system_of_this_test_is_no_network_one(tmp_path: Path) -> None:
    refuse_network(tmp_path / "new" / "hyper.sweep")


def test_one_controller_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    assert not is_locked(path)
    with ControllerLock(path):
        assert is_locked(path)
        with pytest.raises(
            StoreError, match=rf"another controller runs this sweep \({holder}\); expected one at a time"
        ):
            ControllerLock(path)
        assert is_locked(path), "the one that was refused has not let go of it"
    assert not is_locked(path)
    with ControllerLock(path):
        pass


def test_a_lock_dies_with_its_holder_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"\(process {process.pid} on "):
            ControllerLock(path)
        process.kill()
        process.wait()
    with ControllerLock(path):
        assert is_locked(path)


def test_a_lock_is_not_inherited(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ControllerLock(path):
        child = subprocess.Popen(["sleep", "1000"], close_fds=False)
    try:
        assert not is_locked(path)
    finally:
        child.kill()
        child.wait()


def test_a_lock_of_which_the_holder_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ControllerLock(path):
        path.write_text("")
        with pytest.raises(StoreError, match="another controller runs this sweep; expected one at a time"):
            ControllerLock(path)


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="lock: Not a directory; expected a writable folder"):
        ControllerLock(tmp_path / "file" / "lock")
