"""What every pool promises of the ends of trials, shown with real ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hyper_tests.contracts import runners
from hyper_tests.contracts.pools import (
    collect,
    every_pool,
    log_of,
    opened,
    outcomes,
    pool_of_processes,
    run_one,
    trial,
)
from hypersweep.place import Place
from hypersweep.trial import Failed, Finished, Pruned, Result, Trial


@every_pool
def test_results_come_back_as_they_were_given(name: str, place: Place) -> None:
    with opened(name, place, runners.square) as pool:
        for number in range(5):
            pool.submit([trial(number)])
            assert outcomes(collect(pool, 1)) == {
                number: Finished(Result(valid={"square": number * number, "seed": 2020}))
            }


@every_pool
def test_what_a_trial_is_handed(name: str, place: Place) -> None:
    with opened(name, place, runners.describe, threads=3, epochs=[1, None, {"a": 0.1}]) as pool:
        pool.submit([Trial(123, {"x": (64, 64), "y": None, "z": "a'b"}, seed=7, attempt=2)])
        assert outcomes(collect(pool, 1)) == {123: Finished(Result(valid={"score": 0.5}))}
    told = json.loads(place.log.with_name("told").read_text())
    assert told["params"] == {"x": [64, 64], "y": None, "z": "a'b"}
    assert told["settings"]["epochs"] == [1, None, {"a": 0.1}]
    assert (told["number"], told["seed"], told["attempt"], told["threads"]) == (123, 7, 2, "3")
    assert told["folder"].endswith("/hyper.sweep/trials/01/0123")
    assert not place.trial_folder(123).exists(), "a trial that writes nothing leaves no folder"


@every_pool
@pytest.mark.parametrize(
    ("runner", "error"),
    [
        (runners.raise_error, "ValueError: two"),
        (runners.raise_exit, "the runner called sys.exit(4) before it returned a result"),
        (runners.raise_interrupt, "KeyboardInterrupt: the trial's own"),
        (runners.raise_outcast, "Outcast: out"),
        (runners.raise_unspeakable, "Unspeakable"),
        (runners.raise_surrogate, "FileNotFoundError: /data/\\udce9.csv"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_a_trial_raises_is_its_failure(
    name: str, place: Place, runner: Callable[..., Any], error: str
) -> None:
    assert run_one(name, place, runner) == Failed(error)
    assert "Traceback" in log_of(place)
    assert f"in {runner.__name__}" in log_of(place)


@every_pool
def test_a_return_value_that_is_no_result_is_a_failure(name: str, place: Place) -> None:
    outcome = run_one(name, place, runners.return_nothing)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("the runner returned None; expected a number, a mapping")
    assert log_of(place) == outcome.error + "\n"


@every_pool
def test_pruning_is_no_failure(name: str, place: Place) -> None:
    assert run_one(name, place, runners.prune) == Pruned(3)


@pool_of_processes
@pytest.mark.parametrize(
    ("runner", "error"),
    [
        (runners.segfault, "the process was killed by SIGSEGV"),
        (runners.exit_0, "the process ended with exit code 0 before it returned a result"),
        (runners.exit_3, "the process ended with exit code 3 before it returned a result"),
        (runners.kill_itself, "the process was killed by SIGKILL (out of memory?)"),
        pytest.param(
            runners.kill_itself_namelessly,
            "the process was killed by signal 40",
            marks=pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no real-time signals"),
        ),
        (runners.terminate_itself, "the process was killed by SIGTERM"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_crash_harms_nothing_else(name: str, place: Place, runner: Callable[..., Any], error: str) -> None:
    with opened(name, place, runner) as pool:
        for number in range(2):
            pool.submit([trial(number)])
            assert outcomes(collect(pool, 1)) == {number: Failed(error)}
    if runner not in (runners.terminate_itself, runners.kill_itself_namelessly):
        assert log_of(place).startswith("before the end")
    if runner is runners.segfault:
        assert "Segmentation fault" in log_of(place), "with the Python stack"
        assert "in segfault" in log_of(place)
