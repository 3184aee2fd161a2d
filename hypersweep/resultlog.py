"""The result log (`hyper.result`) and the closing block of a sweep, as text.

Read leniently is what real logs need: no `Valid result:` line, 3, 5 or 6 blanks between metrics, a blank after a
parameter's colon, quoted values, names in any order; and what carries nothing: CRLF, more or fewer blank lines
between trials and at the end. Several blocks may have the same params, as repeats of a trial do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from sys import intern
from typing import Any

from hypersweep.errors import ResultLogError
from hypersweep.repeats import Spread
from hypersweep.selection import loss_of
from hypersweep.space import Value, as_value, read_literal, unquote
from hypersweep.textfile import read_lines
from hypersweep.trial import Params, Result

_PAIR = re.compile(r"(?:^|, )([A-Za-z_][A-Za-z0-9_]*):")
_NAME = r"[^\s:\ud800-\udfff]+"
# A whole number of 308 digits is below the largest float, as all are that a runner may give.
_METRIC = re.compile(rf"({_NAME}) : (-?(?:[0-9]{{1,308}}(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|inf|nan))")
_GAP = re.compile(r" {3,6}")
_HEADERS = {"Valid result:": "V", "Test result:": "T"}
_SHAPES = ("VmTm", "mTm", "Tm")  # the lines after the params: V and T headers, m metrics


@dataclass(frozen=True)
class LoggedTrial:
    """A trial as a log has it: the texts of its params as they stand there, its metrics, the line it begins at."""

    texts: Mapping[str, str]
    result: Result
    line: int

    @property
    def params(self) -> dict[str, Value]:
        """The params as values: numbers, True, False, None and tuples, all others strings (`[64,64]` is one)."""
        return {name: _read_value(text) for name, text in self.texts.items()}


def read_log(path: str | PathLike[str]) -> list[LoggedTrial]:
    """The trials of a log file; raises `ResultLogError` with everything that is wrong in it."""
    next_step = "Check the path; a finished or interrupted sweep writes one"
    return parse_log(read_lines(path, ResultLogError, next_step), fspath(path))


def parse_log(lines: Iterable[str], where: str) -> list[LoggedTrial]:
    """The trials of a log; raises one `ResultLogError` with everything that is wrong, by `where` and line."""
    trials: list[LoggedTrial] = []
    problems: list[str] = []
    for start, block in _split_blocks(lines):
        read = _read_block(start, block)
        if isinstance(read, LoggedTrial):
            trials.append(read)
        else:
            problems += [f"{where}:{number}: {problem}" for number, problem in read]
    if problems:
        raise ResultLogError.gather(problems)
    return trials


def _split_blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The runs of lines that are not blank, each with the number of its first line."""
    block: list[str] = []
    number = 0
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if line.strip(" \t"):
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number - len(block) + 1, block


def _read_block(start: int, block: list[str]) -> LoggedTrial | list[tuple[int, str]]:
    """The trial of a block, or what is wrong, by line."""
    problems = []
    texts = _read_params(block[0])
    if isinstance(texts, str):
        problems.append((start, texts))
    misfit = _find_misfit(block[1:])
    if misfit is not None:
        got = repr(block[misfit + 1]) if misfit + 1 < len(block) else "the trial's end"
        problems.append(
            (
                start + misfit + 1,
                f"a line out of place, got {got}; expected the params, 'Valid result:', metrics, 'Test result:', "
                "metrics and a blank line. Mend the trial or remove it",
            )
        )
        return problems
    metrics: dict[str, dict[str, float]] = {"V": {}, "T": {}}
    part = "V"
    for number, line in enumerate(block[1:], start + 1):
        if line in _HEADERS:
            part = _HEADERS[line]
            continue
        read = _read_metrics(line)
        if isinstance(read, str):
            problems.append((number, read))
        else:
            metrics[part] = read
    if problems or isinstance(texts, str):
        return problems
    return LoggedTrial(texts, Result(valid=metrics["V"], test=metrics["T"]), start)


def _find_misfit(lines: list[str]) -> int | None:
    """The index of the first of the lines after the params that cannot stand there; None if all fit."""
    shape = ""
    for index, line in enumerate(lines):
        shape += _HEADERS.get(line, "m")
        if not any(allowed.startswith(shape) for allowed in _SHAPES):
            return index
    return None if shape.endswith("m") else len(lines)


def _read_params(line: str) -> dict[str, str] | str:
    """The texts of the params, or what is wrong. A value may hold commas: a name and a colon must follow."""
    pairs = list(_PAIR.finditer(line))
    if not pairs or pairs[0].start():
        return f"no params, got {line!r}; expected name:value, name:value, … Mend the trial or remove it"
    ends = [pair.start() for pair in pairs[1:]] + [len(line)]
    texts = {intern(pair[1]): line[pair.end() : end] for pair, end in zip(pairs, ends, strict=True)}
    if len(texts) < len(pairs):
        return f"a name stands there twice, got {line!r}; expected each name once. Mend the trial or remove it"
    return texts


