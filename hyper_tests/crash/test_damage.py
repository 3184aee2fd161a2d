"""A store that is damaged: a clear message or the right answer, never a traceback and never another answer."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call, call
from hyper_tests.processes import hypersweep

__all__ = ["call"]

NUM_STORES = 40
COMMANDS = (["status"], ["best"], ["trials", "--csv"], ["trials", "--top", "3"], ["resume"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "hyper.test").write_text(f"x choice {list(range(200))}\n")
    (folder / "score.py").write_text("def score(params): return params['x'] * 7919 % 200 / 200\n")
    done = hypersweep("run", "--runner", "score.py:score", "--pool", "inline", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def damage(content: bytes, generator: random.Random) -> bytes:
    """Bits turned over, pages zeroed or made of noise."""
    damaged = bytearray(content)
    start, size = generator.randrange(len(content)), generator.choice([16, 512, 4096])
    kind = generator.choice(["bits", "noise", "zeros"])
    if kind == "bits":
        for _ in range(generator.choice([1, 5, 50])):
            damaged[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    else:
        length = len(damaged[start : start + size])
        damaged[start : start + length] = generator.randbytes(length) if kind == "noise" else bytes(length)
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(NUM_STORES))
def test_a_damaged_store(whole: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    monkeypatch.chdir(folder)
    store = folder / "hyper.sweep" / "sweep.db"
    store.write_bytes(damage(store.read_bytes(), random.Random(seed)))
    for command in COMMANDS:
        answer = call(*command)
        assert answer.code in (0, 1, 2)
        if answer.code == 2:  # what no longer is the space of hyper.test is told as its change
            assert "sweep.db" in answer.err or "the space has changed" in answer.err, answer.err
            told = [line for line in answer.err.splitlines() if not line.startswith("the sweep was moved here from")]
            assert len(told) == 1 or "the space has changed" in answer.err


def test_a_store_that_was_cut_short_never_gives_another_answer(
    whole: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    monkeypatch.chdir(folder)
    right = {name: call(*name.split()) for name in ("best", "trials --top 3")}
    store = folder / "hyper.sweep" / "sweep.db"
    content = store.read_bytes()
    for size in range(0, len(content), 1717):
        store.write_bytes(content[:size])
        for name, answer in right.items():
            told = call(*name.split())
            assert told.out == answer.out if told.code == 0 else told.code == 2, size
        told = call("resume")
        assert told.code == 2, size
        assert "sweep.db: " in told.err, size


@pytest.mark.parametrize("name", ["sweep.db-wal", "sweep.db-shm"])
def test_noise_in_place_of_the_journal_is_passed_over(
    whole: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    monkeypatch.chdir(folder)
    right = call("best").out
    (folder / "hyper.sweep" / name).write_bytes(random.Random(1).randbytes(9000))
    assert call("best").out == right
    assert call("resume").code == 0


def test_what_the_log_holds_outlives_its_store(
    whole: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    monkeypatch.chdir(folder)
    right = call("best").out
    (folder / "hyper.sweep" / "sweep.db").write_bytes(b"lost" * 4096)
    told = call("best")
    assert told.code == 2
    assert "--from-result" in told.err
    shutil.move(folder / "hyper.sweep", folder / "lost")
    done = call("run", "--runner", "score.py:score", "--from-result", "hyper.result")
    assert done.code == 0, done.err
    assert "200 finished trials were taken from hyper.result" in done.err
    assert call("best").out == right
