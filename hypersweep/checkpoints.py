"""Which checkpoint folders outlive their trials."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection

from hypersweep.place import Place
from hypersweep.recorded import RecordedTrial
from hypersweep.study import Study
from hypersweep.supervision import Keep


class Checkpoints:
    """Removes what is of no more use: the checkpoints of ended trials but the best one's (`keep` best), of none (all)
    or of every ended trial (none). What a failed trial has left stays with best, for whoever wants to know why.
    """

    def __init__(self, place: Place, keep: Keep, best: int | None, repeats: int = 1) -> None:
        """`best`: the number of the best trial so far; with `repeats` the first of the best combination."""
        self.place = place
        self.keep = keep
        self.best = best
        self.repeats = repeats
        self.finished: list[int] = [] if best is None else [*range(best, best + repeats)]  # of the best

    @classmethod
    def of(cls, study: Study, keep: Keep) -> Checkpoints:
        """Those of a sweep as it is recorded."""
        best = study.best()
        found = cls(study.place, keep, best.trial.number if best else None, study.repeats)
        if best is not None and study.repeats > 1:
            repeats = study.repeats_of(best.trial.number // study.repeats)
            found.finished = [one.trial.number for one in repeats if one.state != "failed"]
        return found

    def note_end(self, number: int, failed: Collection[int] = (), *, is_best: bool) -> None:
        """A trial has ended for good, or all the repeats of the combination whose first trial it is; `failed` are the
        numbers of those that have failed."""
        finished = [other for other in range(number, number + self.repeats) if other not in failed]
        if is_best:
            former, self.finished, self.best = self.finished, finished, number
            if self.keep == "best":
                for other in former:
                    self.clear(other)
        if self.keep == "none":
            for other in (*finished, *failed):
                self.clear(other)
        elif self.keep == "best" and number != self.best:
            for other in finished:
                self.clear(other)

    def clear(self, number: int) -> None:
        """Remove a trial's checkpoint: a retry starts clean."""
        checkpoint = self.place.checkpoint_path(number)
        if os.path.lexists(checkpoint):
            shutil.rmtree(checkpoint, ignore_errors=True)
            with contextlib.suppress(OSError):  # a log is there
                self.place.trial_folder(number).rmdir()

    def tidy(self, study: Study) -> None:
        """Remove what a controller that was killed could not."""
        found = {int(path.parent.name) for path in (self.place.folder / "trials").glob("*/*/checkpoint")}
        for point in sorted({number // self.repeats for number in found}):
            repeats = study.repeats_of(point)
            if repeats and study.combine(repeats, _has_ended) is not None:
                failed = [one.trial.number for one in repeats if one.state == "failed"]
                self.note_end(point * self.repeats, failed, is_best=False)


def _has_ended(recorded: RecordedTrial) -> bool:
    return recorded.state in ("finished", "pruned", "failed")
