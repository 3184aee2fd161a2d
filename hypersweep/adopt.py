"""Taking the trials of an existing result log as finished (`--from-result`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypersweep.definition import Definition
from hypersweep.errors import ResultLogError, SearchError, SpaceError
from hypersweep.resultlog import LoggedTrial, read_log
from hypersweep.runner import Key
from hypersweep.search import GridSearcher, Searcher
from hypersweep.selection import Objective, choose_log_metric
from hypersweep.space import Choice
from hypersweep.spacefile import describe_parameter
from hypersweep.trial import Result, Trial, seed_of

ADVICE = "Remove the block, or run the space that the log belongs to"

Adopted = tuple[Trial, Result, float | None]  # with the score that counts


def read_adopted(path: Path, definition: Definition, searcher: Searcher, keys: Sequence[Key] | None) -> list[Adopted]:
    """The trials of the log at `path` as finished trials of the sweep.

    The score is the metric of `--metric`, else the settings' `valid_metric` (or the runner's default for it), else as
    for a bare log; the model is the settings'. Raises `ResultLogError`, naming each line, for blocks that match no
    combination of the space or stand there twice with different results; `SelectionError` if one has no score.
    """
    if not isinstance(searcher, GridSearcher):
        raise SearchError(
            f"--from-result: got {path} with --algo {definition.algo}; expected a grid, whose points a log names. "
            "Drop one of the two"
        )
    if definition.repeats > 1:
        raise SearchError(
            f"--from-result: got {path} with --repeats {definition.repeats}; expected none, since a log has one result "
            "of each combination. Drop one of the two"
        )
    logged = read_log(path)
    known = {key.name: key.default for key in keys or () if key.default is not None}
    known.update(definition.settings)
    named = definition.metric or definition.find_valid_metric(keys)
    objective = Objective(named or choose_log_metric(block.result for block in logged), definition.mode)
    problems: list[str] = []
    block_of: dict[int, LoggedTrial] = {}
    for block in logged:
        number = _find_number(block, searcher, str(path), problems)
        if number is not None and block_of.setdefault(number, block).result != block.result:
            problems.append(
                f"{path}:{block.line}: stands in line {block_of[number].line} already, with another result; "
                "expected each combination once. Remove one of the two"
            )
    if problems:
        raise ResultLogError.gather(problems)
    return [_adopt(number, block, searcher, objective, known, definition.seed) for number, block in block_of.items()]


def _adopt(
    number: int,
    block: LoggedTrial,
    searcher: GridSearcher,
    objective: Objective,
    known: Mapping[str, Any],
    sweep_seed: int,
) -> Adopted:
    params = searcher.suggest(number)
    assert params is not None
    model = params.get("model", known.get("model"))
    judged = objective.judge(dataclasses.replace(block.result, model=None if model is None else str(model)))
    return Trial(number, params, seed_of(params, sweep_seed)), judged, judged.score


def _find_number(block: LoggedTrial, searcher: GridSearcher, where: str, problems: list[str]) -> int | None:
    try:
        return searcher.number_of(dict(block.texts))
    except KeyError as error:
        (name,) = error.args
        problems.append(f"{where}:{block.line}: {_tell_mismatch(name, block, searcher)}")
    except SpaceError as error:
        problems.append(f"{where}:{block.line}: {error}. {ADVICE}")
    return None


def _tell_mismatch(name: str, block: LoggedTrial, searcher: GridSearcher) -> str:
    if name not in searcher.space.names:
        return f"{name!r} is no parameter of the space; expected {', '.join(searcher.space.names)}. {ADVICE}"
    if name not in block.texts:
        return f"{name!r} is missing; expected {', '.join(searcher.space.names)}. {ADVICE}"
    parameter = next(parameter for parameter in searcher.space.finite if parameter.name == name)
    if parameter.position_of(block.texts[name]) is not None:
        return f"{name!r} is there only if {parameter.only_if}, got {block.texts[name]!r}; expected none. {ADVICE}"
    expected = (
        f"one of {', '.join(map(str, parameter.values))}"
        if isinstance(parameter, Choice)
        else describe_parameter(parameter)
    )
    return f"{name!r} has no value {block.texts[name]!r} in the space; expected {expected}. {ADVICE}"
