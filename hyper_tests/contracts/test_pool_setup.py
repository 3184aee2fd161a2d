"""What every pool promises before the first trial: the runner's keys, its preparation, its mistakes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hyper_tests.contracts import runners
from hyper_tests.contracts.pools import (
    RESOURCES,
    collect,
    every_pool,
    open_unready,
    opened,
    outcomes,
    run_one,
    trial,
)
from hyper_tests.processes import is_alive
from hypersweep.errors import DataError, HypersweepError, PoolError, RunnerError, SettingsError
from hypersweep.place import Place
from hypersweep.pool import POOLS, Resources, Work, open_pool
from hypersweep.runner import Key, RunnerReference
from hypersweep.trial import Failed, Finished, Result


@every_pool
def test_keys_may_depend_on_the_settings_and_the_space(name: str, place: Place) -> None:
    pool = open_unready(name, place, runners.with_keys, extra="more")
    try:
        description = pool.describe()
    finally:
        pool.close()
    assert description.keys == [
        Key("x", default=[1, 2]),
        Key("epochs", default=3, help="How long."),
        Key("dataset", is_data=True),
        Key("more"),
    ]
    assert not description.has_prepare


@every_pool
def test_a_runner_that_declares_nothing(name: str, place: Place) -> None:
    pool = open_unready(name, place, runners.square)
    try:
        assert pool.describe().keys is None
    finally:
        pool.close()


@every_pool
def test_prepare_runs_in_a_process_of_its_own(name: str, place: Place) -> None:
    with opened(name, place, "with_folder", workers=1) as pool:
        folder = pool.prepare()
        assert folder == place.log.with_name("prepared").resolve()
        prepared_by = int((folder / "pid").read_text())
        assert prepared_by != os.getpid()
        assert not is_alive(prepared_by)
        pool.submit([trial(0)])
        assert outcomes(collect(pool, 1)) == {0: Finished(Result(valid={"score": 0.5}))}
    assert json.loads(place.log.with_name("told").read_text())["prepared"] == str(folder)


@every_pool
@pytest.mark.parametrize(
    ("runner", "error", "text"),
    [
        ("with_wrong_settings", SettingsError, "^epochs: got 0; expected at least 1. Mend it$"),
        ("with_missing_data", DataError, "^ml-1m: there is no such data set"),
        ("with_bug", RunnerError, "with_bug: prepare failed: ZeroDivisionError: by zero; see the traceback above"),
        ("with_nothing", RunnerError, "with_nothing: prepare failed: TypeError: .*NoneType"),
        ("with_death", RunnerError, "with_death: prepare failed: the process ended with exit code 3"),
    ],
)
def test_what_prepare_raises_comes_back(
    name: str, place: Place, runner: str, error: type[HypersweepError], text: str
) -> None:
    with opened(name, place, runner) as pool, pytest.raises(error, match=text) as raised:
        pool.prepare()
    assert type(raised.value) is error


@every_pool
def test_a_runner_that_cannot_be_loaded(name: str, place: Place) -> None:
    with pytest.raises(RunnerError, match=r"has no 'sqare'.*Did you mean 'square'"), opened(name, place, "sqare"):
        pass


def test_an_import_that_initialises_cuda_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("class cuda:\n    def is_initialized(): return True\n")  # as with a GPU
    (tmp_path / "train.py").write_text("import torch\ndef f(params): return 1.0\n")
    with (
        pytest.raises(RunnerError, match=r"train\.py:f: its import has initialised CUDA, which the trials forked from"),
        opened("local", place, RunnerReference.parse("train.py:f", tmp_path)) as pool,
    ):
        pool.submit([trial(0)])
        collect(pool, 1)


def test_an_import_may_ask_whether_there_is_cuda(place: Place, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import os\nasked = os.environ['PYTORCH_NVML_BASED_CUDA_CHECK']\ndef f(params): return float(asked)\n"
    )
    assert run_one("local", place, RunnerReference.parse("train.py:f", tmp_path)) == Finished(Result({"score": 1.0}))


def test_a_process_that_cannot_be_started_is_the_failure_of_its_trial(place: Place, tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text(
        "import os, resource\n"
        "free = os.dup(0)\nos.close(free)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (free + 4, free + 4))\n"  # the server's own, and no more
        "def f(params): return 1.0\n"
    )
    with opened("local", place, RunnerReference.parse("greedy.py:f", tmp_path)) as pool:
        for number in range(2):
            pool.submit([trial(number)])
            assert outcomes(collect(pool, 1)) == {
                number: Failed("no process could be started for the trial: Too many open files")
            }


def test_every_pool_is_tested() -> None:
    assert RESOURCES.keys() == POOLS.keys()


def test_pools_that_cannot_be() -> None:
    work = Work(RunnerReference("x:y", False, "."), {}, {}, 1, Place.of(Path(), "hyper"))
    with pytest.raises(
        PoolError, match=r"--pool: got 'locl'; expected one of local, inline, ray. Did you mean 'local'"
    ):
        open_pool(work, Resources(pool="locl", workers=1))
    with pytest.raises(PoolError, match="--workers: got 0; expected at least 1"):
        open_pool(work, Resources(pool="local", workers=0))
    with pytest.raises(PoolError, match="inline runs one trial at a time, got 2"):
        open_pool(work, Resources(pool="inline", workers=2))
