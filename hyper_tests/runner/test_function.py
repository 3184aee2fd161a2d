"""How a callable is called: told by its required parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import RunnerError
from hypersweep.runner import LiveTrial
from hypersweep.runner.function import adapt

PARAMS = {"lr": 0.1, "epochs": 7}
SETTINGS = {"epochs": 5, "model": "M"}
MERGED = {"epochs": 7, "model": "M", "lr": 0.1}


def call(function: Callable[..., Any]) -> Any:
    return adapt(function, "module:f")(PARAMS, LiveTrial(3, 2020, Path("folder"), SETTINGS))


class Objective:
    def __call__(self, params: Mapping[str, Any]) -> Any:
        return params

    def method(self, params: Mapping[str, Any], trial: LiveTrial) -> Any:
        return params, trial.settings


def objective(params: Any) -> Any:
    return params


def objective_with_more(params: Any, *more: Any, verbose: bool = False, **rest: Any) -> Any:
    assert not more and not rest
    return params


def run(params: Any, trial: Any) -> Any:
    return params, trial.settings


def run_by_other_names(config: Any, session: Any, verbose: bool = False) -> Any:
    return config, session.settings


def run_by_position(params: Any, trial: Any, /) -> Any:
    return params, trial.settings


def recbole(config_dict: Any, config_file_list: Any) -> Any:
    return config_dict, config_file_list


def recbole_with_defaults(config_dict: Any = None, config_file_list: Any = None, saved: bool = True) -> Any:
    return config_dict, config_file_list


def recbole_with_one_default(config_dict: Any, config_file_list: Any = None) -> Any:
    return config_dict, config_file_list


@pytest.mark.parametrize("function", [objective, objective_with_more, Objective(), functools.partial(objective)])
def test_one_required_parameter_gets_settings_and_params(function: Callable[..., Any]) -> None:
    assert call(function) == MERGED


@pytest.mark.parametrize("function", [run, run_by_other_names, run_by_position, Objective().method])
def test_two_required_parameters_get_params_and_trial(function: Callable[..., Any]) -> None:
    assert call(function) == (PARAMS, SETTINGS)


@pytest.mark.parametrize("function", [recbole, recbole_with_defaults, recbole_with_one_default])
def test_recboles_objective_gets_a_list_of_files(function: Callable[..., Any]) -> None:
    assert call(function) == (MERGED, [])


def test_without_settings_the_params_are_those_of_the_space() -> None:
    runner = adapt(objective, "module:f")
    assert runner(PARAMS, LiveTrial(0, 1, Path("folder"))) == PARAMS


@pytest.mark.parametrize(
    "function",
    [
        lambda: 1.0,
        lambda a, b, c: 1.0,
        lambda *all_of_them: 1.0,
        lambda **named: 1.0,
        lambda params=None: 1.0,
        lambda *, params: 1.0,
        lambda params, *, device: 1.0,
        lambda params, trial, *, device: 1.0,
        lambda config_dict, config_file_list, saved: 1.0,
    ],
)
def test_any_other_signature_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(
        RunnerError, match=r"^module:f: takes \(.*\); expected objective\(params\), run\(params, trial\)"
    ):
        adapt(function, "module:f")


def test_a_callable_without_signature_is_refused() -> None:
    with pytest.raises(RunnerError, match=r"module:f: has no signature, got <.*>; expected objective"):
        adapt(iter, "module:f")
