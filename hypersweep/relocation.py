"""A sweep whose folder has been moved or copied since it began: what it was begun with, where that is now."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hypersweep.definition import Definition
from hypersweep.errors import RunnerError
from hypersweep.events import Noted, OnEvent
from hypersweep.place import Place
from hypersweep.store import refuse_damage
from hypersweep.study import Study


def home_of(place: Place) -> str:
    """Where the sweep lies, as it is recorded when it begins."""
    return str(place.folder.resolve().parent)


def relocate(definition: Definition, study: Study, on_event: OnEvent) -> Definition:
    """The recorded sweep, with the paths of its runner, space and settings as they are now: what lies where it did from
    the sweep is taken from its new place. Tells so.

    Raises `RunnerError` if the folder that a command runs in is gone: every trial would fail.
    """
    new = Path(home_of(study.place))
    with refuse_damage(study.place.store):
        old = Path(study.meta.get("home", new))
    reference, sources = definition.reference, definition.sources
    if old != new:
        move = _Move(old, new)
        target, colon, attribute = reference.text.rpartition(":")
        text = reference.text if reference.is_command else f"{move(target)}{colon}{attribute}"
        reference = dataclasses.replace(reference, text=text, directory=move(reference.directory))
        space = sources.space and move(sources.space)
        sources = dataclasses.replace(sources, space=space, config=tuple(map(move, sources.config)))
    if reference.is_command and not Path(reference.directory).is_dir():
        raise RunnerError(
            f"{reference.directory}: the folder that the sweep was begun in is gone; expected it, for the command runs "
            "there. Make it anew, or move it together with the sweep"
        )
    if (reference, sources) != (definition.reference, definition.sources):
        on_event(Noted(f"the sweep was moved here from {old}; its files are taken from {new}"))
    return dataclasses.replace(definition, reference=reference, sources=sources)


class _Move:
    """From one place to another, which may end alike: all that lies below what differs has been moved as well, as far
    as it is there."""

    def __init__(self, old: Path, new: Path) -> None:
        while old.name and old.name == new.name:
            old, new = old.parent, new.parent
        self.old, self.new = old, new

    def __call__(self, path: str) -> str:
        if not Path(path).is_relative_to(self.old):
            return path
        moved = self.new / Path(path).relative_to(self.old)
        return str(moved) if moved.exists() else path
