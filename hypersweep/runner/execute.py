"""Calling a runner and telling how it ended: the one place where the user's code is caught."""

from __future__ import annotations

import sys
import traceback

from hypersweep.errors import HypersweepError, TrialPruned
from hypersweep.runner.contract import LiveTrial, Runner
from hypersweep.runner.returned import read_returned
from hypersweep.trial import Failed, Finished, Outcome, Params, Pruned


def execute(runner: Runner, params: Params, trial: LiveTrial) -> Outcome:
    """Run one trial to its outcome. A traceback of the runner's goes to stderr, which is the trial's log."""
    try:
        returned = runner(params, trial)
        return Finished(read_returned(returned))
    except TrialPruned:
        return Pruned(trial.last_step)
    except HypersweepError as error:
        sys.stderr.write(f"{error}\n")
        return Failed(one_line(str(error)))
    except SystemExit as error:
        traceback.print_exc()
        return Failed(f"the runner called sys.exit({error.code!r}) before it returned a result")
    except Exception as error:
        traceback.print_exc()
        return Failed(one_line(f"{type(error).__name__}: {error}"))


def one_line(text: str) -> str:
    """The first line that says something, at most 500 characters of it."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= 500 else line[:500] + "…"
