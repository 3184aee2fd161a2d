"""Real sweeps of the built-in recommenders come out the same, however many workers and whatever was killed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hyper_tests.processes import hypersweep, start_hypersweep, wait_until
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.study import Study

OPTIONS = ("--threads", "1", "--keep", "all")
SETTINGS = """\
dataset: sample
user_inter_num_interval: '[70,inf)'
MAX_ITEM_LIST_LENGTH: 5
train_batch_size: 256
hidden_size: 8
embedding_size: 8
learning_rate: 0.01
epochs: 4
"""


def make_sweep(folder: Path) -> Path:
    folder.mkdir()
    (folder / "hyper.test").write_text(f"model choice {list(CATALOG)}\n")
    (folder / "hyper.yaml").write_text(SETTINGS)
    return folder


def epochs_of(folder: Path, number: int) -> list[str]:
    """A trial's lines of its epochs, without the seconds; an epoch that was done again stands there once."""
    text = (folder / "hyper.sweep" / "trials" / "00" / f"{number:04d}" / "log.txt").read_text()
    lines = [re.sub(r", [0-9.]+ s\b", "", line) for line in text.splitlines() if re.match("epoch|best epoch", line)]
    return list(dict.fromkeys(lines))


def kill_within_a_trial(folder: Path) -> None:
    """A sweep with two workers, killed when a trial has written its first checkpoints."""
    with start_hypersweep("run", *OPTIONS, "--workers", "2", cwd=folder) as process:
        wait_until(lambda: [*folder.glob("hyper.sweep/trials/00/*/checkpoint/epoch-*.pt")], "a checkpoint")
        process.kill()
        process.communicate()


@pytest.mark.timeout(300)
def test_the_results_are_those_of_an_unbroken_sweep_with_another_number_of_workers(tmp_path: Path) -> None:
    unbroken, broken = make_sweep(tmp_path / "unbroken"), make_sweep(tmp_path / "broken")
    done = hypersweep("run", *OPTIONS, "--pool", "inline", cwd=unbroken)
    assert done.returncode == 0, done.stderr
    kill_within_a_trial(broken)
    done = hypersweep("resume", "--workers", "1", cwd=broken)
    assert done.returncode == 0, done.stderr
    assert (broken / "hyper.result").read_bytes() == (unbroken / "hyper.result").read_bytes()
    logs = list(broken.glob("hyper.sweep/trials/00/*/log.txt"))
    assert [log for log in logs if "goes on after epoch" in log.read_text()]
    for number in range(len(CATALOG)):
        assert epochs_of(broken, number) == epochs_of(unbroken, number)
    with Study(broken) as study, Study(unbroken) as other:
        for number in range(len(CATALOG)):
            assert study.last_report(number) == other.last_report(number)
    assert {path.name for path in broken.glob("hyper.sweep/trials/00/*/checkpoint/*")} == {"best.pt"}
