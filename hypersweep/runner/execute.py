"""Calling a runner and telling how it ended: the one place where the user's code is caught."""

from __future__ import annotations

import contextlib
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from hypersweep.errors import HypersweepError, TrialPruned
from hypersweep.runner.contract import LiveTrial, Runner
from hypersweep.runner.memory import mark_out_of_memory
from hypersweep.runner.returned import read_returned
from hypersweep.trial import Failed, Finished, Outcome, Params, Pruned


class TrialInterrupted(BaseException):
    """Raised in a trial by a pool that is being stopped, or for its time, so that its `finally` blocks run. No
    `KeyboardInterrupt`: a runner that takes that for `stop training and return what there is` would give a result that
    is none. `is_group_told`: by a signal to the whole process group, which what the trial has started got as well."""

    def __init__(self, *, is_group_told: bool = False) -> None:
        super().__init__()
        self.is_group_told = is_group_told


def execute(runner: Runner, params: Params, trial: LiveTrial) -> Outcome:
    """Run one trial to its outcome, whatever the runner raises but `TrialInterrupted`. A traceback of the runner's
    goes to stderr, which is the trial's log."""
    begin_log(trial)
    return judge(lambda: runner(params, trial), trial)


def judge(work: Callable[[], Any], trial: LiveTrial) -> Outcome:
    """The outcome of a trial whose runner returns or raises what `work` does."""
    try:
        return Finished(read_returned(work()))
    except TrialInterrupted:
        raise
    except TrialPruned:
        return Pruned(trial.last_step)
    except HypersweepError as error:
        with contextlib.suppress(OSError, ValueError):  # a full disk, a stream that the runner has closed
            sys.stderr.write(f"{error}\n")
        return Failed(mark_out_of_memory(one_line(str(error))))
    except SystemExit as error:
        _print_traceback()
        return Failed(f"the runner called sys.exit({error.code!r}) before it returned a result")
    except BaseException as error:
        _print_traceback()
        return Failed(mark_out_of_memory(tell_exception(error)))


def begin_log(trial: LiveTrial) -> None:
    """Tell the attempts in a log apart."""
    with contextlib.suppress(OSError, ValueError):
        if trial.attempt > 1 and trial.log_path.stat().st_size:
            sys.stderr.write(f"-- attempt {trial.attempt} --\n")


def _print_traceback() -> None:
    with contextlib.suppress(OSError, ValueError, MemoryError):
        traceback.print_exc()


def tell_exception(error: BaseException) -> str:
    """Its class and its text in one line, also where it cannot give its text."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def name_signal(number: int) -> str:
    """`SIGKILL`; `signal 40` for one that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def one_line(text: str) -> str:
    """The first line that says something, at most 500 characters of it, as the store and any terminal can take it."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = line.encode(errors="backslashreplace").decode()  # a file name that is no UTF-8
    return line if len(line) <= 500 else line[:500] + "…"
