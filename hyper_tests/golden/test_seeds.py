"""The published sweeps: their space, every block of their log, their best and their settings, as published."""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hypersweep.resultlog import LoggedTrial, format_best, format_block, format_meter, parse_log
from hypersweep.selection import Objective, best_of, choose_log_metric
from hypersweep.settings import load_settings
from hypersweep.space import Space
from hypersweep.spacefile import format_space, parse_space
from hypersweep.trial import Result

SEEDS = Path(__file__).parent / "seeds"


@dataclass(frozen=True)
class Seed:
    """A published sweep; `elapsed_s` is what its meter says."""

    name: str
    model: str
    elapsed_s: float
    has_trailing_blank: bool  # of the meter line, as somebody pasted it

    def part(self, title: str) -> str:
        text = (SEEDS / f"{self.name}.md").read_text(encoding="utf-8")
        match = re.search(rf"\*\*{re.escape(title)}\*\*.*?\n  ```yaml\n(.*?)\n  ```", text, re.DOTALL)
        assert match
        return textwrap.dedent(match[1])

    @property
    def space(self) -> Space:
        return parse_space(self.part("Hyper-parameter searching"))

    @property
    def log(self) -> list[LoggedTrial]:
        return parse_log(self.part("Hyper-parameter logging").split("\n"), self.name)

    def best(self) -> tuple[LoggedTrial, Result]:
        metric = choose_log_metric(trial.result for trial in self.log)
        best = best_of((trial, Objective(metric).judge(trial.result)) for trial in self.log)
        assert best
        return best[0], replace(best[1], model=self.model)


LIGHTSANS = Seed("lightsans_ml-1m", "LightSANs", 8328.24 * 12, True)
BERT4REC = Seed("bert4rec_amazon-books", "BERT4Rec", 24425.43 * 5, False)
both = pytest.mark.parametrize("seed", [LIGHTSANS, BERT4REC], ids=lambda seed: seed.model)


@both
def test_every_combination_is_in_the_log_once(seed: Seed) -> None:
    indices = [seed.space.index(trial.texts) for trial in seed.log]
    assert sorted(indices) == list(range(seed.space.grid_size or 0))
    assert [seed.space.at(index) for index in indices] == [trial.params for trial in seed.log]


@both
def test_every_block_is_written_as_published(seed: Seed) -> None:
    written = [format_block(trial.texts, trial.result) for trial in seed.log]
    assert "".join(written) == seed.part("Hyper-parameter logging") + "\n\n"
    assert [format_block(trial.params, trial.result) for trial in seed.log] == written


@both
def test_the_closing_block_is_written_as_published(seed: Seed) -> None:
    trial, judged = seed.best()
    num_trials = len(seed.log)
    meter = format_meter(num_trials, num_trials, seed.elapsed_s, judged) + " " * seed.has_trailing_blank
    assert f"{meter}\n{format_best(trial.params, judged)}" == seed.part("Logging Result")


def test_of_two_equal_trials_the_earlier_is_the_best() -> None:
    trial, judged = LIGHTSANS.best()
    assert trial.texts == {"k_interests": "3", "learning_rate": "0.001"}
    equals = [other for other in LIGHTSANS.log if other.result.valid["ndcg@10"] == judged.score]
    assert [other.line for other in equals] == [37, 67]
    assert judged.score is not None and math.isclose(judged.score, 0.1363)


@both
def test_the_space_is_written_as_published(seed: Seed) -> None:
    assert format_space(seed.space) == seed.part("Hyper-parameter searching") + "\n"


@pytest.mark.parametrize("name", ["ml-1m_seq.yaml", "amazon-books_seq.yaml"])
def test_the_settings_are_read(name: str) -> None:
    loaded = load_settings([SEEDS / name], [])
    assert loaded.values["field_separator"] == "\t"
    assert loaded.values["val_interval"]["rating"] == "[3,inf)"
    assert loaded.values["eval_args"] == {"split": {"LS": "valid_and_test"}, "mode": "full", "order": "TO"}
    assert loaded.values["train_neg_sample_args"] is None
    assert loaded.where["field_separator"] == f"{SEEDS / name}:2"
