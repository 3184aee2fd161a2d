"""Sweeps whose folder is moved or copied before they go on: with the files that lie beside them then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hyper_tests.inline_sweeps import notes
from hypersweep.errors import RunnerError
from hypersweep.events import Event, Noted
from hypersweep.launch import resume, sweep
from hypersweep.study import Study

TRAIN = """
from pathlib import Path

def objective(params):
    return float(Path(__file__).with_name("value").read_text()) + params["x"]
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with all that a sweep needs; trials give what is in its file `value`."""
    folder = tmp_path / "project" / "old"
    folder.mkdir(parents=True)
    (folder / "hyper.test").write_text("x choice [0, 0.25, 0.5]\n")
    (folder / "more.yaml").write_text("a: 1\n")
    (folder / "train.py").write_text(TRAIN)
    (folder / "value").write_text("1")
    return folder


def begin(space: Path | str, runner: str | None = None, *, out: Path | None = None) -> None:
    """The first trial of a sweep, from the current folder."""
    command = "cat value" if runner is None else None
    config = [Path(space).with_name("more.yaml")]
    sweep(space, runner=runner, command=command, config=config, out=out, max_trials=1).close()


def go_on(path: Path, told: list[Event]) -> list[float | None]:
    """The scores of all trials, of which the last two run now."""
    with resume(path, max_trials=3, on_event=told.append) as study:
        return [recorded.result.score if recorded.result else None for recorded in study.trials()]


def warnings(told: list[Event]) -> list[str]:
    return [event.text for event in told if isinstance(event, Noted) and event.is_warning]


def moved_note(old: Path, new: Path) -> str:
    return f"the sweep was moved here from {old}; its files are taken from {new}"


def test_a_command_runs_in_the_new_place(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(old)
    begin("hyper.test")
    new = old.rename(old.with_name("new"))
    (new / "value").write_text("2")
    told: list[Event] = []
    assert go_on(new, told) == [1, 2, 2]
    assert moved_note(old, new) in notes(told)
    assert warnings(told) == [f"{new / 'value'} has changed since the sweep began"], "which the command names"
    told.clear()
    resume(new, on_event=told.append).close()
    assert not any("moved" in text for text in notes(told)), "it is recorded where it is now"


@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_function_is_loaded_from_the_copy(old: Path, monkeypatch: pytest.MonkeyPatch, is_absolute: bool) -> None:
    monkeypatch.chdir(old)
    begin("hyper.test", f"{old / 'train.py' if is_absolute else 'train.py'}:objective")
    new = shutil.copytree(old, old.with_name("new"))
    (new / "value").write_text("2")
    told: list[Event] = []
    assert go_on(new, told) == [1, 2.25, 2.5]
    assert moved_note(old, new) in notes(told)
    assert warnings(told) == [], "train.py is the same"
    (old / "hyper.sweep").rename(old / "other.sweep")
    assert go_on(old / "other.sweep", told) == [1, 1.25, 1.5], "the name of a sweep is no place"


def test_the_folder_above_may_have_moved_with_it(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(old.parent)
    (old / "value").rename(old.parent / "value")
    begin("old/hyper.test")
    project = old.parent.rename(old.parent.with_name("renamed"))
    told: list[Event] = []
    assert go_on(project / "old", told) == [1, 1, 1]
    with Study(project / "old") as study:
        assert study.meta["sources"]["space"] == str(project / "old" / "hyper.test")
        assert study.meta["sources"]["config"] == [str(project / "old" / "more.yaml")]
        assert study.meta["runner"]["directory"] == str(project)


def test_a_link_to_a_sweep_moves_nothing(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(old)
    begin("hyper.test")
    (tmp_path / "value").write_text("2")
    (tmp_path / "hyper.sweep").symlink_to(old / "hyper.sweep")
    told: list[Event] = []
    assert go_on(tmp_path, told) == [1, 1, 1]
    assert not any("moved" in text for text in notes(told))


def test_what_stays_where_it_was_is_taken_from_there(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(old)
    begin("hyper.test", out=tmp_path / "results")
    (tmp_path / "results").rename(tmp_path / "kept")
    told: list[Event] = []
    assert go_on(tmp_path / "kept", told) == [1, 1, 1]
    assert not any("moved" in text for text in notes(told))


def test_a_folder_that_is_gone_costs_no_trial(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(old)
    begin("hyper.test", out=tmp_path / "results")
    old.rename(old.with_name("new"))
    with pytest.raises(
        RunnerError, match=rf"^{old}: the folder that the sweep was begun in is gone; expected it, for the c"
    ):
        resume(tmp_path / "results", max_trials=3)
    with Study(tmp_path / "results") as study:
        assert study.num_recorded() == 1


def test_the_same_command_line_goes_on_in_the_new_place(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(old)
    begin("hyper.test", "train.py:objective")
    new = old.rename(old.with_name("new"))
    (new / "value").write_text("2")
    monkeypatch.chdir(new)
    options = {"runner": "train.py:objective", "config": ["more.yaml"], "max_trials": 3}
    with sweep("hyper.test", if_exists="resume", **options) as study:  # type: ignore[arg-type]
        assert [recorded.result and recorded.result.score for recorded in study.trials()] == [1, 2.25, 2.5]
