"""Trials that run together in one process: calling the runner's `run_batch`, and telling their ends apart."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from hypersweep.errors import RunnerError, TrialPruned
from hypersweep.runner.contract import BatchRunner, LiveTrial
from hypersweep.runner.execute import TrialInterrupted, begin_log, judge
from hypersweep.trial import Outcome, Params


class CommonLog:
    """What trials that run together print in common is in the log of the first of them that has not ended, the holder;
    the others' say where. The lines that a trial logs are in its own."""

    def __init__(self, trials: Sequence[LiveTrial]) -> None:
        self.trials = list(trials)

    @property
    def holder(self) -> LiveTrial:
        return self.trials[0]

    def begin(self) -> None:
        """Raises `OSError` if there is no room for the logs."""
        first, *others = self.trials
        for trial in self.trials:
            trial.folder.mkdir(parents=True, exist_ok=True)
            trial.write_line = partial(_append_line, trial)
            trial.log(
                f"hypersweep: runs together with {_name(others)}, and what is printed for all of them is here"
                if trial is first
                else f"hypersweep: runs together with others, and what is printed for all of them is in the log of "
                f"{_name([first])}"
            )

    def note_end(self, trial: LiveTrial) -> bool:
        """Whether it was the holder's, and the others have another now."""
        was_holder = trial is self.holder
        self.trials.remove(trial)
        if was_holder and self.trials:
            self.holder.log(
                f"hypersweep: {_name([trial])} has ended, and what is printed for all the others is here now"
            )
        return was_holder and bool(self.trials)


def _name(trials: Sequence[LiveTrial]) -> str:
    return f"trial{'s' * (len(trials) > 1)} {', '.join(str(trial.number) for trial in trials)}"


def _append_line(trial: LiveTrial, text: str) -> None:
    with open(trial.log_path, "a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"{text}\n")


def execute_together(
    run_batch: BatchRunner, batch: Sequence[tuple[Params, LiveTrial]]
) -> Generator[tuple[LiveTrial, Outcome], None, None]:
    """Run trials together; gives each with its outcome as it comes.

    What `run_batch` raises, other than `TrialInterrupted`, is the failure of all that have not ended by then; its
    traceback goes to stderr. That of an exception which it gives as one trial's end goes to the trial's log.
    """
    running = {trial.number: trial for _, trial in batch}
    for trial in running.values():
        begin_log(trial)
    failure: BaseException | None = None
    with contextlib.closing(_call(run_batch, batch)) as ends:
        while running and failure is None:
            try:
                number, returned = _take_end(ends, running)
            except TrialInterrupted:
                raise
            except BaseException as error:
                failure = error
            else:
                trial = running.pop(number)
                yield trial, _judge(returned, trial)
    if failure is not None:
        outcome = judge(partial(_raise, _as_failure(failure)), next(iter(running.values())))
        for trial in running.values():
            yield trial, outcome


def _call(run_batch: BatchRunner, batch: Sequence[tuple[Params, LiveTrial]]) -> Generator[tuple[int, Any], None, None]:
    yield from run_batch(batch)
    raise RunnerError(
        "run_batch: ended before all of its trials had; expected an end of each. Give one for every trial"
    )


def _take_end(ends: Iterator[tuple[int, Any]], running: Mapping[int, LiveTrial]) -> tuple[int, Any]:
    end = next(ends)
    if not isinstance(end, tuple) or len(end) != 2 or end[0] not in running:
        raise RunnerError(
            f"run_batch: told an end that is none, got {end!r}; expected the number of a trial that still runs (of "
            f"{', '.join(map(str, running))}), and its result. Give each trial's end once"
        )
    return end


def _judge(returned: Any, trial: LiveTrial) -> Outcome:
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        outcome = judge(lambda: _raise(returned) if isinstance(returned, BaseException) else returned, trial)
    if told.getvalue():
        trial.log(told.getvalue().rstrip("\n"))
    return outcome


def _raise(error: BaseException) -> NoReturn:
    raise error


def _as_failure(raised: BaseException) -> BaseException:
    """What has failed all trials; one of them would be pruned by the same exception, not all."""
    if not isinstance(raised, TrialPruned):
        return raised
    return RunnerError(
        "run_batch: TrialPruned has come out of it, and is for one of its trials; expected it to be given as that "
        "trial's end. Catch it around trial.report"
    )
