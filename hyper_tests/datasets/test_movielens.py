from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.datasets.server import Served, serving
from hypersweep.datasets import MOVIELENS, Archive, find_data_folders, find_download_folder, get
from hypersweep.datasets.movielens import HEADER
from hypersweep.errors import DataError


def zip_of(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return buffer.getvalue()


ZIPS = {
    "ml-100k": zip_of(
        {"ml-100k/u.data": "196\t242\t3\t881250949\r\n186\t302\t3\t891717742\n", "ml-100k/README": "terms"}
    ),
    "ml-1m": zip_of({"ml-1m/ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n", "ml-1m/README": "terms"}),
}
INTER = {
    "ml-100k": f"{HEADER}196\t242\t3\t881250949\n186\t302\t3\t891717742\n",
    "ml-1m": f"{HEADER}1\t1193\t5\t978300760\n1\t661\t3\t978302109\n",
}


def archives(zips: dict[str, bytes]) -> dict[str, Archive]:
    """The archives as they are, but with the checksums of these files."""
    return {
        name: Archive(name, hashlib.md5(content).hexdigest(), *(getattr(MOVIELENS[name], part) for part in PARTS))
        for name, content in zips.items()
    }


PARTS = ("member", "separator", "readme")


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served({f"/x/{name}.zip": content for name, content in ZIPS.items()})) as started:
        yield started


def fetch(served: Served, folder: Path, name: str, zips: dict[str, bytes] = ZIPS) -> Path:
    return get(name, folder, lambda *_: None, base_url=f"{served.url}/x/", archives=archives(zips), retry_wait_s=0.001)


@pytest.mark.parametrize("name", ZIPS)
def test_what_is_written(served: Served, tmp_path: Path, name: str) -> None:
    path = fetch(served, tmp_path, name)
    assert path == tmp_path / name / f"{name}.inter"
    assert path.read_text() == INTER[name]
    assert sorted(os.listdir(path.parent)) == ["README", f"{name}.inter"]


def test_what_is_there_is_not_downloaded_again(served: Served, tmp_path: Path) -> None:
    assert fetch(served, tmp_path, "ml-1m") == fetch(served, tmp_path, "ml-1m")
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zip", r"ml-1m\.zip: cannot be unpacked \(File is not a zip file\); expected ml-1m/ratings\.dat in it"),
        (zip_of({"ml-1m/README": "terms"}), r"cannot be unpacked \(.*no item named 'ml-1m/ratings\.dat'"),
        (
            zip_of({"ml-1m/README": "terms", "ml-1m/ratings.dat": "1::2::3::4\n1::2\n"}),
            r"ml-1m/ratings\.dat:2: the line has 2 fields, got b'1::2\\n'",
        ),
    ],
)
def test_an_archive_of_another_shape(served: Served, tmp_path: Path, content: bytes, message: str) -> None:
    served.files["/x/ml-1m.zip"] = content
    with pytest.raises(DataError, match=message):
        fetch(served, tmp_path, "ml-1m", {"ml-1m": content})
    assert not {"ml-1m.inter", ".ml-1m.inter.new"} & set(os.listdir(tmp_path / "ml-1m"))


def test_a_file_that_is_not_the_published_one(served: Served, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"the file is another one, .*; expected {MOVIELENS['ml-1m'].md5}"):
        get("ml-1m", tmp_path, lambda *_: None, base_url=f"{served.url}/x")


def test_an_unknown_name_and_url(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"got 'ml1m'; expected ml-100k or ml-1m\. Did you mean 'ml-1m'\? Choose one"):
        get("ml1m", tmp_path, lambda *_: None)
    with pytest.raises(DataError, match=r"--base-url: got 'file:///etc'; expected a URL that begins with https://"):
        get("ml-1m", tmp_path, lambda *_: None, base_url="file:///etc")


def test_a_download_lies_where_a_name_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSWEEP_DATA", str(tmp_path / "data"))
    assert find_data_folders(None) == [find_download_folder()] == [tmp_path / "data"]
    monkeypatch.delenv("HYPERSWEEP_DATA")
    monkeypatch.setenv("HYPERSWEEP_CACHE", str(tmp_path / "cache"))
    assert find_data_folders(None) == [Path("dataset"), tmp_path / "cache" / "datasets"]
    assert find_download_folder() == tmp_path / "cache" / "datasets"
    assert find_data_folders("mine") == [Path("mine")]
