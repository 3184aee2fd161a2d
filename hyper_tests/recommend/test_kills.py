from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hyper_tests.processes import environment
from hypersweep.recommend.models.catalog import CATALOG


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("num_epochs", "num_random_kills"), [(2, 2), pytest.param(4, 30, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_trials_killed_at_every_moment_of_their_checkpoints_and_at_random_ones_go_on(
    tmp_path: Path, num_epochs: int, num_random_kills: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hyper_tests.recommend.kills", str(tmp_path), str(num_epochs), str(num_random_kills)],
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    kills = {
        model: (int(named), int(at_random)) for model, named, at_random in map(str.split, done.stdout.splitlines())
    }
    assert list(kills) == list(CATALOG)
    assert all(named > 5 * num_epochs and at_random >= num_random_kills for named, at_random in kills.values())