def _read_metrics(line: str) -> dict[str, float] | str:
    """The metrics of a line, or what is wrong."""
    pieces = _GAP.split(line)
    metrics = {}
    for piece in pieces:
        match = _METRIC.fullmatch(piece)
        if not match:
            return f"no metric, got {piece!r}; expected name : number, 4 blanks between two. Mend the line"
        name, number = match.groups()
        metrics[intern(name)] = int(number) if number.lstrip("-").isdigit() else float(number)
    if len(metrics) < len(pieces):
        return f"a metric stands there twice, got {line!r}; expected each name once. Mend the line"
    return metrics


def _read_value(text: str) -> Value:
    """The literal that prints as the text, else the text itself as a string."""
    unquoted = unquote(text)
    try:
        value = as_value(read_literal(text))
    except (ValueError, TypeError):
        return unquoted
    return value if str(value) == unquoted else unquoted


def find_result_problem(result: Result) -> str | None:
    """Why the log cannot carry a result; None if it can."""
    for name in [*result.valid, *result.test]:
        if not re.fullmatch(_NAME, name):
            return (
                f"the log cannot carry the metric, got {name!r}; expected a name without blanks and colons. Rename it"
            )
    return None


def format_block(params: Params, result: Result) -> str:
    """A trial as it stands in the log, the blank line after it included. Texts serve as params as well as values."""
    lines = [", ".join(f"{name}:{params[name]}" for name in sorted(params))]
    if result.valid:
        lines += ["Valid result:", _format_metrics(result.valid)]
    if result.test:
        lines += ["Test result:", _format_metrics(result.test)]
    return "\n".join(lines) + "\n\n"


def _format_metrics(metrics: Mapping[str, float]) -> str:
    return "    ".join(f"{name} : {value!r}" for name, value in metrics.items())


def format_meter(
    num_finished: int, total: int | None, elapsed_s: float, judged: Result, *, is_ascii: bool = False
) -> str:
    """The first line of the closing block: tqdm's meter and the best loss. A sweep without end (`total` None) is
    measured by what is finished. `is_ascii` is for where the bar's blocks cannot be encoded."""
    from tqdm import tqdm

    total = num_finished if total is None else total
    return tqdm.format_meter(
        num_finished, total, elapsed_s, ascii=is_ascii, unit="trial", postfix=f"best loss: {loss_of(judged)!r}"
    )


def format_best(params: Params, judged: Result, spread: Spread | None = None) -> str:
    """The `best params:` and `best result:` of the closing block, without a newline at the end; with repeats one line
    more, for the standard deviations."""
    parts = [
        *([f"'model': {judged.model!r}"] if judged.model is not None else []),
        f"'best_valid_score': {judged.score!r}",
        f"'valid_score_bigger': {judged.bigger!r}",
        f"'best_valid_result': {_format_ordered(judged.valid)}",
        *([f"'test_result': {_format_ordered(judged.test)}"] if judged.test else []),
    ]
    in_order = {name: params[name] for name in sorted(params)}
    text = f"best params:  {in_order!r}\nbest result: \n{{{', '.join(parts)}}}"
    return text if spread is None else f"{text}\nbest spread: {spread_as_json(spread)!r}"


def _format_ordered(metrics: Mapping[str, float]) -> str:
    """An OrderedDict as Python up to 3.11 prints it."""
    return f"OrderedDict({list(metrics.items())!r})" if metrics else "OrderedDict()"


def spread_as_json(spread: Spread) -> dict[str, Any]:
    """The spread of repeats, with the keys of a result."""
    return {
        "finished": spread.finished,
        "repeats": spread.repeats,
        "best_valid_score": _as_json(spread.score),
        "best_valid_result": {name: _as_json(value) for name, value in spread.valid.items()},
        "test_result": {name: _as_json(value) for name, value in spread.test.items()},
    }


def best_as_json(params: Params, judged: Result, spread: Spread | None = None) -> dict[str, Any]:
    """The best trial for JSON: always the same keys, and `spread` with repeats; what JSON has no number for (NaN,
    infinity) is None."""
    return {
        "params": {name: _as_json(params[name]) for name in sorted(params)},
        "result": {
            "model": judged.model,
            "best_valid_score": _as_json(judged.score),
            "valid_score_bigger": judged.bigger,
            "best_valid_result": {name: _as_json(value) for name, value in judged.valid.items()},
            "test_result": {name: _as_json(value) for name, value in judged.test.items()},
        },
        **({} if spread is None else {"spread": spread_as_json(spread)}),
    }


def _as_json(value: Value) -> Any:
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
