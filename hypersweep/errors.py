"""The exceptions of hypersweep. Each class names a place and carries the exit code of the command line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping

EXIT_DONE = 0
EXIT_TRIALS_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class HypersweepError(Exception):
    """A mistake that the user can mend; its text is `where: what is wrong, got …; expected …. What to do next`."""

    exit_code = EXIT_BAD_INPUT

    @classmethod
    def gather(cls, problems: Iterable[str]) -> HypersweepError:
        """One error for all the problems of a file, a line each."""
        return cls("\n".join(problems))


class SpaceError(HypersweepError):
    """The search space (`hyper.test`) cannot be used."""


class SettingsError(HypersweepError):
    """The fixed settings (`hyper.yaml`, `--config`, `--set`) cannot be used."""


class ResultLogError(HypersweepError):
    """A result log (`hyper.result`) cannot be read, or must not be overwritten."""


class SelectionError(HypersweepError):
    """It cannot be said which trial is best: no metric, several, a test metric, or nothing finished."""


class StoreError(HypersweepError):
    """The store (`hyper.sweep/sweep.db`) is missing, locked, damaged, of another version or cannot be written."""


class SearchError(HypersweepError):
    """The search algorithm does not fit the space."""


class RunnerError(HypersweepError):
    """The runner cannot be found or loaded, or returned something that is no result."""


class DataError(HypersweepError):
    """The data set of the built-in recommenders is missing or cannot be used."""


class CheckpointError(HypersweepError):
    """A checkpoint of the built-in recommenders is missing, damaged, or of another trial."""


class PoolError(HypersweepError):
    """The pool cannot run trials (any more)."""


class TrialPruned(Exception):
    """Raised by `trial.report` (or by the runner itself) to end a trial early; recorded as pruned, not as failed."""


@contextlib.contextmanager
def naming_places(*, settings: Mapping[str, str], space: Mapping[str, str]) -> Iterator[None]:
    """Within it, errors about `settings: 'NAME'` and `space: 'NAME'` say where NAME stands: `hyper.yaml:3: 'NAME'`."""
    places = {"settings": settings, "space": space}
    try:
        yield
    except HypersweepError as error:
        named = re.compile(r"^(settings|space)(?=: '(\w+)')", re.MULTILINE)
        raise type(error)(named.sub(lambda match: places[match[1]].get(match[2], match[1]), str(error))) from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` if a known name resembles `name`, else nothing."""
    import difflib

    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
