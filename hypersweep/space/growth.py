"""Parameters that have grown by values: whether that is all that differs, and which values are new."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from hypersweep.space.parameter import Choice, Finite, Parameter, Range


def has_values_of(new: Parameter, old: Parameter) -> bool:
    """Whether a parameter is the old one, perhaps with more values. A range may only have become wider."""
    if (old.name, old.kind, old.only_if) != (new.name, new.kind, new.only_if):
        return False
    if isinstance(old, Choice) and isinstance(new, Choice):
        return {repr(value) for value in old.values} <= {repr(value) for value in new.values}
    if isinstance(old, Range) and isinstance(new, Range):
        return old.step == new.step and None not in _find_ends(new, old)
    return repr(old) == repr(new)


def split_by_age(new: Finite, old: Finite) -> Iterator[tuple[int, int, bool]]:
    """Runs of values that are all new or all old: first position, length, whether they are new."""
    if isinstance(new, Choice) and isinstance(old, Choice):
        known = {repr(value) for value in old.values}
        for is_new, run in groupby(enumerate(new.values), key=lambda item: repr(item[1]) not in known):
            positions = [position for position, _ in run]
            yield positions[0], len(positions), is_new
        return
    assert isinstance(new, Range) and isinstance(old, Range), "has the values of the old one"
    first, last = _find_ends(new, old)
    assert first is not None and last is not None
    runs = ((0, first, True), (first, last + 1 - first, False), (last + 1, new.num_values - last - 1, True))
    yield from (run for run in runs if run[1])


def _find_ends(new: Range, old: Range) -> tuple[int | None, int | None]:
    """Where the bounds of the old range are in the new one."""
    return new.position_of(str(old.low)), new.position_of(str(old.high))
