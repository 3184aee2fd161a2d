"""What the contract tests share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyper_tests.scripted import define, meta_of
from hypersweep.place import Place
from hypersweep.store import Store

SPACE = "x choice [0, 1, 2, 3, 4, 5, 6, 7]\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    place.folder.mkdir()
    store = Store.create(place.store, meta_of(define(SPACE)))
    with contextlib.closing(store.connection):
        yield store
