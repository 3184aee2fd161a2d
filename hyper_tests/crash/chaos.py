"""Sweeps that are killed at random moments, resumed to their end, and compared with an unbroken one.

`python -m hyper_tests.crash.chaos --rounds 1000 --seed 1`: exit code 1 if a trial was lost, ran once more than the
kills explain, or a process was left running. The seed decides what is killed after how many trials; all else is timing.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hyper_tests.crash.plan import KINDS, Plan, draw_plan
from hyper_tests.crash.round import PROBLEMS, Round, Tally

NUM_TRIALS = 200


def run_rounds(
    folder: Path, *, seed: int, numbers: Sequence[int], num_trials: int = NUM_TRIALS, kinds: Sequence[str] = KINDS
) -> Tally:
    """Run the rounds of these numbers in folders of theirs, of which those with problems are kept."""
    unbroken = Round(folder / "unbroken", Plan(workers=2, kills=(), seed=""), num_trials)
    total = Tally()
    unbroken_tally = unbroken.run()
    assert not unbroken_tally.problems, unbroken_tally.problems
    for number in numbers:
        plan = draw_plan(seed, number, num_trials=num_trials, kinds=kinds)
        broken = Round(folder / str(number), plan, num_trials)
        tally = broken.run()
        broken.compare(unbroken)
        total.add(tally)
        print(f"round {number}: {describe(tally)}", *tally.problems, sep="\n  ", flush=True)
        if tally.problems:
            print(f"  kept: {broken.folder}; again: --seed {seed} --first {number} --rounds 1", flush=True)
        else:
            shutil.rmtree(broken.folder)
    shutil.rmtree(unbroken.folder)
    return total


def describe(tally: Tally) -> str:
    """`2 kills (1 controller, 1 server), 2 sessions, 200 trials, 203 executions, …`"""
    counts = tally.counts
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    return (
        f"{sum(counts[kind] for kind in KINDS)} kills ({kinds}), {counts['sessions']} sessions, "
        f"{counts['trials']} trials, {counts['executions']} executions, {counts['again']} of them again "
        f"(at most {counts['allowed']} allowed); {', '.join(f'{counts[problem]} {problem}' for problem in PROBLEMS)}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hyper_tests.crash.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--first", type=int, default=0, help="the number of the first round")
    parser.add_argument("--trials", type=int, default=NUM_TRIALS)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="what is killed")
    parser.add_argument("--folder", type=Path, help="where the sweeps lie; a temporary one if not given")
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {options.seed}, in {folder}", flush=True)
    numbers = range(options.first, options.first + options.rounds)
    total = run_rounds(folder, seed=options.seed, numbers=numbers, num_trials=options.trials, kinds=options.kinds)
    print(f"{options.rounds} rounds: {describe(total)}")
    if not total.problems and options.folder is None:
        folder.rmdir()
    return 1 if total.problems else 0


if __name__ == "__main__":
    sys.exit(main())
