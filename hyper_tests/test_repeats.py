"""Several runs of each combination: what is run, what counts, what is written, and when."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyper_tests.inline_sweeps import inline, notes
from hyper_tests.scripted import ScriptedPool, define, run_sweep
from hypersweep.budget import Budget
from hypersweep.certificate import certify
from hypersweep.errors import SearchError, StoreError
from hypersweep.events import Event, TrialEnded
from hypersweep.launch import resume
from hypersweep.place import Place
from hypersweep.repeats import average, deviation, mean, measure_spread
from hypersweep.resultlog import read_log
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Pruned, Result, Trial

SPACE = "x choice [0, 1, 2, 3]\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path, "hyper")


def seeded(trial: Trial) -> Outcome:
    """x, and a tenth more with each seed."""
    return Finished(Result(valid={"score": float(str(trial.params["x"])) + (trial.seed - 2020) / 10}))


def scoring(outcomes: dict[int, Outcome | float]) -> Callable[[Trial], Outcome]:
    """`seeded`, but for the trials of these numbers: a score or an outcome."""

    def end(trial: Trial) -> Outcome:
        found = outcomes.get(trial.number)
        if found is None:
            return seeded(trial)
        return found if not isinstance(found, float) else Finished(Result(valid={"score": found}))

    return end


def logged(place: Place) -> dict[Any, float]:
    return {block.params["x"]: block.result.valid["score"] for block in read_log(place.log)}


def test_each_combination_is_run_with_seeds_that_count_up(place: Place) -> None:
    pool = ScriptedPool(end=seeded)
    run_sweep(place, define(SPACE, repeats=3, seed=7), pool)
    assert [(trial.number, trial.params["x"], trial.repeat, trial.seed) for trial in pool.ran] == [
        (3 * x + repeat, x, repeat, 7 + repeat) for x in range(4) for repeat in range(3)
    ]


def test_the_mean_counts_and_stands_in_the_log_once(place: Place) -> None:
    run_sweep(place, define(SPACE, repeats=3), ScriptedPool(2, end=seeded))
    assert logged(place) == {x: mean([x, x + 0.1, x + 0.2], None) for x in range(4)}
    with Study(place) as study:
        assert study.size == 12
        best = study.best()
        assert best and best.result and best.spread
        assert (best.trial.number, best.trial.params, best.result.score) == (9, {"x": 3}, logged(place)[3])
        assert best.spread.score == pytest.approx(0.1)
        assert [whole.trial.params["x"] for whole in study.top(3)] == [3, 2, 1]
        assert certify(study).tell() == "all 4 points of the space: 4 finished"


def test_a_combination_is_written_once_all_of_it_has_ended(place: Place) -> None:
    run_sweep(place, define(SPACE, repeats=3), ScriptedPool(end=seeded, stop_after=5))
    assert list(logged(place)) == [0]
    with Study(place) as study:
        best = study.best()
        assert best and best.trial.number == 0, "what is not whole is not compared"
        assert certify(study).tell() == "1 of the 4 points of the space: 1 finished; 3 not run (interrupted)"


def test_a_failed_repeat_marks_its_combination(place: Place) -> None:
    told: list[Event] = []
    end = scoring({9: Failed("no"), 3: Failed("a"), 4: Failed("b"), 5: Failed("c")})
    run_sweep(place, define(SPACE, repeats=3), ScriptedPool(end=end), told.append)
    assert logged(place) == {0: mean([0, 0.1, 0.2], None), 2: mean([2, 2.1, 2.2], None), 3: mean([3.1, 3.2], None)}
    with Study(place) as study:
        best = study.best()
        assert best and best.spread
        assert (best.spread.finished, best.spread.repeats, best.error) == (2, 3, "no")
        certificate = certify(study)
        assert (certificate.finished, certificate.failed, certificate.partly_failed) == (3, 1, 1)
        assert not certificate.is_as_asked
        assert certificate.tell() == ("all 4 points of the space: 3 finished, 1 failed; 1 of them with failed repeats")
    combinations = [event.combination for event in told if isinstance(event, TrialEnded) and event.combination]
    assert [whole.state for whole in combinations] == ["finished", "failed", "finished", "finished"]


def test_a_pruned_repeat_makes_its_combination_a_pruned_one(place: Place) -> None:
    end = scoring({9: Pruned(2), 4: Pruned(1), 5: Failed("no")})
    run_sweep(place, define(SPACE, repeats=3), ScriptedPool(end=end))
    assert list(logged(place)) == [0, 2], "the mean of those that were not stopped would be that of the better ones"
    with Study(place) as study:
        best = study.best()
        assert best and best.trial.params == {"x": 2}
        certificate = certify(study)
        assert (certificate.finished, certificate.pruned, certificate.partly_failed) == (2, 2, 1)


def test_the_first_of_equal_means_is_the_best_and_nan_is_none(place: Place) -> None:
    end = scoring({0: 1.0, 1: 3.0, 2: 2.0, 3: 2.0, 4: 2.0, 5: 2.0, 6: math.nan, 9: 2.0, 10: 2.0, 11: 2.0})
    run_sweep(place, define(SPACE, repeats=3), ScriptedPool(3, end=end, choose=lambda running: -1))
    with Study(place) as study:
        best = study.best()
        assert best and best.trial.number == 0
        assert [whole.trial.number for whole in study.top(9)] == [0, 3, 9, 6]
    assert math.isnan(logged(place)[2])


def test_smaller_means_are_better_with_the_mode(place: Place) -> None:
    run_sweep(place, define(SPACE, repeats=2, mode="min"), ScriptedPool(end=seeded))
    with Study(place) as study:
        best = study.best()
        assert best and best.trial.number == 0
        assert [whole.trial.number for whole in study.top(2)] == [0, 2]


def test_max_trials_are_combinations(place: Place) -> None:
    first, second = ScriptedPool(end=seeded, stop_after=4), ScriptedPool(2, end=seeded)
    definition = define(SPACE, repeats=3)
    run_sweep(place, definition, first, budget=Budget(max_trials=2))
    run_sweep(place, definition, second, budget=Budget(max_trials=2))
    assert sorted(trial.number for trial in (*first.ran, *second.ran)) == list(range(6))
    with Study(place) as study:
        assert study.counts()["waiting"] == 0
        assert certify(study).tell() == "2 of the 4 points of the space: 2 finished; 2 not run (--max-trials 2)"


@pytest.mark.parametrize("stop_after", [None, 1, 5, 6, 8])
def test_stop_after_counts_combinations_and_leaves_none_unfinished(place: Place, stop_after: int | None) -> None:
    """The second is no better than the first, nor is the third."""
    definition, budget = define(SPACE, repeats=3, mode="min"), Budget(stop_after=2)
    pools = [ScriptedPool(end=seeded, stop_after=stop_after), ScriptedPool(end=seeded)]
    for pool in pools:
        run_sweep(place, definition, pool, budget=budget)
    assert [trial.number for pool in pools for trial in pool.ran] == list(range(9))
    with Study(place) as study:
        assert certify(study).tell() == "3 of the 4 points of the space: 3 finished; 1 not run (--stop-after 2)"


def test_repeats_that_were_begun_run_when_nothing_got_better(place: Place) -> None:
    """With four at once the fourth combination is begun before the third has ended."""
    pool = ScriptedPool(4, end=seeded)
    run_sweep(place, define(SPACE, repeats=3, mode="min"), pool, budget=Budget(stop_after=2))
    with Study(place) as study:
        assert study.num_recorded() == study.num_begun() * 3 == len(pool.ran)


def test_a_failed_repeat_is_tried_again_before_its_combination_counts(place: Place) -> None:
    def end(trial: Trial) -> Outcome:
        return Failed("at first") if trial.number == 1 and trial.attempt == 1 else seeded(trial)

    told: list[Event] = []
    run_sweep(place, define(SPACE, repeats=3), ScriptedPool(end=end), told.append, retries=1)
    ends = [event for event in told if isinstance(event, TrialEnded)]
    assert [event.combination.trial.params["x"] for event in ends if event.combination] == [1, 2, 3, 0]
    assert ends[-1].trial.number == 1
    assert logged(place)[0] == mean([0, 0.1, 0.2], None)


def test_retrying_failed_ones_mends_the_mean(place: Place) -> None:
    definition = define(SPACE, repeats=3)
    run_sweep(place, definition, ScriptedPool(end=scoring({4: Failed("no")}), stop_after=8))
    pool = ScriptedPool(end=seeded)
    run_sweep(place, definition, pool, is_retrying_failed=True)
    assert [trial.number for trial in pool.ran] == [8, 9, 10, 11, 4]
    assert logged(place) == {x: mean([x, x + 0.1, x + 0.2], None) for x in range(4)}
    with Study(place) as study:
        assert certify(study).is_as_asked


@pytest.mark.parametrize(("keep", "left"), [("best", [5, 6, 7, 8]), ("none", []), ("all", list(range(12)))])
def test_the_checkpoints_of_the_best_combination_are_kept(place: Place, keep: str, left: list[int]) -> None:
    """And with `best` what a failed repeat has left."""

    def end(trial: Trial) -> Outcome:
        checkpoint = Path(place.checkpoint_path(trial.number))
        checkpoint.mkdir(parents=True)
        return scoring({9: -1.0, 10: -1.0, 11: -1.0, 5: Failed("no")})(trial)

    run_sweep(place, define(SPACE, repeats=3), ScriptedPool(2, end=end), keep=keep)
    found = [int(path.parent.name) for path in (place.folder / "trials").glob("*/*/checkpoint")]
    assert sorted(found) == left


def objective(params: dict[str, Any], trial: Any) -> dict[str, float]:
    return {"ndcg@10": round(params["x"] / 3 + trial.seed % 10 / 7, 4)}


def test_means_are_rounded_as_the_runner_rounds(tmp_path: Path) -> None:
    (tmp_path / "hyper.test").write_text(SPACE)
    with inline(tmp_path / "hyper.test", runner=objective, repeats=3, assignments=["metric_decimal_place=2"]) as study:
        best = study.best()
        assert best and best.result and best.result.valid == {"ndcg@10": 1.14} and best.result.score == 1.14
    assert "ndcg@10 : 0.14\n" in (tmp_path / "hyper.result").read_text()


def test_an_extended_space_repeats_what_is_new(tmp_path: Path) -> None:
    space = tmp_path / "hyper.test"
    space.write_text("x choice [1, 2]\n")
    inline(space, runner=objective, repeats=2).close()
    space.write_text("x choice [0, 1, 2]\n")
    with resume(tmp_path, extend=True) as study:
        numbers = [(recorded.trial.number, recorded.trial.params["x"]) for recorded in study.trials()]
        assert numbers == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 0), (5, 0)]
        assert certify(study).is_complete


def test_what_cannot_be_together(tmp_path: Path) -> None:
    space = tmp_path / "hyper.test"
    space.write_text("seed choice [1, 2]\n")
    with pytest.raises(SearchError, match="--repeats: got 2 with a space that has 'seed'; expected one of the two"):
        inline(space, repeats=2)
    space.write_text(SPACE)
    with pytest.raises(SearchError, match="--repeats: got 0; expected at least 1"):
        inline(space, repeats=0)
    with pytest.raises(SearchError, match="expected seeds and numbers of trials of 64 bits"):
        inline(space, repeats=2, seed=2**63 - 1)
    (tmp_path / "old.result").write_text("x:0\nValid result:\nscore : 0.5\n\n")
    with pytest.raises(SearchError, match="with --repeats 2; expected none, since a log has one result of each"):
        inline(space, repeats=2, from_result=tmp_path / "old.result")
    assert not (tmp_path / "hyper.sweep").exists()


def test_the_number_of_repeats_belongs_to_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "hyper.test").write_text(SPACE)
    inline(tmp_path / "hyper.test", runner=objective, repeats=2).close()
    with pytest.raises(StoreError, match="repeats: 2 in the sweep, 1 now"):
        inline(tmp_path / "hyper.test", runner=objective, if_exists="resume")
    told: list[Event] = []
    resume(tmp_path, on_event=told.append).close()
    assert notes(told) == ["the sweep is finished: nothing is left to run"]


def test_a_combination_that_waits_for_repeats_is_something_left(tmp_path: Path) -> None:
    """Interrupted between two repeats, after the bound has been reached."""
    (tmp_path / "hyper.test").write_text(SPACE)
    place = Place.of(tmp_path, "hyper")
    definition, budget = define(SPACE, repeats=3, mode="min"), Budget(stop_after=1)
    run_sweep(place, definition, ScriptedPool(2, end=seeded, stop_after=6), budget=budget)
    run_sweep(place, definition, ScriptedPool(2, end=seeded), budget=budget)
    with Study(place) as study:
        assert study.num_recorded() == study.num_begun() * 3
        assert not list(study.to_run_again())


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**20), 10**20)


@given(st.lists(numbers, min_size=1, max_size=6))
@example([sys.float_info.max] * 3)
@example([1e308, 1e308, -math.inf])
def test_means_do_not_depend_on_the_order(values: list[float]) -> None:
    found = mean(values, None)
    assert repr(mean(values[::-1], None)) == repr(found)
    if all(map(math.isfinite, values)):
        assert min(values) <= found or math.isclose(min(values), found)
        assert found <= max(values) or math.isclose(max(values), found)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_the_spread_is_the_sample_standard_deviation(values: list[float]) -> None:
    assert deviation(values) == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)


def test_what_has_no_spread() -> None:
    assert deviation([1.0]) is None
    for values in ([1.0, math.inf], [1.0, math.nan], [sys.float_info.max, -sys.float_info.max]):
        found = deviation(values)
        assert found is not None and math.isnan(found)
    assert measure_spread([], 3).score is None


def test_metrics_that_some_repeats_lack_are_left_out() -> None:
    results = [Result({"a": 1, "b": 2}, {"t": 1.0}, "M", 1.0, True), Result({"b": 5, "a": 2}, {}, "M", 2.0, True)]
    assert average(results, None) == Result({"a": 1.5, "b": 3.5}, {}, "M", 1.5, True)
    assert average(results, 0) == Result({"a": 2.0, "b": 4.0}, {}, "M", 2.0, True)
