from __future__ import annotations

import os
from pathlib import Path

import pytest

from hypersweep.errors import DataError
from hypersweep.recommend.sources import FileSource, SampleSource, find_format, find_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/a.inter", "ml-1m/ratings.dat", "c/c.csv", "d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    return tmp_path


@pytest.mark.parametrize(("dataset", "found"), [("a", "a/a.inter"), ("ml-1m", "ml-1m/ratings.dat"), ("c", "c/c.csv")])
def test_a_name_below_data_path(folder: Path, dataset: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = FileSource((folder / found).resolve())
    assert find_source(dataset, str(folder)) == wanted
    assert wanted.name == dataset
    monkeypatch.setenv("HYPERSWEEP_DATA", str(folder))
    assert find_source(dataset, None) == wanted


def test_data_path_goes_before_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSWEEP_DATA", "/nowhere")
    assert find_source("a", str(folder)) == FileSource((folder / "a/a.inter").resolve())


def test_without_either_the_folder_dataset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSWEEP_DATA", raising=False)
    monkeypatch.chdir(folder)
    with pytest.raises(DataError, match=r"expected one of the files dataset/a/a\.inter, "):
        find_source("a", None)


def test_a_path_is_taken_as_it_is(folder: Path) -> None:
    for path in ("a/a.inter", "a", "ml-1m"):
        assert isinstance(find_source(str(folder / path), "/nowhere"), FileSource)


def test_samples() -> None:
    assert find_source("sample", "/nowhere") == SampleSource("sample")
    with pytest.raises(DataError, match=r"got 'sample:ml-2m'; expected sample, .* Did you mean 'sample:ml-1m'\?"):
        find_source("sample:ml-2m", None)


def test_what_is_missing_says_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(DataError, match=rf"got 'b'; expected one of the files {folder}/b/b\.inter, .*HYPERSWEEP_DATA"):
        find_source("b", str(folder))


def test_an_unknown_format(folder: Path) -> None:
    with pytest.raises(DataError, match=r"d\.txt: the format is unknown, got the suffix '\.txt'; expected \.inter"):
        find_source(str(folder / "d.txt"), None)


def test_the_identity_is_the_content(folder: Path) -> None:
    source = FileSource(folder / "a/a.inter")
    before = source.identity
    os.utime(source.path, ns=(1, 1))
    source.path.rename(folder / "other.inter")
    assert FileSource(folder / "other.inter").identity == before
    for changed in (folder / "a/a.inter", folder / "x.csv"):  # the same size; the same bytes in another format
        changed.write_text("y" if changed.suffix == ".inter" else "x")
        assert FileSource(changed).identity != before


def test_what_cannot_be_read(folder: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.inter: cannot be read \(No such file"):
        _ = FileSource(folder / "gone.inter").identity


@pytest.mark.parametrize(
    ("name", "form"),
    [("a/a.inter.gz", ".inter"), ("a/ratings.dat.gz", ".dat"), ("a/a.csv.gz", ".csv"), ("a/a.tsv", ".tsv")],
)
def test_compressed_files_are_found(tmp_path: Path, name: str, form: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / name).write_bytes(b"x")
    source = find_source("a", str(tmp_path))
    assert isinstance(source, FileSource)
    assert (source.name, find_format(source.path)) == ("a", form)
    assert find_source(str(tmp_path / name), None) == source
