"""Recorded curves replayed through a rule that stops trials early: hypersweep's, or a peer's in its own environment.

Needs nothing but the standard library, so that peers import it as well.
"""

from __future__ import annotations

import heapq
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.curves import read_curves

WORKERS = (1, 4, 16)
NUM_ORDERS = 200


class Stopper(Protocol):
    """One sweep's decisions; bigger scores are better, steps count from 1."""

    def report(self, number: int, step: int, score: float) -> bool:
        """Whether the trial is to stop."""
        ...

    def finish(self, number: int) -> None:
        """The trial has reported its last step, and was not stopped."""
        ...


@dataclass(frozen=True)
class Spent:
    """What rules are judged by, as means over the orders of the trials."""

    epochs: float  # of those of all trials
    loss: float  # how much worse the best of the trials that finished is than the best of all
    within_noise: float  # how often the loss was at most the standard deviation between seeds

    def __str__(self) -> str:
        return f"{100 * self.epochs:.1f} % / {self.loss:.4f} / {100 * self.within_noise:.0f} %"


def measure(make_stopper: Callable[[random.Random], Stopper]) -> list[Spent]:
    """For each number of workers; the orders and the speeds of the trials are the same for every rule."""
    grid, seeds = ([curve.scores for curve in curves] for curves in read_curves())
    noise = statistics.stdev(max(scores) for scores in seeds)
    best, all_epochs = max(map(max, grid)), sum(map(len, grid))
    measured = []
    for num_workers in WORKERS:
        runs = [replay(grid, num_workers, random.Random(seed), make_stopper) for seed in range(NUM_ORDERS)]
        losses = [best - score for _, score in runs]
        epochs = statistics.fmean(num_epochs for num_epochs, _ in runs) / all_epochs
        within = statistics.fmean(loss <= noise for loss in losses)
        measured.append(Spent(epochs, statistics.fmean(losses), within))
    return measured


def replay(
    curves: Sequence[Sequence[float]],
    num_workers: int,
    rng: random.Random,
    make_stopper: Callable[[random.Random], Stopper],
) -> tuple[int, float]:
    """The epochs spent, and the best score of a trial that finished. Trials come in a random order, by which they are
    numbered, and each takes its own time for an epoch: some three times that of others."""
    shuffled = rng.sample(curves, len(curves))
    epoch_s = [rng.uniform(0.5, 1.5) for _ in shuffled]
    stopper = make_stopper(rng)
    running: list[tuple[float, int, int]] = []  # when it reports, which trial, which step
    num_started, num_epochs, best, now = 0, 0, float("-inf"), 0.0
    while running or num_started < len(shuffled):
        while len(running) < num_workers and num_started < len(shuffled):
            heapq.heappush(running, (now + epoch_s[num_started], num_started, 1))
            num_started += 1
        now, number, step = heapq.heappop(running)
        num_epochs += 1
        scores = shuffled[number]
        is_stopped = stopper.report(number, step, scores[step - 1])
        if step == len(scores):
            stopper.finish(number)
            best = max(best, *scores)
        elif not is_stopped:
            heapq.heappush(running, (now + epoch_s[number], number, step + 1))
    return num_epochs, best
