"""Whatever the order in which trials end, and wherever a sweep is interrupted: the same sweep comes out."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.scripted import ScriptedPool, define, run_sweep, square
from hypersweep import resultfile
from hypersweep.batching import Batching
from hypersweep.definition import Definition
from hypersweep.events import Event, TrialEnded
from hypersweep.place import Place
from hypersweep.resultlog import format_block, read_log
from hypersweep.selection import is_better
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Params, Pruned, Result, Trial

SPACE = "a choice [0, 1, 2]\nb choice [0.5, 1.5, -2.0, 3]\n"
SIZE = 12

positions = st.lists(st.integers(0, 7), max_size=SIZE)
orders = st.sampled_from(["sequential", "shuffled"])
scores = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1, -1, 3, math.nan, math.inf, -math.inf, 1e-300, 10**25])


def fresh_place(directory: Path) -> Place:
    """Of its own for each example."""
    return Place.of(Path(tempfile.mkdtemp(dir=directory)), "hyper")


def choose_by(script: Sequence[int]) -> Iterator[int]:
    yield from script
    while True:
        yield 0


def scripted_pool(num_slots: int, script: Sequence[int], stop_after: int | None = None) -> ScriptedPool:
    choices = choose_by(script)
    return ScriptedPool(num_slots, end=mixed, choose=lambda running: next(choices), stop_after=stop_after)


def mixed(trial: Trial) -> Outcome:
    """Most finish; which fail or are pruned depends on the params only."""
    if trial.params["b"] == 1.5 and trial.params["a"] == 1:
        return Failed("ValueError: 1.5")
    if trial.params["b"] == 3 and trial.params["a"] == 2:
        return Pruned(4)
    return square(trial)


def unbroken(directory: Path, definition: Definition) -> bytes:
    place = fresh_place(directory)
    assert not run_sweep(place, definition, scripted_pool(1, ()))
    return place.log.read_bytes()


def check_whole(place: Place, definition: Definition, ran: Sequence[Trial]) -> None:
    """Each trial ran once, and what came of them is the unbroken sweep."""
    assert sorted(trial.number for trial in ran) == list(range(SIZE))
    assert place.log.read_bytes() == unbroken(place.log.parent, definition)
    with Study(place) as study:
        assert study.counts() == {"waiting": 0, "running": 0, "finished": 10, "failed": 1, "pruned": 1}


@given(num_slots=st.integers(1, 8), script=positions, order=orders)
@settings(max_examples=60)
def test_any_interleaving_of_ends_gives_the_same_log(
    tmp_path_factory: pytest.TempPathFactory, num_slots: int, script: list[int], order: str
) -> None:
    place, definition = fresh_place(tmp_path_factory.mktemp("sweeps")), define(SPACE, order=order)
    pool = scripted_pool(num_slots, script)
    assert not run_sweep(place, definition, pool)
    check_whole(place, definition, pool.ran)


@given(num_slots=st.integers(1, 5), script=positions, order=orders, stops=st.lists(st.integers(0, 5), max_size=4))
@settings(max_examples=60)
def test_resuming_any_prefix_gives_the_unbroken_sweep(
    tmp_path_factory: pytest.TempPathFactory, num_slots: int, script: list[int], order: str, stops: list[int]
) -> None:
    place, definition = fresh_place(tmp_path_factory.mktemp("sweeps")), define(SPACE, order=order)
    ran: list[Trial] = []
    for stop_after in [*stops, None]:
        pool = scripted_pool(num_slots, script, stop_after)
        was_interrupted = run_sweep(place, definition, pool)
        ran += pool.ran
        logged = {tuple(block.params.values()) for block in read_log(place.log)}
        assert logged == {tuple(trial.params.values()) for trial in ran if isinstance(mixed(trial), Finished)}
        if not was_interrupted:
            break
    check_whole(place, definition, ran)


@given(
    num_slots=st.integers(1, 3),
    size=st.integers(2, 5),
    free=st.sampled_from([frozenset({"a"}), frozenset({"b"}), frozenset({"a", "b"}), frozenset()]),
    script=positions,
    order=orders,
    stops=st.lists(st.integers(0, 7), max_size=4),
)
@settings(max_examples=60)
def test_trials_that_run_together_give_the_same_sweep(
    tmp_path_factory: pytest.TempPathFactory,
    num_slots: int,
    size: int,
    free: frozenset[str],
    script: list[int],
    order: str,
    stops: list[int],
) -> None:
    """Also where it is interrupted and goes on with other batches, or with none."""
    place, definition = fresh_place(tmp_path_factory.mktemp("sweeps")), define(SPACE, order=order)
    ran: list[Trial] = []
    for session, stop_after in enumerate([*stops, None]):
        batching = Batching() if session % 3 == 2 else Batching(size, free)
        pool = scripted_pool(num_slots, script, stop_after)
        was_interrupted = run_sweep(place, definition, pool, batching=batching)
        ran += pool.ran
        params = {number: definition.open_searcher().suggest(number) for number in range(SIZE)}
        for batch in pool.batches:
            assert len(batch) <= batching.size
            held = [{name: value for name, value in (params[n] or {}).items() if name not in free} for n in batch]
            assert held.count(held[0]) == len(batch)
        if not was_interrupted:
            break
    check_whole(place, definition, ran)


@given(results=st.lists(scores, min_size=SIZE, max_size=SIZE), mode=st.sampled_from(["max", "min"]), script=positions)
@settings(max_examples=100)
def test_the_best_is_that_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory, results: list[float], mode: str, script: list[int]
) -> None:
    place = fresh_place(tmp_path_factory.mktemp("sweeps"))
    choices = choose_by(script)
    pool = ScriptedPool(
        3,
        end=lambda trial: Finished(Result(valid={"score": results[trial.number]})),
        choose=lambda running: next(choices),
    )
    told: list[TrialEnded] = []
    run_sweep(place, define(SPACE, mode=mode), pool, lambda event: _note(event, told))
    numbers = [number for number, score in enumerate(results) if not math.isnan(score)]
    sign = 1 if mode == "max" else -1
    expected = max(numbers, key=lambda number: (sign * results[number], -number), default=None)
    with Study(place) as study:
        best = study.best()
        assert (best.trial.number if best else None) == expected
        ranked = sorted(numbers, key=lambda number: (-sign * results[number], number))
        nans = [number for number in range(SIZE) if number not in numbers]
        assert [found.trial.number for found in study.top(SIZE)] == ranked + nans
        assert [trial.number for trial in study.unscored(SIZE)] == nans
    running_best: Result | None = None
    for event in told:
        assert event.result is not None
        assert event.is_best == is_better(event.result, running_best)
        running_best = event.result if event.is_best else running_best


def _note(event: Event, told: list[TrialEnded]) -> None:
    if isinstance(event, TrialEnded):
        told.append(event)


class Clock:
    """Time as a sweep of trials of 10 ms would see it, and what goes into the log meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.written = 0
        monkeypatch.setattr(resultfile, "time", self)
        monkeypatch.setattr(resultfile, "format_block", self.format_block)

    def monotonic(self) -> float:
        return self.now

    def format_block(self, params: Params, result: Result) -> str:
        block = format_block(params, result)
        self.written += len(block)
        self.now += 1e-5
        return block

    def advance(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            self.now += 0.01


@pytest.mark.parametrize("num_trials", [10_000])
def test_a_first_trial_that_ends_last_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_trials: int
) -> None:
    definition = define(f"x choice {list(range(num_trials))}\n")
    written = []
    for name, choose in (("in order", lambda running: 0), ("the first last", lambda running: -1)):
        with monkeypatch.context() as patch:
            clock = Clock(patch)
            place = Place.of(tmp_path / name, "hyper")
            run_sweep(place, definition, ScriptedPool(2, choose=choose), clock.advance)
            written.append(clock.written)
            size = place.log.stat().st_size
            assert place.log.read_text().startswith("x:0\n")
            assert clock.written > size, "it was renewed on the way"
            assert clock.written < 25 * size
    assert written[1] <= 2 * written[0]
