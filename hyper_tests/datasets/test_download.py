from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.datasets.server import Served, serving
from hypersweep.datasets.download import MAX_FRUITLESS, download
from hypersweep.errors import DataError

CONTENT = os.urandom(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served({"/a.zip": CONTENT})) as started:
        yield started


def fetch(served: Served, tmp_path: Path, name: str = "a.zip") -> list[tuple[int, int | None]]:
    progress: list[tuple[int, int | None]] = []
    download(
        f"{served.url}/{name}", tmp_path / "d" / "a.zip", MD5, lambda *told: progress.append(told), retry_wait_s=0.001
    )
    assert (tmp_path / "d" / "a.zip").read_bytes() == CONTENT
    assert os.listdir(tmp_path / "d") == ["a.zip"]
    return progress


def leave_part(tmp_path: Path, content: bytes) -> Path:
    part = tmp_path / "d" / "a.zip.part"
    part.parent.mkdir()
    part.write_bytes(content)
    return part


def test_a_whole_file(served: Served, tmp_path: Path) -> None:
    progress = fetch(served, tmp_path)
    assert served.requests == [None]
    assert (progress[0], progress[-1]) == ((0, 300_000), (300_000, 300_000))
    assert progress == sorted(progress)


def test_what_has_come_is_gone_on_from(served: Served, tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT[:100_000])
    progress = fetch(served, tmp_path)
    assert served.requests == ["bytes=100000-"]
    assert progress[0] == (100_000, 300_000)


def test_all_of_it_was_there(served: Served, tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT)
    assert fetch(served, tmp_path) == []
    assert served.requests == ["bytes=300000-"]


@pytest.mark.parametrize("has_length", [True, False])
def test_cut_connections_are_gone_on_from(served: Served, tmp_path: Path, has_length: bool) -> None:
    served.has_length = has_length
    served.cuts = [100_000, 1, 70_000] if has_length else [0]
    fetch(served, tmp_path)
    if has_length:
        assert served.requests == [None, "bytes=100000-", "bytes=100001-", "bytes=170001-"]


def test_more_cuts_than_fruitless_attempts_while_something_comes(served: Served, tmp_path: Path) -> None:
    served.cuts = [10_000] * (2 * MAX_FRUITLESS)
    fetch(served, tmp_path)
    assert len(served.requests) == 2 * MAX_FRUITLESS + 1


def test_an_error_of_the_server_is_tried_again(served: Served, tmp_path: Path) -> None:
    served.statuses = [503, 500]
    fetch(served, tmp_path)
    assert len(served.requests) == 3


def test_a_server_without_ranges_sends_it_from_the_first_byte(served: Served, tmp_path: Path) -> None:
    served.has_ranges = False
    served.cuts = [100_000]
    fetch(served, tmp_path)
    assert served.requests == [None, "bytes=100000-"]


@pytest.mark.parametrize("left", [b"\0" * 100_000, CONTENT + b"more", b"\0" * 300_000])
def test_a_wrong_rest_of_an_earlier_download_is_thrown_away(served: Served, tmp_path: Path, left: bytes) -> None:
    leave_part(tmp_path, left)
    fetch(served, tmp_path)
    assert served.requests == [f"bytes={len(left)}-", None]


def test_a_file_that_is_another_one(served: Served, tmp_path: Path) -> None:
    served.files["/a.zip"] = b"another"
    with pytest.raises(DataError, match=rf"/a\.zip: the file is another one, got the MD5 [0-9a-f]+; expected {MD5}"):
        fetch(served, tmp_path)
    assert served.requests == [None, None]
    assert (tmp_path / "d" / "a.zip.part").read_bytes() == b""
    assert not (tmp_path / "d" / "a.zip").exists()


def test_a_file_that_is_not_there(served: Served, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/b\.zip: cannot be downloaded, got 404 Not Found; .*Check --base-url"):
        fetch(served, tmp_path, "b.zip")
    assert len(served.requests) == 1


def test_nothing_comes(served: Served, tmp_path: Path) -> None:
    served.cuts = [50_000, *[0] * MAX_FRUITLESS]
    with pytest.raises(DataError, match=rf"cannot be downloaded \(.*\), {MAX_FRUITLESS} attempts; .*goes on with what"):
        fetch(served, tmp_path)
    assert (tmp_path / "d" / "a.zip.part").read_bytes() == CONTENT[:50_000]
    fetch(served, tmp_path)
    assert served.requests[-1] == "bytes=50000-"


def test_no_server(tmp_path: Path) -> None:
    with serving(Served({})) as gone:
        pass
    with pytest.raises(DataError, match=r"cannot be downloaded \(.*refused"):
        fetch(gone, tmp_path)


def test_one_at_a_time(served: Served, tmp_path: Path) -> None:
    with open(leave_part(tmp_path, b""), "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataError, match=r"a\.zip\.part: another process is downloading it; .* Wait for it"):
            fetch(served, tmp_path)
    fetch(served, tmp_path)


def test_a_folder_that_cannot_be_written(served: Served, tmp_path: Path) -> None:
    (tmp_path / "d").write_text("a file stands there")
    with pytest.raises(DataError, match=r"a\.zip\.part: cannot be written \(.*\); expected a folder with room"):
        fetch(served, tmp_path)
