"""The file `hyper.result` of a sweep: derived from the store, written whole, replaced at once."""

from __future__ import annotations

import os
import time

from hypersweep.errors import ResultLogError
from hypersweep.place import as_word
from hypersweep.resultlog import format_block
from hypersweep.study import Study

MIN_INTERVAL_S = 2.0
COST_FACTOR = 50  # at most a fiftieth of the time goes into renewing the log


class ResultFile:
    """Keeps the log of a sweep up to date: the finished trials in trial order."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.path = study.place.log
        self.is_stale = False
        self.due_at = 0.0

    def note_finish(self) -> None:
        """A trial has finished that the log does not show yet."""
        self.is_stale = True

    def renew_if_due(self) -> None:
        """Renew a stale log, no sooner than max(2 s, 50 × what the last renewal took) after that one."""
        if self.is_stale and time.monotonic() >= self.due_at:
            self.renew()

    def renew(self) -> None:
        """Write the log anew. Raises `ResultLogError` if it cannot be written; the store has everything."""
        started = time.monotonic()
        temporary = self.path.with_name(f".{self.path.name}.new")  # of who holds the sweep: one process
        try:
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                for params, result in self.study.logged():
                    file.write(format_block(params, result))
            os.replace(temporary, self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise ResultLogError(
                f"{self.path}: {error.strerror}; expected to write the log. Every result is kept in "
                f"{self.study.place.store}; mend the folder, then: hypersweep resume {as_word(self.study.place.folder)}"
            ) from error
        finally:
            now = time.monotonic()
            self.due_at = now + max(MIN_INTERVAL_S, COST_FACTOR * (now - started))
        self.is_stale = False
