"""Kills trials of the built-in recommenders and lets them go on: at named moments, one after another, and at random.

`python -m hyper_tests.recommend.kills FOLDER NUM_EPOCHS NUM_RANDOM_KILLS`: in a process of its own, which has only
imported torch and forks one for each trial, as the server process of pool `local` does. Prints how many kills each
model has gone through, of either sort.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hyper_tests.recommend.short_trials import ShortTrial, write_data
from hypersweep.recommend import prepare, run
from hypersweep.recommend.models.catalog import CATALOG


class Countdown:
    """Kills this process when it has been called so many times."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, last_act: Callable[[], None] = lambda: None) -> None:
        self.left -= 1
        if self.left < 0:
            last_act()
            os.kill(os.getpid(), signal.SIGKILL)


def install(count: Countdown) -> None:
    """Count the moments at which a file is half written, about to be renamed, about to be removed."""
    fsync, replace, unlink = os.fsync, os.replace, os.unlink

    def counted_fsync(descriptor: int) -> None:
        count(lambda: os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2))
        fsync(descriptor)

    def counted_replace(*paths: Any) -> None:
        count()
        replace(*paths)

    def counted_unlink(*paths: Any, **options: Any) -> None:
        count()
        unlink(*paths, **options)

    os.fsync, os.replace, os.unlink = counted_fsync, counted_replace, counted_unlink  # type: ignore[assignment]


def fork(work: Callable[[], object], *, kill_after_s: float | None = None) -> bool:
    """Do the work in a child process, killed after so many seconds if it is still at it; gives whether it ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)  # there at least as a zombie
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code == 0


def run_trial(trial: ShortTrial, count: Countdown | None = None) -> None:
    """Run it, and write down what it told in `told.json`."""
    torch.set_num_threads(1)
    if count is not None:
        install(count)
    told = trial.run(lambda epoch: count() if count else None)
    text = json.dumps(
        [told.result, told.reports, told.epochs, [line for line in told.log.splitlines() if "checkpoint" in line]]
    )
    (trial.folder / "told.json").write_text(text)


def read_told(trial: ShortTrial) -> Any:
    return json.loads((trial.folder / "told.json").read_text())


def run_unbroken(trial: ShortTrial) -> tuple[Any, float]:
    """What it tells, and how many seconds it takes."""
    assert fork(partial(prepare, trial.settings))
    started = time.monotonic()
    assert fork(partial(run_trial, trial))
    return read_told(trial), time.monotonic() - started


def check_end(trial: ShortTrial, unbroken: Any) -> None:
    """It has ended as an unbroken one has: its last session told the later epochs' lines and complained of nothing."""
    result, reports, epochs, complaints = read_told(trial)
    assert [result, reports] == unbroken[:2]
    assert epochs == (unbroken[2][-len(epochs) :] if epochs else [])
    assert complaints == []
    assert trial.checkpoints == ["best.pt"]


def kill_at_each_moment(make: Callable[[], ShortTrial], unbroken: Any) -> int:
    """Gives the number of moments, all of which it has gone through."""
    moment = 0
    while True:
        trial, count = make(), Countdown(moment)
        if fork(partial(run_trial, trial, count)):
            return moment
        assert fork(partial(run_trial, trial))
        check_end(trial, unbroken)
        moment += 1


def kill_at_random(make: Callable[[], ShortTrial], unbroken: Any, longest_s: float, at_least: int) -> int:
    """Gives the number of kills; a trial may be killed several times."""
    generator = random.Random(2020)
    num_kills = 0
    while num_kills < at_least:
        trial = make()
        while not fork(partial(run_trial, trial), kill_after_s=generator.random() * longest_s):
            num_kills += 1
            longest_s *= 1.05  # so that it comes to an end
        check_end(trial, unbroken)
    return num_kills


def main(folder: Path, num_epochs: int, num_random_kills: int) -> None:
    for name in run.preload:  # type: ignore[attr-defined]
        importlib.import_module(name)
    data = write_data(folder / "short.csv")
    for model in CATALOG:
        numbers = itertools.count()

        def make(model: str = model, numbers: Iterator[int] = numbers) -> ShortTrial:
            return ShortTrial(folder / f"{model}-{next(numbers)}", data, model=model, epochs=num_epochs)

        unbroken, seconds = run_unbroken(make())
        num_moments = kill_at_each_moment(make, unbroken)
        print(model, num_moments, kill_at_random(make, unbroken, seconds, num_random_kills), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
