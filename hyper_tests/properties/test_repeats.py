"""Sweeps with repeats: whatever the order of the ends and wherever they are interrupted, the same sweep comes out, and
what counts is what brute force finds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.contracts.searchers import needs_optuna
from hyper_tests.properties.test_sweeps import fresh_place, scripted_pool
from hyper_tests.scripted import ScriptedPool, define, run_sweep
from hypersweep.budget import Budget
from hypersweep.certificate import certify
from hypersweep.definition import Definition
from hypersweep.place import Place
from hypersweep.repeats import mean
from hypersweep.resultlog import format_block
from hypersweep.study import Study
from hypersweep.trial import Failed, Finished, Outcome, Pruned, Result, Trial

SPACE = "a choice [0, 1, 2]\nb choice [0.5, 1.5]\n"
NUM_POINTS = 6

positions = st.lists(st.integers(0, 7), max_size=12)
scores = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1, -1, 3, 0.1, 0.2, math.nan, math.inf, -math.inf, 1e-300, 10**25])
outcomes = st.sampled_from(["finished"] * 8 + ["failed", "pruned"])


def mixed(trial: Trial) -> Outcome:
    """What comes depends on the params and the seed only."""
    if (trial.params["a"], trial.seed) in ((1, 2021), (2, 2020)):
        return Failed("ValueError: no")
    if trial.params == {"a": 0, "b": 1.5} and trial.seed == 2021:
        return Pruned(4)
    return Finished(Result(valid={"score": float(str(trial.params["a"])) + trial.seed / 7}, test={"hit": trial.seed}))


@given(
    num_slots=st.integers(1, 5),
    script=positions,
    order=st.sampled_from(["sequential", "shuffled"]),
    stops=st.lists(st.integers(0, 9), max_size=4),
    repeats=st.integers(1, 4),
)
@settings(max_examples=20, deadline=None)
def test_resuming_any_prefix_gives_the_unbroken_sweep(
    tmp_path_factory: pytest.TempPathFactory,
    num_slots: int,
    script: list[int],
    order: str,
    stops: list[int],
    repeats: int,
) -> None:
    directory, definition = tmp_path_factory.mktemp("sweeps"), define(SPACE, order=order, repeats=repeats)
    unbroken, broken = fresh_place(directory), fresh_place(directory)
    assert not run_sweep(unbroken, definition, ScriptedPool(end=mixed))
    ran: list[Trial] = []
    for stop_after in [*stops, None]:
        pool = scripted_pool(num_slots, script, stop_after)
        pool.end = mixed
        was_interrupted = run_sweep(broken, definition, pool)
        ran += pool.ran
        if not was_interrupted:
            break
    assert sorted(trial.number for trial in ran) == list(range(NUM_POINTS * repeats)), "each once"
    assert broken.log.read_bytes() == unbroken.log.read_bytes()
    with Study(broken) as study, Study(unbroken) as other:
        assert certify(study) == certify(other)
        assert study.counts()["waiting"] == 0


def combine_by_hand(
    ended: Sequence[int], repeats: int, states: Sequence[str], drawn: Sequence[float]
) -> tuple[dict[int, float], dict[str, int]]:
    """The means of the points that have finished, and how many have come to which end."""
    means: dict[int, float] = {}
    counts = {"finished": 0, "failed": 0, "pruned": 0, "partly_failed": 0}
    for point in ended:
        numbers = range(point * repeats, (point + 1) * repeats)
        found = {states[number] for number in numbers}
        state = "pruned" if "pruned" in found else "finished" if "finished" in found else "failed"
        counts[state] += 1
        counts["partly_failed"] += "failed" in found and state != "failed"
        if state == "finished":
            means[point] = mean([drawn[number] for number in numbers if states[number] == "finished"], None)
    return means, counts


@given(
    data=st.data(),
    mode=st.sampled_from(["max", "min"]),
    repeats=st.integers(2, 4),
    script=positions,
    stop_after=st.none() | st.integers(0, 24),
)
@settings(max_examples=30, deadline=None)
def test_the_best_the_log_and_the_certificate_are_those_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    mode: str,
    repeats: int,
    script: list[int],
    stop_after: int | None,
) -> None:
    size = NUM_POINTS * repeats
    states = data.draw(st.lists(outcomes, min_size=size, max_size=size))
    drawn = data.draw(st.lists(scores, min_size=size, max_size=size))

    def end(trial: Trial) -> Outcome:
        if states[trial.number] == "finished":
            return Finished(Result(valid={"score": drawn[trial.number]}))
        return Failed("no") if states[trial.number] == "failed" else Pruned(1)

    place = fresh_place(tmp_path_factory.mktemp("sweeps"))
    pool = scripted_pool(3, script, stop_after)
    pool.end = end
    run_sweep(place, define(SPACE, mode=mode, repeats=repeats), pool)
    ran = {trial.number: trial.params for trial in pool.ran}
    ended = [point for point in range(NUM_POINTS) if all(point * repeats + repeat in ran for repeat in range(repeats))]
    means, counts = combine_by_hand(ended, repeats, states, drawn)
    sign = 1 if mode == "max" else -1
    ranked = sorted(
        (point for point in means if not math.isnan(means[point])), key=lambda point: (-sign * means[point], point)
    )
    with Study(place) as study:
        best, certificate = study.best(), certify(study)
        assert (best.trial.number if best else None) == (ranked[0] * repeats if ranked else None)
        nans = [point for point in means if math.isnan(means[point])]
        assert [whole.trial.number // repeats for whole in study.top(size)] == ranked + nans
        assert {name: getattr(certificate, name) for name in counts} == counts
        assert certificate.not_run == NUM_POINTS - certificate.ended
    blocks = [format_block(ran[point * repeats], Result(valid={"score": means[point]})) for point in sorted(means)]
    assert place.log.read_text() == "".join(blocks)


COUNT = 9


def learnable(trial: Trial) -> Outcome:
    """Some fail at first, some for good, some are pruned."""
    if trial.number % 9 == 4 and trial.attempt == 1:
        return Failed("at first")
    if trial.number % 9 == 6:
        return Failed("ever")
    if trial.number % 23 == 8:
        return Pruned(1)
    return Finished(Result(valid={"loss": abs(float(str(trial.params["x"])) - 2) + trial.seed % 3}))


def search(place: Place, definition: Definition, num_slots: int, order: Sequence[int], stop: int | None = None) -> bool:
    def choose(running: Sequence[Trial]) -> int:
        return min(range(len(running)), key=lambda position: order.index(running[position].number))

    pool = ScriptedPool(num_slots, end=learnable, choose=choose, stop_after=stop)
    return run_sweep(place, definition, pool, retries=1, budget=Budget(max_trials=COUNT))


@pytest.mark.parametrize("algo", ["random", "tpe", pytest.param("optuna:tpe", marks=needs_optuna)])
@given(
    num_slots=st.integers(1, 4),
    order=st.permutations(range(COUNT * 3)),
    stops=st.lists(st.integers(0, 12), min_size=1, max_size=3),
)
@settings(max_examples=3, deadline=None)
def test_an_interrupted_search_tries_the_points_of_the_unbroken_one(
    tmp_path_factory: pytest.TempPathFactory, algo: str, num_slots: int, order: list[int], stops: list[int]
) -> None:
    directory = tmp_path_factory.mktemp("searches")
    definition = define("x uniform -5,5\n", algo=algo, seed=3, repeats=3)
    unbroken, broken = fresh_place(directory), fresh_place(directory)
    assert not search(unbroken, definition, num_slots, order)
    for stop in stops:
        search(broken, definition, num_slots, order, stop)
    assert not search(broken, definition, num_slots, order)
    with Study(broken) as study, Study(unbroken) as other:
        assert [each.trial for each in study.trials()] == [each.trial for each in other.trials()]
        assert study.num_begun() == COUNT
    assert broken.log.read_bytes() == unbroken.log.read_bytes()


def test_a_search_learns_from_the_mean_once_a_combination_is_whole(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Points with repeats are those that a search without would try whose trials give the means."""
    directory = tmp_path_factory.mktemp("searches")
    budget = Budget(max_trials=30)

    def noisy(trial: Trial) -> Outcome:
        return Finished(Result(valid={"loss": abs(float(str(trial.params["x"])) - 2) + (trial.repeat - 1)}))

    def exact(trial: Trial) -> Outcome:
        x = float(str(trial.params["x"]))
        return Finished(Result(valid={"loss": mean([abs(x - 2) + noise for noise in (-1, 0, 1)], None)}))

    points = []
    for repeats, end in ((3, noisy), (1, exact)):
        place = fresh_place(directory)
        run_sweep(place, define("x uniform -5,5\n", algo="tpe", repeats=repeats), ScriptedPool(end=end), budget=budget)
        with Study(place) as study:
            points.append([trials[0].trial.params for trials in study.grouped()])
    assert points[0] == points[1]
    assert len(points[0]) == 30
