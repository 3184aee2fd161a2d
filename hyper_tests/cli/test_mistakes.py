"""Bad input: one clear message on stderr that names the place and the next step, exit code 2, nothing changed."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sqlite3
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.processes import hypersweep

PRODUCT = "run --runner train.py:product"

MISTAKES = {
    "rnu": r"no command 'rnu'; expected one of run, .*Did you mean 'run'\?",
    "run --foo": r"No such option '?--foo",
    "run --workrs 3": r"No such option '?--workrs.*--workers",
    "run --workers x": r"Invalid value for '--workers': 'x'",
    "run --order random": r"Invalid value for '--order': 'random' is not one of 'sequential', 'shuffled'",
    "run --mode up": r"Invalid value for '--mode': 'up' is not one of 'max', 'min'",
    "run --space": r"Option '--space' requires an argument",
    "run extra": r"unexpected extra argument \(extra\)",
    "logs": r"Missing argument 'N'",
    "logs x": r"Invalid value for 'N': 'x'",
    "trials --top 0": r"Invalid value for '--top'",
    "trials --top 2 --state failed": r"--top ranks finished trials, got --state failed; drop one of the two",
    "trials --json --csv": r"--json and --csv: both are given; drop one of the two",
    "run --space nope.test": r"^nope\.test: there is no such file; expected .*Check the path",
    "plan --space nope.test": r"^nope\.test: there is no such file; expected .*Check the path",
    "run --space sub": r"^sub: is a folder; expected a file such as sub/hyper\.test\. Name the file",
    "run --runner recomend": r"^--runner: 'recomend' is no runner; expected recbole, .*Did you mean 'recommend'\?",
    "run --runner train.py": r"^--runner: 'train\.py' is no runner; expected .*Name the function after a colon",
    "run --runner nope.py:f": r"^--runner: no file '.*/nope\.py'; expected .*Check the path",
    "run --runner nope:f": r"^--runner nope:f: nope: ModuleNotFoundError: .*; expected .*check the name",
    "run --runner train.py:prodct": r"^train\.py: has no 'prodct'; expected one of .*Did you mean 'product'\?",
    "run --runner broken.py:f": r"^--runner broken\.py:f: .*broken\.py:1: ZeroDivisionError: .*; expected .*Mend it",
    "run --runner text.txt:f": r"^--runner text\.txt:f: .*; expected .*",
    f"{PRODUCT} --command true": r"^--command and --runner: both are given; expected one\. Drop one",
    f"{PRODUCT} --config nope.yaml": r"^nope\.yaml: there is no such file; expected .*Check the path",
    f"{PRODUCT} --config sub": r"^sub: cannot be read \(Is a directory\); expected .*Check the path",
    f"{PRODUCT} --config bad.yaml": r"^bad\.yaml:\d: ",
    f"{PRODUCT} --set nope": r"^--set: no assignment, got 'nope'; expected key=value\. Write ",
    "run --runner train.py:keyed": r"^hyper\.test:1: the runner knows no such parameter, got 'learning_rate'; .*\n"
    r"hyper\.test:2: the runner knows no such parameter, got 'k'; ",
    "run --runner train.py:keyed --space keyed.test --set epoch=3": r"^--set epoch=3: the runner knows no such "
    r"setting, got 'epoch'; .*Did you mean 'epochs'\?",
    f"{PRODUCT} --workers 0": r"^--workers: got 0; expected at least 1\. ",
    f"{PRODUCT} --threads 0": r"^--threads: got 0; expected at least 1\. ",
    f"{PRODUCT} --pool loca": r"^--pool: got 'loca'; expected one of local, inline, ray\. Did you mean 'local'\?",
    f"{PRODUCT} --seed 9999999999999999999999": r"^--seed: 'seed' is no seed, got 9999999999999999999999; expected ",
    f"{PRODUCT} --set seed=x": r"^--set seed=x: 'seed' is no seed, got 'x'; expected ",
    f"{PRODUCT} --metric test_ndcg": r"^--metric: a test metric cannot choose the best trial, got 'test_ndcg'; ",
    f"{PRODUCT} --metric=": r"^--metric: got ''; expected the name of a metric\. Name one, or leave it out$",
    "run --command=": r"^--command: got ''; expected a command for the shell\. Give one, or name a --runner$",
    f"{PRODUCT} --out text.txt": r"^text\.txt/hyper\.sweep: cannot be made \(Not a directory\); .*--out DIR",
    f"{PRODUCT} --out text.txt/deep": r"^text\.txt/deep/hyper\.sweep: cannot be made \(Not a directory\); .*--out DIR",
    f"{PRODUCT} --from-result nope.result": r"^nope\.result: there is no such file; expected .*Check the path",
    f"{PRODUCT} --from-result sub": r"^sub: cannot be read \(Is a directory\); expected ",
    f"{PRODUCT} --from-result text.txt": r"^text\.txt:1: no params, got 'some text'; expected ",
    "best": r"^\.: no sweep here; expected a \.sweep folder.* Start one: hypersweep run",
    "best nope": r"^nope: no such file or folder; expected .*Check the path",
    "best text.txt": r"^text\.txt:1: no params, got 'some text'; expected ",
    "resume sub": r"^sub: no sweep here; expected a \.sweep folder, ",
    "status hyper.test": r"^hyper\.test: no sweep here; expected ",
    "trials train.py": r"^train\.py: no sweep here; expected ",
    "logs 0 empty.sweep": r"^empty\.sweep: no sweep here; expected ",
}


@pytest.fixture
def mistaken(folder: Path) -> Path:
    (folder / "sub").mkdir()
    (folder / "empty.sweep").mkdir()
    (folder / "text.txt").write_text("some text\nValid result:\na : 1\n")
    (folder / "bad.yaml").write_text("a: [1\nb: 2\n")
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "keyed.test").write_text("k_interests choice [1]\n")
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    """All that lies in a folder, but for what Python caches."""
    paths = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_and_changes_nothing(mistaken: Path, call: Call, words: str) -> None:
    before = contents(mistaken)
    answer = call(*shlex.split(words))
    assert (answer.code, answer.out) == (2, "")
    assert re.search(MISTAKES[words], answer.err), answer.err
    assert contents(mistaken) == before


@pytest.mark.parametrize(
    "words", ["rnu", "run --foo", f"{PRODUCT} --out text.txt", "run --runner broken.py:f", "best nope"]
)
def test_a_process_ends_alike(mistaken: Path, words: str) -> None:
    done = hypersweep(*shlex.split(words), cwd=mistaken)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(MISTAKES[words], done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_all_mistakes_of_a_space_are_told_at_once(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("a unifrom 0,1\nb choice []\nb choice [1]\nc choice [1, 1]\n")
    answer = call("plan")
    assert answer.code == 2
    assert [line.split(":")[1] for line in answer.err.splitlines()] == ["1", "2", "3", "4"]
    assert "Did you mean 'uniform'?" in answer.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(folder: Path, call: Call) -> None:
    (folder / "locked").mkdir(mode=0o500)
    answer = call(*shlex.split(PRODUCT), "--out", "locked")
    assert answer.code == 2
    assert "locked/hyper.sweep: cannot be made (Permission denied); expected a writable folder. " in answer.err


@pytest.fixture
def store(folder: Path, call: Call) -> Path:
    """The store of a finished sweep in the current folder."""
    assert call(*shlex.split(PRODUCT)).code == 0
    return folder / "hyper.sweep/sweep.db"


READERS = ("best", "status", "trials", "logs 0", "resume", PRODUCT, f"{PRODUCT} --resume")


@pytest.mark.parametrize("words", READERS)
def test_a_store_that_is_text(store: Path, call: Call, words: str) -> None:
    store.write_text("this is a text and no database\n" * 100)
    answer = call(*shlex.split(words))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("hyper.sweep/sweep.db: file is not a database; expected a store of hypersweep. ")
    assert "--from-result" in answer.err


@pytest.mark.parametrize("words", READERS)
def test_a_store_of_a_newer_format(store: Path, call: Call, words: str) -> None:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 99")
    answer = call(*shlex.split(words))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("hyper.sweep/sweep.db: cannot be used, got format 99; expected format ")


@pytest.mark.parametrize("words", READERS)
def test_another_program_s_database(store: Path, call: Call, words: str) -> None:
    store.unlink()
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    answer = call(*shlex.split(words))
    assert (answer.code, answer.out) == (2, "")
    assert "got no store of hypersweep; expected a store of hypersweep. Move it away; --from-result takes" in answer.err


@pytest.mark.parametrize("start", [4096, 8192, 16384])
def test_a_damaged_store(store: Path, call: Call, start: int) -> None:
    content = store.read_bytes()
    assert len(content) > start
    store.write_bytes(content[:start] + b"\xff" * 4000 + content[start + 4000 :])
    for words in READERS:
        answer = call(*shlex.split(words))
        assert answer.code in (0, 2)
        assert answer.code == 0 or answer.err.splitlines()[-1].startswith("hyper.sweep")


def test_a_cut_store(store: Path, call: Call) -> None:
    content = store.read_bytes()
    for length in (0, 50, 100, 5000, len(content) // 2):
        store.write_bytes(content[:length])
        for words in READERS:
            assert call(*shlex.split(words)).code == 2


@pytest.mark.parametrize("content", ["text", None])
def test_a_restart_takes_whatever_is_there_aside(store: Path, call: Call, content: str | None) -> None:
    if content is not None:
        store.write_text(content)
    assert call(*shlex.split(PRODUCT), "--restart").code == 0
    assert (Path("hyper.sweep.old-1/sweep.db").read_bytes() == b"text") == (content is not None)


@pytest.mark.parametrize("words", [f"{PRODUCT}", f"{PRODUCT} --resume", f"{PRODUCT} --restart"])
def test_an_empty_folder_in_the_sweep_s_place_is_taken(folder: Path, call: Call, words: str) -> None:
    (folder / "hyper.sweep").mkdir()
    assert call(*shlex.split(words)).code == 0
    assert call("status").out.startswith("hyper.sweep: finished, 6 finished")


def test_a_folder_of_something_else_in_the_sweep_s_place_is_left(folder: Path, call: Call) -> None:
    (folder / "hyper.sweep").mkdir()
    (folder / "hyper.sweep/precious").touch()
    answer = call(*shlex.split(PRODUCT))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("hyper.sweep: is there already (")
    assert contents(folder / "hyper.sweep") == {str(folder / "hyper.sweep/precious"): b""}
    assert not (folder / "hyper.result").exists()


def test_a_wrong_value_is_told_with_its_place(folder: Path, call: Call) -> None:
    (folder / "hyper.yaml").write_text("dataset: sample\nmodel: LigthSANs\n")
    for words in ("run", "plan --runner recommend"):
        answer = call(*shlex.split(words))
        assert answer.code == 2
        assert "hyper.yaml:2: 'model' is unknown, got 'LigthSANs'" in answer.out + answer.err


def test_a_data_set_is_a_text_whatever_it_looks_like(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("k_interests choice [3]\n")
    answer = call("run", "--pool", "inline", "--dataset", "2018")
    assert answer.code == 2
    assert "'dataset' is not there, got '2018'" in answer.err or "No module named 'torch'" in answer.err
