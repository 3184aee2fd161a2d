"""Sweeps whose space grows: what is recorded keeps its numbers, what is new runs once, wherever it is cut."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import SearchError, SpaceError
from hypersweep.launch import SweepInterrupted, resume, sweep
from hypersweep.resultlog import read_log
from hypersweep.study import Study

SPACES = [
    "a choice [2, 3]\nb choice ['x', 'y']\n",
    "a choice [1, 2, 3]\nb choice ['x', 'y']\n",
    "a choice [1, 2, 5, 3]\nb choice ['z', 'x', 'y']\n",
]


NUMBERED = ["2x", "2y", "3x", "3y", "1z", "1x", "1y", "2z", "5z", "5x", "5y", "3z"]  # the first, then the last of them


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hyper.test"
    path.write_text(SPACES[0])
    return path


def objective(params: dict[str, Any]) -> float:
    """Tells its calls in a file, and stops the sweep at the call that another names."""
    with Path("calls").open("a") as file:
        file.write(f"{params['a']}{params['b']}\n")
    stop_at = Path("stop_at")
    if stop_at.exists() and len(Path("calls").read_text().splitlines()) == int(stop_at.read_text()):
        stop_at.unlink()
        os.kill(os.getpid(), signal.SIGINT)
    return float(params["a"]) + int(params["b"] == "x")


def points(study: Study) -> list[str]:
    return [f"{recorded.trial.params['a']}{recorded.trial.params['b']}" for recorded in study.trials("finished")]


@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_only_what_is_new_runs_after_what_is_recorded(space: Path, order: Any) -> None:
    with sweep(space, runner=objective, pool="inline", order=order) as study:
        before = points(study)
    for text in SPACES[1:]:
        space.write_text(text)
        with resume(space, extend=True) as study:
            after = points(study)
            assert after[: len(before)] == before
            assert study.counts()["waiting"] == 0
            before = after
    assert len(before) == len(set(before)) == 12
    assert Path("calls").read_text().splitlines() == before
    assert [f"{block.params['a']}{block.params['b']}" for block in read_log("hyper.result")] == before
    if order == "sequential":
        assert before == ["2x", "2y", "3x", "3y", "1x", "1y", "1z", "2z", "5z", "5x", "5y", "3z"]
    with Study(space) as study:
        best = study.best()
        assert best is not None and best.trial.params == {"a": 5, "b": "x"}
    with resume(space) as study:
        assert study.counts()["finished"] == 12


@pytest.mark.parametrize("stop_at", range(2, 13))
def test_an_extended_sweep_can_be_cut_anywhere(space: Path, stop_at: int) -> None:
    Path("stop_at").write_text("2")
    with pytest.raises(SweepInterrupted, match="interrupted"):
        sweep(space, runner=objective, pool="inline")
    space.write_text(SPACES[2])
    with pytest.raises(SpaceError, match=r"(?s)parameter a: added 1, 5\n  parameter b: added z\n.*resume --extend"):
        resume(space)
    Path("stop_at").write_text(str(stop_at + 1))  # trial 1 is run again
    with pytest.raises(SweepInterrupted, match="interrupted"):
        resume(space, extend=True)
    with resume(space) as study:
        assert points(study) == NUMBERED
        assert study.counts()["waiting"] == 0
    calls = Path("calls").read_text().splitlines()
    assert sorted(calls) == sorted([*NUMBERED, NUMBERED[1], calls[stop_at]])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a choice [2]\nb choice ['x', 'y']\n", "parameter a: removed 3"),
        ("a choice [2, 3.0]\nb choice ['x', 'y']\n", "parameter a: added 3.0; removed 3"),
        (SPACES[1] + "c choice [1]\n", "parameter c is new in the space"),
        ("a uniform 0,1\nb choice ['x', 'y']\n", "parameter a: a choice [2, 3] in the sweep, a uniform 0,1 now"),
    ],
)
def test_more_than_added_values_are_refused(space: Path, text: str, line: str) -> None:
    sweep(space, runner=objective, pool="inline").close()
    space.write_text(text)
    with pytest.raises(
        SpaceError, match=r"changed in more than added values of a grid, which --extend takes:\n"
    ) as caught:
        resume(space, extend=True)
    assert f"  {line}" in str(caught.value).splitlines()
    with pytest.raises(SpaceError, match="has changed since the sweep began") as caught:
        resume(space)
    assert "--extend" not in str(caught.value)


def test_a_search_has_no_points_to_keep(space: Path) -> None:
    sweep(space, runner=objective, pool="inline", algo="random", max_trials=2).close()
    space.write_text(SPACES[1])
    with pytest.raises(SpaceError, match="changed in more than added values of a grid"):
        resume(space, extend=True)


def test_what_is_too_large_is_refused_before_it_is_recorded(space: Path) -> None:
    sweep(space, runner=objective, pool="inline").close()
    many = ", ".join(map(str, range(2, 5000)))
    space.write_text(f"a choice [{many}]\nb choice ['x', 'y']\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hypersweep.search.grid.MAX_SIZE", 9000)
        with pytest.raises(SearchError, match="the grid has 9996 combinations; expected at most 9000"):
            resume(space, extend=True)
    with Study(space) as study:
        assert study.size == 4


def test_a_yaml_space_grows_in_its_ranges_and_rules_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "parameters:\n  a: {int: [2, 3]}\n  b: {choice: [x, y], only_if: a > 1}\nforbidden: [a == 3 and b == 'x']\n"
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with sweep(path, runner=any_point, pool="inline") as study:
        assert [dict(recorded.trial.params) for recorded in study.trials()] == [
            {"a": 2, "b": "x"},
            {"a": 2, "b": "y"},
            {"a": 3, "b": "y"},
        ]
    path.write_text(text.replace("[2, 3]", "[1, 4]").replace("[x, y]", "[x, z, y]"))
    with resume(path, extend=True) as study:
        assert [dict(recorded.trial.params) for recorded in study.trials()][3:] == [
            {"a": 1},
            {"a": 2, "b": "z"},
            {"a": 3, "b": "z"},
            {"a": 4, "b": "x"},
            {"a": 4, "b": "z"},
            {"a": 4, "b": "y"},
        ]
        assert study.counts()["waiting"] == 0


def any_point(params: dict[str, Any]) -> float:
    return float(params["a"])
