"""Which checkpoint folders outlive their trials."""

from __future__ import annotations

import contextlib
import os
import shutil

from hypersweep.place import Place
from hypersweep.study import Study
from hypersweep.supervision import Keep


class Checkpoints:
    """Removes what is of no more use: the checkpoints of ended trials but the best one's (`keep` best), of none (all)
    or of every ended trial (none). What a failed trial has left stays with best, for whoever wants to know why.
    """

    def __init__(self, place: Place, keep: Keep, best: int | None) -> None:
        """`best`: the number of the best trial so far."""
        self.place = place
        self.keep = keep
        self.best = best

    @classmethod
    def of(cls, study: Study, keep: Keep) -> Checkpoints:
        """Those of a sweep as it is recorded."""
        best = study.best()
        return cls(study.place, keep, best.trial.number if best else None)

    def note_end(self, number: int, *, has_failed: bool, is_best: bool) -> None:
        """A trial has ended for good."""
        if is_best:
            former, self.best = self.best, number
            if self.keep == "best" and former is not None:
                self.clear(former)
        if self.keep == "none" or (self.keep == "best" and not has_failed and number != self.best):
            self.clear(number)

    def clear(self, number: int) -> None:
        """Remove a trial's checkpoint: a retry starts clean."""
        checkpoint = self.place.checkpoint_path(number)
        if os.path.lexists(checkpoint):
            shutil.rmtree(checkpoint, ignore_errors=True)
            with contextlib.suppress(OSError):  # a log is there
                self.place.trial_folder(number).rmdir()

    def tidy(self, study: Study) -> None:
        """Remove what a controller that was killed could not."""
        for checkpoint in (self.place.folder / "trials").glob("*/*/checkpoint"):
            recorded = study.trial(int(checkpoint.parent.name))
            if recorded is not None and recorded.state in ("finished", "pruned", "failed"):
                self.note_end(recorded.trial.number, has_failed=recorded.state == "failed", is_best=False)
