"""A sweep from Python: what is read, checked, made and recorded. What the command line adds is tested in `cli`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.inline_sweeps import SIZE, SPACE, Counting, inline, names
from hyper_tests.pool.gpus import A100, H100, install_gpus
from hyper_tests.processes import TIMEOUT_S, environment
from hypersweep import Choice, LiveTrial, Space
from hypersweep.errors import (
    HypersweepError,
    PoolError,
    ResultLogError,
    RunnerError,
    SearchError,
    SelectionError,
    SettingsError,
    SpaceError,
    StoreError,
)
from hypersweep.launch import sweep
from hypersweep.resultlog import read_log
from hypersweep.study import Study


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "hyper.test"
    path.write_text(SPACE)
    return path


def test_a_sweep_from_beginning_to_end(space: Path) -> None:
    runner = Counting()
    with inline(space, runner) as study:
        best = study.best()
        assert best is not None and best.trial.params == {"a": 3, "b": "x"}
    assert runner.calls == [{"a": a, "b": b} for a in (1, 2, 3) for b in ("x", "y")]
    assert names(space.parent) == ["hyper.result", "hyper.sweep", "hyper.test"]
    assert sorted(set(names(space.parent / "hyper.sweep")) - {"sweep.db-shm", "sweep.db-wal"}) == ["lock", "sweep.db"]
    assert len(read_log(space.with_suffix(".result"))) == SIZE


def test_the_store_is_whole_in_its_one_file(space: Path, tmp_path: Path) -> None:
    inline(space).close()
    copy = tmp_path / "copy.db"
    copy.write_bytes((space.parent / "hyper.sweep" / "sweep.db").read_bytes())
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM trials WHERE state = 'finished'").fetchone() == (SIZE,)
    connection.close()


def test_a_space_made_in_python_lies_where_it_is_told(tmp_path: Path) -> None:
    with inline(Space([Choice("a", (1, 2)), Choice("b", ("x",))]), out=tmp_path / "new" / "deep") as study:
        assert study.counts()["finished"] == 2
    assert names(tmp_path / "new" / "deep") == ["hyper.result", "hyper.sweep"]


def test_the_stem_of_the_space_is_kept(tmp_path: Path) -> None:
    for stem in ("lr", "depth"):
        (tmp_path / f"{stem}.test").write_text(SPACE)
        inline(tmp_path / f"{stem}.test").close()
    assert names(tmp_path) == ["depth.result", "depth.sweep", "depth.test", "lr.result", "lr.sweep", "lr.test"]


def test_settings_come_from_the_files_and_the_later_wins(space: Path, tmp_path: Path) -> None:
    space.with_suffix(".yaml").write_text("a: 9\nepochs: 1\nlr: 1e-3\nkeep: beside\n")
    (tmp_path / "more.yaml").write_text("epochs: 2\nlr: 2e-3\n")
    seen: list[dict[str, Any]] = []

    def objective(params: dict[str, Any]) -> float:
        seen.append(params)
        return 1.0

    inline(space, objective, config=[tmp_path / "more.yaml"], assignments=["lr=3e-3"], settings={"extra": None}).close()
    assert seen[0] == {"a": 1, "b": "x", "epochs": 2, "lr": 0.003, "keep": "beside", "extra": None}


@pytest.mark.parametrize(("asked", "yaml", "seed"), [(None, "", 2020), (7, "seed: 5", 7), (None, "seed: 5", 5)])
def test_the_seed(space: Path, asked: int | None, yaml: str, seed: int) -> None:
    space.with_suffix(".yaml").write_text(yaml)
    seen: set[tuple[int, str]] = set()

    def run(params: Mapping[str, Any], trial: LiveTrial) -> float:
        seen.add((trial.seed, str(sorted({*params, *trial.settings}))))
        return 1.0

    inline(space, run, seed=asked).close()
    assert seen == {(seed, "['a', 'b']")}, "it is no setting"


def no_keys(params: dict[str, Any]) -> float:
    return 1.0


def only_epochs(params: dict[str, Any]) -> float:
    return 1.0


only_epochs.keys = ["a", "b", "epochs"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"settings": {"epoch": 3}, "runner": only_epochs}, SettingsError, "setting epoch: .*Did you mean 'epochs'"),
        ({"assignments": ["epochs"]}, SettingsError, "--set: no assignment, got 'epochs'"),
        ({"config": ["missing.yaml"]}, SettingsError, "missing.yaml: there is no such file"),
        ({"metric": "test_score"}, SelectionError, "a test metric cannot choose"),
        ({"mode": "largest"}, SelectionError, "--mode: unknown, got 'largest'; expected max or min"),
        ({"order": "random"}, SearchError, "--order: got 'random'; expected sequential or shuffled"),
        ({"pool": "cloud"}, PoolError, "--pool: got 'cloud'"),
        ({"workers": 0}, PoolError, "--workers: got 0"),
        ({"threads": 0}, SettingsError, "--threads: got 0; expected at least 1"),
        ({"seed": 2**64}, SettingsError, "--seed: 'seed' is no seed, got 18446744073709551616"),
        ({"assignments": ["seed=x"]}, SettingsError, "--set seed=x: 'seed' is no seed, got 'x'"),
        ({"runner": lambda a, b, c: 1.0}, RunnerError, "expected objective"),
        ({"runner": "nothing"}, RunnerError, "'nothing' is no runner"),
        ({"runner": no_keys, "command": "true"}, RunnerError, "--command and --runner: both are given"),
        ({"from_result": "missing.result"}, ResultLogError, "missing.result: there is no such file"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_nothing_is_written_before_everything_is_checked(
    space: Path, options: dict[str, Any], error: type[HypersweepError], text: str
) -> None:
    with pytest.raises(error, match=text):
        sweep(space, **{"runner": no_keys, "pool": "inline", **options})
    assert names(space.parent) == ["hyper.test"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("a choice [1]\nc choice [2]\n", SpaceError, r"hyper.test:2: .*knows no such parameter, got 'c'"),
        ("seed choice ['x']\n", SpaceError, "hyper.test:1: 'seed' has values that are no seeds"),
        (
            f"seed choice [{2**63}]\n",
            SpaceError,
            "hyper.test:1: 'seed' has values that are no seeds; expected whole",
        ),
        ("seed choice [True]\n", SpaceError, "hyper.test:1: 'seed' has values that are no seeds"),
        ("a uniform 0,1\n", SearchError, r"hyper.test:1: 'a' is no choice, got a distribution"),
        ("", SpaceError, "the space has no parameter"),
    ],
)
def test_a_space_that_cannot_be_run(space: Path, text: str, error: type[HypersweepError], message: str) -> None:
    space.write_text(text)
    with pytest.raises(error, match=message):
        inline(space, only_epochs)
    assert names(space.parent) == ["hyper.test"]


def test_a_missing_space_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"nothing.test: there is no such file"):
        inline(tmp_path / "nothing.test")
    with pytest.raises(SpaceError, match=r"is a folder; expected a file such as .*hyper.test"):
        inline(tmp_path)


def test_a_function_without_a_name_runs_in_this_process_only(space: Path) -> None:
    with pytest.raises(RunnerError, match=r"cannot be found by another process.*pool='inline'"):
        sweep(space, runner=lambda params: 1.0)
    with inline(space, lambda params: 1.0) as study:
        assert study.counts()["finished"] == SIZE


def test_a_function_of_a_module_runs_in_processes(space: Path) -> None:
    with sweep(space, runner=no_keys, workers=2, threads=1) as study:
        assert study.counts()["finished"] == SIZE


def test_a_function_that_declares_keys_and_data_is_held_to_them(space: Path) -> None:
    with pytest.raises(SpaceError, match="knows no such parameter, got 'b'"):
        inline(space, prepared)
    space.write_text("a choice [1, 2, 3]\n")
    with inline(space, prepared, settings={"folder": str(space.parent)}) as study:
        best = study.best()
        assert best is not None and best.result is not None
        assert best.result.score == len(str(space.parent / "prepared"))


def prepare(settings: Mapping[str, Any]) -> Path:
    folder = Path(settings["folder"], "prepared")
    folder.mkdir(exist_ok=True)
    return folder


def prepared(params: Mapping[str, Any], trial: LiveTrial) -> float:
    return len(str(trial.prepared))


prepared.keys = ["a", "folder"]  # type: ignore[attr-defined]
prepared.prepare = prepare  # type: ignore[attr-defined]


@pytest.mark.parametrize("if_exists", ["refuse", "resume"])
def test_a_foreign_log_is_never_overwritten(space: Path, if_exists: Any) -> None:
    log = space.with_suffix(".result")
    log.write_text("not ours\n")
    with pytest.raises(ResultLogError, match=rf"hyper.result: is there already.*--from-result {log}; .*--out DIR"):
        inline(space, if_exists=if_exists)
    assert log.read_text() == "not ours\n"
    assert names(space.parent) == ["hyper.result", "hyper.test"]


def test_a_folder_of_that_name_is_left_alone(space: Path) -> None:
    folder = space.parent / "hyper.sweep"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"hyper.sweep: is there already \(.*\); expected no such folder"):
        inline(space)
    assert names(folder) == ["notes.txt"]
    assert names(space.parent) == ["hyper.sweep", "hyper.test"]


def test_a_place_that_cannot_be_made(space: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be made \(Not a directory\); expected a writable folder.*--out DIR"):
        inline(space, out=tmp_path / "file" / "deeper")


@pytest.mark.parametrize(
    ("options", "at_once"),
    [({}, 1), ({"workers": 4}, 4), ({"gpus": "all"}, 2), ({"gpus": "all", "trials_per_gpu": 2}, 4)],
)
def test_trials_at_once_share_the_cores(
    space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], at_once: int
) -> None:
    for name, value in install_gpus(tmp_path / "bin", A100, H100).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("hypersweep.request.count_cores", lambda: 8)
    with sweep(space, runner=no_keys, **options) as study:
        assert study.meta["threads"] == 8 // at_once


def test_what_was_run_is_recorded(space: Path) -> None:
    sweep(space, runner=no_keys, pool="inline", threads=3, settings={"epochs": 5}).close()
    with Study(space) as study:
        record = study.first_session()
        assert study.meta["threads"] == 3
        assert study.meta["space"] == "a choice [1, 2, 3]\nb choice ['x', 'y']\n"
        assert study.meta["settings"] == {"epochs": 5}
        assert study.meta["runner"]["text"] == f"{__name__}:no_keys"
        assert study.elapsed_s() > 0
    assert record is not None
    assert record.keys() == {"command_line", "host", "process", "versions", "git", "hashes"}
    assert record["process"] == os.getpid()
    assert record["versions"]["python"]
    assert record["hashes"].keys() == {"space", "settings", "runner"}
    assert list(record["hashes"]["runner"]) == [__file__]
    json.dumps(record)


@pytest.mark.parametrize("guard", ["", "if __name__ == '__main__':\n    "])
def test_a_script_that_sweeps_its_own_function(space: Path, guard: str) -> None:
    """Trial processes import the script: without the guard it would start itself again and again."""
    script = space.parent / "script.py"
    call = "hypersweep.sweep('hyper.test', runner=objective)"
    text = f"import hypersweep\ndef objective(params):\n    return params['a']\n{guard}print({call}.counts())\n"
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, script], cwd=space.parent, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if guard:
        assert "'finished': 6" in done.stdout
    else:
        assert done.returncode == 1
        assert "script.py: starts a sweep when it is imported" in done.stderr.splitlines()[-1]
        assert "if __name__ == '__main__':" in done.stderr
        assert not (space.parent / "hyper.sweep").exists()
