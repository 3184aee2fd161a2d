"""A sweep that is there already: refused, resumed, restarted."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.inline_sweeps import SIZE, SPACE, Counting, inline, notes
from hypersweep.errors import PoolError, SelectionError, SpaceError, StoreError
from hypersweep.events import Event
from hypersweep.launch import SweepInterrupted, resume, sweep
from hypersweep.place import ControllerLock
from hypersweep.resultlog import read_log
from hypersweep.study import Study


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "hyper.test"
    path.write_text(SPACE)
    return path


def objective(params: dict[str, Any]) -> float:
    return float(params["a"])


def other(params: dict[str, Any]) -> float:
    return 1.0


def test_a_sweep_that_is_there_is_refused_with_its_state(space: Path) -> None:
    with pytest.raises(SweepInterrupted, match=r"interrupted; go on with: hypersweep resume .*hyper.sweep"):
        inline(space, Counting(stop_at=3))
    text = (
        r"hyper.sweep: a sweep is here already \(4 waiting, 2 finished\); expected none. Go on with it: --resume, or "
        r"hypersweep resume .*hyper.sweep; start anew and keep the old one aside: --restart"
    )
    with pytest.raises(StoreError, match=text):
        inline(space)


def test_a_sweep_that_runs_is_refused_by_the_name_of_its_controller(space: Path) -> None:
    inline(space).close()
    holder = rf"process {os.getpid()} on "
    with ControllerLock(space.parent / "hyper.sweep" / "lock"):
        with pytest.raises(StoreError, match=rf"another controller runs it \({holder}.*6 finished.*hypersweep status"):
            inline(space)
        for if_exists in ("resume", "restart"):
            with pytest.raises(StoreError, match=rf"another controller runs this sweep \({holder}"):
                inline(space, if_exists=if_exists)
        with pytest.raises(StoreError, match=rf"another controller runs this sweep \({holder}"):
            resume(space)


def test_an_interrupted_sweep_goes_on(space: Path) -> None:
    first = Counting(stop_at=3)
    with pytest.raises(SweepInterrupted, match="interrupted"):
        inline(space, first)
    assert len(first.calls) == 3
    second = Counting()
    with inline(space, second, if_exists="resume") as study:
        assert study.counts()["finished"] == SIZE
    assert second.calls == [{"a": a, "b": b} for a in (1, 2, 3) for b in ("x", "y")][2:]
    unbroken = space.parent / "unbroken"
    inline(space, out=unbroken).close()
    assert (unbroken / "hyper.result").read_bytes() == space.with_suffix(".result").read_bytes()


def test_a_finished_sweep_is_not_run_again(space: Path) -> None:
    inline(space).close()
    space.with_suffix(".result").unlink()
    runner, told = Counting(), list[Event]()
    with inline(space, runner, if_exists="resume", on_event=told.append) as study:
        assert study.counts()["finished"] == SIZE
    assert runner.calls == []
    assert notes(told) == ["the sweep is finished: nothing is left to run"]
    assert len(read_log(space.with_suffix(".result"))) == SIZE, "the log is derived from the store"


def test_resume_where_nothing_is_starts(space: Path) -> None:
    with inline(space, if_exists="resume") as study:
        assert study.counts()["finished"] == SIZE


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"seed": 1}, ["seed: 2020 in the sweep, 1 now"]),
        ({"order": "shuffled"}, ["order: sequential in the sweep, shuffled now"]),
        ({"threads": 64}, ["threads: 1 in the sweep, 64 now"]),
        ({"settings": {"n": 1}}, ["setting n: not set in the sweep, 1 now"]),
        ({"runner": other}, [f"runner: {__name__}:objective in the sweep, {__name__}:other now"]),
    ],
)
def test_resuming_asks_for_the_same_sweep(space: Path, options: dict[str, Any], lines: list[str]) -> None:
    asked: dict[str, Any] = {"runner": objective, "threads": 1, "pool": "inline"}
    sweep(space, **asked).close()
    with pytest.raises(StoreError, match="another sweep is here than the one asked for:\n") as raised:
        sweep(space, **{**asked, **options}, if_exists="resume")
    told = str(raised.value).splitlines()
    assert told[1:-1] == [f"  {line}" for line in lines]
    assert "--restart" in told[-1] and "--out" in told[-1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a choice [1, 2, 3, 4]\nb choice ['x', 'y']\n", "parameter a: added 4"),
        ("a choice [1, 5]\nb choice ['x', 'y']\n", "parameter a: added 5; removed 2, 3"),
        ("a choice [3, 2, 1]\nb choice ['x', 'y']\n", "parameter a: the order of its values"),
        ("a choice [1, 2, 3]\n", "parameter b is not in the space any more"),
        (SPACE + "c choice [1]\n", "parameter c is new in the space"),
        ("b choice ['x', 'y']\na choice [1, 2, 3]\n", "the parameters' order: a, b in the sweep, b, a now"),
        ("a uniform 0,1\nb choice ['x', 'y']\n", "parameter a: a choice [1, 2, 3] in the sweep, a uniform 0,1 now"),
    ],
)
def test_a_changed_space_is_refused_with_the_difference(space: Path, text: str, line: str) -> None:
    with pytest.raises(SweepInterrupted, match="interrupted"):
        inline(space, Counting(stop_at=2))
    space.write_text(text)
    with pytest.raises(SpaceError, match=r"hyper.test: the space has changed since the sweep began:\n") as raised:
        resume(space)
    assert str(raised.value).splitlines()[1] == f"  {line}"


def test_a_space_written_in_another_way_is_the_same(space: Path) -> None:
    sweep(space, runner=objective, pool="inline").close()
    space.write_text("# rates\n  \na   choice   [1,2,3]\r\nb in ['x',\"y\"]")
    with resume(space) as study:
        assert study.counts()["waiting"] == 0


def test_resume_needs_no_space_file(space: Path) -> None:
    sweep(space, runner=objective, pool="inline").close()
    space.unlink()
    with resume(space.parent) as study:
        assert study.counts()["finished"] == SIZE


def interrupted_once(params: dict[str, Any]) -> float:
    marker = Path(params["marker"])
    if params["a"] == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGTERM)
    return float(params["a"])


def test_a_resume_warns_of_changed_settings_and_keeps_its_own(space: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    space.with_suffix(".yaml").write_text(f"marker: {marker}\nepochs: 3\n")
    with pytest.raises(SweepInterrupted, match="interrupted"):
        sweep(space, runner=interrupted_once, pool="inline")
    space.with_suffix(".yaml").write_text(f"marker: {marker}\nepochs: 4\nnew: 1\n")
    told: list[Event] = []
    with resume(space, on_event=told.append) as study:
        assert study.counts()["finished"] == SIZE
        assert study.meta["settings"]["epochs"] == 3
    assert "warning: setting epochs: 3 in the sweep, 4 now; the sweep keeps its own" in notes(told)
    assert "warning: setting new: not set in the sweep, 1 now; the sweep keeps its own" in notes(told)


def test_a_resume_with_broken_settings_files_uses_the_recorded_ones(space: Path, tmp_path: Path) -> None:
    space.with_suffix(".yaml").write_text(f"marker: {tmp_path / 'marker'}\n")
    with pytest.raises(SweepInterrupted, match="interrupted"):
        sweep(space, runner=interrupted_once, pool="inline")
    space.with_suffix(".yaml").write_text("marker: [\n")
    told: list[Event] = []
    resume(space, on_event=told.append).close()
    assert any("hyper.yaml:" in note and "(the recorded settings are used)" in note for note in notes(told))


def test_a_resume_warns_of_a_changed_runner(space: Path, tmp_path: Path) -> None:
    runner = tmp_path / "runner.py"
    marker = f"import os, pathlib, signal\nmarker = pathlib.Path({str(tmp_path / 'marker')!r})\n"
    stop = "def f(params):\n    if not marker.exists():\n        marker.touch(); os.kill(os.getpid(), signal.SIGINT)\n"
    runner.write_text(marker + stop + "    return 1.0\n")
    with pytest.raises(SweepInterrupted, match="interrupted"):
        sweep(space, runner=f"{runner}:f", pool="inline")
    runner.write_text(marker + stop + "    return 2.0\n")
    told: list[Event] = []
    resume(space, on_event=told.append).close()
    assert f"warning: {runner} has changed since the sweep began" in notes(told)


def test_a_resume_may_name_another_metric(space: Path) -> None:
    with inline(space, lambda params: {"up": params["a"], "down": -params["a"]}, metric="up") as study:
        best = study.best()
        assert best is not None and best.trial.number == 4
    with resume(space, metric="down") as study:
        best = study.best()
        assert best is not None and best.trial.number == 0
        assert study.meta["metric"] == "down"
    with pytest.raises(SelectionError, match=r"the result has no such metric, got 'dwn'.*Did you mean 'down'"):
        resume(space, metric="dwn")
    with Study(space) as study:
        assert study.meta["metric"] == "down"


def test_several_metrics_are_kept_until_one_is_named(space: Path) -> None:
    def both(params: dict[str, Any]) -> dict[str, float]:
        return {"recall": params["a"], "ndcg": -params["a"]}

    with pytest.raises(SelectionError, match=r"several metrics, got recall, ndcg.*--metric recall"):
        inline(space, both)
    with pytest.raises(SelectionError, match="several metrics"):
        inline(space, both, if_exists="resume")
    with inline(space, both, if_exists="resume", metric="ndcg") as study:
        best = study.best()
        assert best is not None and best.trial.number == 0
        assert study.counts()["finished"] == SIZE


def test_a_restart_keeps_the_old_sweep_aside(space: Path) -> None:
    for number in (1, 2, 3):
        told: list[Event] = []
        with inline(space, lambda params, score=number: score, if_exists="restart", on_event=told.append) as study:
            assert study.counts()["finished"] == SIZE
    log = space.with_suffix(".result")
    moved = [log.with_name(f"hyper.result.old-{number}") for number in (1, 2)]
    assert notes(told)[0] == f"the old sweep was moved to {moved[1]}, {space.parent / 'hyper.sweep.old-2'}"
    assert [read_log(path)[0].result.valid["score"] for path in (*moved, log)] == [1, 2, 3]
    (space.parent / "hyper.sweep.old-1").rename(space.parent / "first.sweep")
    with Study(space.parent / "first.sweep") as study:
        best = study.best()
        assert best is not None and best.result is not None
        assert best.result.score == 1


def test_a_restart_takes_a_foreign_log_aside(space: Path) -> None:
    space.with_suffix(".result").write_text("not ours\n")
    inline(space, if_exists="restart").close()
    assert (space.parent / "hyper.result.old-1").read_text() == "not ours\n"


def test_a_resume_warns_of_a_changed_seed(space: Path, tmp_path: Path) -> None:
    space.with_suffix(".yaml").write_text(f"marker: {tmp_path / 'marker'}\nseed: 5\n")
    with pytest.raises(SweepInterrupted, match="interrupted"):
        sweep(space, runner=interrupted_once, pool="inline")
    space.with_suffix(".yaml").write_text(f"marker: {tmp_path / 'marker'}\nseed: 6\n")
    told: list[Event] = []
    with resume(space, on_event=told.append) as study:
        assert {recorded.trial.seed for recorded in study.trials()} == {5}
    assert "warning: seed: 5 in the sweep, 6 now; the sweep keeps its own" in notes(told)


def test_a_resume_takes_no_worker_for_none(space: Path) -> None:
    with pytest.raises(SweepInterrupted, match="interrupted"):
        inline(space, Counting(stop_at=3))
    with pytest.raises(PoolError, match=r"--workers: got 0; expected at least 1"):
        resume(space, workers=0)


def test_a_result_with_several_metrics_is_kept_also_when_it_comes_late(space: Path) -> None:
    def late(params: dict[str, Any]) -> dict[str, float]:
        return {"up": params["a"]} if params["a"] < 3 else {"up": params["a"], "down": -params["a"]}

    with pytest.raises(SelectionError, match=r"several metrics, got up, down"):
        inline(space, late)
    with inline(space, late, if_exists="resume", metric="up") as study:
        assert study.counts()["finished"] == SIZE
