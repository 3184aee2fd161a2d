"""The store as a file: what is refused, what reading leaves alone."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from hyper_tests.contracts.conftest import SPACE
from hyper_tests.scripted import ScriptedPool, define, run_sweep
from hypersweep.errors import StoreError
from hypersweep.place import Place
from hypersweep.store import FORMAT, Store
from hypersweep.study import Study


def test_another_format_is_refused(place: Place, store: Store) -> None:
    store.connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    store.close()
    with pytest.raises(
        StoreError, match=rf"sweep.db: cannot be used, got format {FORMAT + 1}; expected format {FORMAT}"
    ):
        Store(place.store)
    with pytest.raises(StoreError, match="Use the hypersweep that wrote it"):
        Study(place)


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "got no store of hypersweep"), (b"no database" * 999, "not a database; expected a store of hypersweep")],
    ids=["empty", "text"],
)
def test_a_file_that_is_no_store_is_refused(place: Place, content: bytes, text: str) -> None:
    place.folder.mkdir()
    place.store.write_bytes(content)
    with pytest.raises(StoreError, match=text):
        Store(place.store)
    with pytest.raises(StoreError, match=text):
        Study(place)
    assert place.store.read_bytes() == content


def test_the_database_of_another_program_is_refused(place: Place) -> None:
    place.folder.mkdir()
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        connection.execute("CREATE TABLE meta (key)")
    with pytest.raises(StoreError, match="no store of hypersweep"):
        Store(place.store)


def test_a_damaged_store_is_told(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool())
    content = bytearray(place.store.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    place.store.write_bytes(content)
    for name in ("-wal", "-shm"):
        place.store.with_name(place.store.name + name).unlink(missing_ok=True)
    with pytest.raises(StoreError, match=r"sweep.db: .*; expected a store of hypersweep. Move it away"):
        Study(place).counts()


def test_a_missing_store_is_told(place: Place) -> None:
    with pytest.raises(StoreError, match=r"sweep.db: no such file; expected a store of hypersweep"):
        Store(place.store)


def contents(place: Place) -> dict[Path, bytes]:
    """All that the folder holds; SQLite's readers may leave an empty journal and its index."""
    files = (path for path in place.folder.rglob("*") if path.is_file() and "-shm" not in path.name)
    return {path: path.read_bytes() for path in files if path.stat().st_size}


def test_reading_changes_nothing_on_disk(place: Place) -> None:
    run_sweep(place, define(SPACE), ScriptedPool())
    before = contents(place)
    with Study(place) as study:
        assert len(list(study.trials())) == 8
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            study.connection.execute("DELETE FROM trials")
    assert contents(place) == before


def test_a_finished_sweep_is_whole_in_its_one_file(place: Place, tmp_path: Path) -> None:
    """So that it can be copied, and read where nothing can be written."""
    run_sweep(place, define(SPACE), ScriptedPool())
    copy = Place.of(tmp_path / "copy", "hyper")
    copy.folder.mkdir(parents=True)
    copy.store.write_bytes(place.store.read_bytes())
    with Study(copy) as study:
        assert study.counts()["finished"] == 8
