"""Damaged files are read or refused with their name and line, and never end in another exception."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hypersweep.errors import HypersweepError, ResultLogError, SettingsError, SpaceError
from hypersweep.resultlog import read_log
from hypersweep.settings import load_settings
from hypersweep.spacefile import load_space

SPACE = """\
# a sweep
learning_rate choice [0.0005, 1e-3, 0.003] # rates
k_interests in [3，5, 7]
size choice ['[64, 64]', "it's", [64, [1]], None, True]
dropout quniform 0,0.5,0.1
"""
DOCUMENT = """\
# what to try
parameters:
  optimizer: [adam, 'sgd', [64, [1]], null]
  momentum: {choice: &m [0.8, 1e-3], only_if: optimizer == 'sgd'}
  size: {int: [16, 64], step: 16}
  rate: {uniform: [0, 0.5], step: 0.1}
  lr: {only_if: "size // 2 in [8, 16] and not momentum > .5", choice: *m}
constraints:
  - size % 32 == 0 or (momentum ** 2 < 1)
forbidden: [rate > 0.4, -size + 1 >= 3]
"""
LOG = """\
k_interests:7, size:[64,64]
Valid result:
recall@10 : 0.2523    mrr@10 : 0.0977
Test result:
recall@10 : 0.244    mrr@10 : nan

k_interests: 9, size:'a, b'
recall@10 : 1e-05   mrr@10 : 0.0934

"""
YAML = """\
field_separator: "\\t"
load_col: &a
    inter: [user_id, 1e-3, !!int 3]
more: {<<: *a, x: 0x1f}
val_interval: '[3,inf)'
date: 2020-01-01 # a note
"""

_WORDS = ["---", "...", "<<", "1e999", "0x", "1_", "\ud800", "\ufeff", "\u2028", "é", "，", "[[[[", "!!binary"]
_pieces = st.one_of(
    st.sampled_from("\0\t\n\r #,:[]{}()'\"\\*&!%@|>-~").map(str.encode),
    st.sampled_from(_WORDS).map(lambda word: word.encode("utf-8", "surrogatepass")),
    st.binary(max_size=3),
)
_edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 20), _pieces), max_size=5)


def damage(text: str, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Replace, at each place, a few bytes by others."""
    content = text.encode()
    for place, length, piece in edits:
        place %= len(content) + 1
        content = content[:place] + piece + content[place + length % 5 :]
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def check(path: Path, content: bytes, read: Callable[[Path], Any], error_class: type[HypersweepError]) -> None:
    path.write_bytes(content)
    try:
        read(path)
    except HypersweepError as error:
        assert type(error) is error_class
        for line in str(error).split("\n"):
            assert re.match(rf"{re.escape(str(path))}(:\d+){{0,2}}: .", line)
        is_placed = re.match(rf"{re.escape(str(path))}:\d+(:\d+)?: ", str(error))
        assert is_placed or "no parameter;" in str(error) or "the rules allow no point" in str(error)


@given(_edits)
@settings(max_examples=400)
def test_spaces(folder: Path, edits: list[tuple[int, int, bytes]]) -> None:
    check(folder / "hyper.test", damage(SPACE, edits), load_space, SpaceError)


@given(_edits)
@settings(max_examples=400)
def test_documents(folder: Path, edits: list[tuple[int, int, bytes]]) -> None:
    check(folder / "space.yaml", damage(DOCUMENT, edits), load_space, SpaceError)


@given(_edits)
@settings(max_examples=400)
def test_logs(folder: Path, edits: list[tuple[int, int, bytes]]) -> None:
    def read(path: Path) -> None:
        for trial in read_log(path):
            assert trial.params.keys() == trial.texts.keys()

    check(folder / "hyper.result", damage(LOG, edits), read, ResultLogError)


@given(_edits)
@example([(0, 0, b'"\\UFFFFFFFF"')])
@example([(0, 0, b"%YAML 1.1\n")])
@settings(max_examples=600)
def test_settings(folder: Path, edits: list[tuple[int, int, bytes]]) -> None:
    check(folder / "hyper.yaml", damage(YAML, edits), lambda path: load_settings([path], []), SettingsError)


@given(_edits)
@settings(max_examples=300)
def test_assignments(edits: list[tuple[int, int, bytes]]) -> None:
    text = damage("key={a: [1e-3, !!int 3], b: '[5,inf)'}", edits).decode("utf-8", "surrogateescape")
    try:
        load_settings([], [text])
    except SettingsError as error:
        assert str(error).startswith("--set")


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_anything(folder: Path, content: bytes) -> None:
    check(folder / "any.test", content, load_space, SpaceError)
    check(folder / "any.result", content, read_log, ResultLogError)
    check(folder / "any.yaml", content, lambda path: load_settings([path], []), SettingsError)
    check(folder / "any.yml", content, load_space, SpaceError)
