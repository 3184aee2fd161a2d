"""Python callables as runners, told apart by their required parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hypersweep.errors import RunnerError
from hypersweep.runner.contract import LiveTrial, Runner
from hypersweep.trial import Params

EXPECTED = "expected objective(params), run(params, trial) or objective(config_dict, config_file_list)"


def adapt(function: Callable[..., Any], where: str) -> Runner:
    """A Runner that calls `function` the way its signature asks for; raises `RunnerError` if it asks for another.

    Fixed settings are merged under the params for `objective(params)` and RecBole's
    `objective(config_dict, config_file_list)`; `run(params, trial)` finds them in `trial.settings`.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise RunnerError(f"{where}: has no signature, got {function!r}; {EXPECTED}. Wrap it in a function") from error
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(positional) >= 2 and positional[1].name == "config_file_list" and len(required) <= 2:
        return _call_recbole_objective(function)
    if all(parameter in positional for parameter in required):
        if len(required) == 1:
            return _call_objective(function)
        if len(required) == 2:
            return function
    raise RunnerError(f"{where}: takes {inspect.signature(function)}; {EXPECTED}. Change its parameters")


def _call_objective(function: Callable[..., Any]) -> Runner:
    def objective(params: Params, trial: LiveTrial) -> Any:
        return function({**trial.settings, **params})

    return objective


def _call_recbole_objective(function: Callable[..., Any]) -> Runner:
    def objective(params: Params, trial: LiveTrial) -> Any:
        return function({**trial.settings, **params}, [])

    return objective
