"""A resume after `kill -9` when nothing was left but what ran."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from hyper_tests.inline_sweeps import SIZE, SPACE
from hypersweep.launch import resume, sweep
from hypersweep.place import Place
from hypersweep.store import Store

RUNNER = "def score(params): return float(params['a'])\n"


@pytest.mark.parametrize("num_left", [1, 3, SIZE])
def test_the_last_trials_of_a_killed_controller_run_again(tmp_path: Path, num_left: int) -> None:
    (tmp_path / "hyper.test").write_text(SPACE)
    (tmp_path / "score.py").write_text(RUNNER)
    sweep(tmp_path / "hyper.test", runner=f"{tmp_path}/score.py:score", pool="inline").close()
    expected = (tmp_path / "hyper.result").read_bytes()
    store = Store(Place.of(tmp_path, "hyper").store)
    with contextlib.closing(store), store.transaction():
        store.connection.execute(
            "UPDATE trials SET state = 'running', result = NULL, score = NULL, ended_at = NULL WHERE number >= ?",
            (SIZE - num_left,),
        )
    with resume(tmp_path) as study:
        assert study.counts() == {"waiting": 0, "running": 0, "finished": SIZE, "failed": 0, "pruned": 0}
    assert (tmp_path / "hyper.result").read_bytes() == expected
