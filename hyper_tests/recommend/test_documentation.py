"""`docs/models.md` says of every setting what the catalog does, and its code runs.

`python -m hyper_tests.recommend.test_documentation` renews the tables of the page.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from hyper_tests.processes import ROOT
from hyper_tests.recommend.short_trials import ShortTrial, write_data
from hypersweep.recommend import batch_free
from hypersweep.recommend.models.catalog import CATALOG
from hypersweep.recommend.options import EVALUATION_OPTIONS, MODEL_OPTIONS, TRAINING_OPTIONS, Option

PATH = ROOT / "docs" / "models.md"
PAGE = PATH.read_text(encoding="utf-8")
OPTIONS = {
    **{entry.name: entry.options for entry in CATALOG.values()},
    "Settings of every model": MODEL_OPTIONS,
    "Training": TRAINING_OPTIONS,
    "Evaluation": EVALUATION_OPTIONS,
}


def test_what_trials_that_are_trained_together_may_differ_in() -> None:
    section = PAGE.partition("## Several trials as one")[2].partition("in all else")[0]
    free = batch_free({"model": ["LightSANs", "BERT4Rec", "SASRec"]})
    assert set(re.findall(r"`(\w+)`", section)) == set(free or ())


def table(options: Iterable[Option]) -> str:
    """What belongs into the page."""
    rows = (
        f"| `{option.name}` | `{json.dumps(option.default)}` | {option.kind.expected} | {option.help} |"
        for option in options
        if option.has_effect
    )
    return "\n".join(["| setting | default | values | meaning |", "|---|---|---|---|", *rows])


def renewed(page: str, title: str) -> str:
    """The page with the table of a section as it should be."""
    before, heading, rest = page.partition(f"\n## {title}\n")
    assert heading, f"{PATH} has no section {title}"
    return before + heading + re.sub(r"(^\|.*\n)+", table(OPTIONS[title]) + "\n", rest, count=1, flags=re.MULTILINE)


@pytest.mark.parametrize("title", OPTIONS)
def test_the_page_lists_every_setting_as_the_catalog_declares_it(title: str) -> None:
    assert renewed(PAGE, title) == PAGE


def test_the_page_shows_how_to_use_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = ShortTrial(tmp_path / "trial", write_data(tmp_path / "short.csv"), model="SASRec")
    trial.run()
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (named,) = re.findall(r'"(.*/)best\.pt"', code)
    shutil.copytree(trial.folder / "checkpoint", tmp_path / named)
    (tmp_path / "use.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    runpy.run_path("use.py")
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_the_page_lists_what_a_checkpoint_holds(tmp_path: Path) -> None:
    trial = ShortTrial(tmp_path / "trial", write_data(tmp_path / "short.csv"), model="SASRec")
    trial.run()
    listed = re.findall(r"^\| (`.*?) \|", PAGE.partition("\n## Checkpoints\n")[2], re.MULTILINE)
    keys = [key for cell in listed for key in re.findall(r"`(\w+)`", cell)]
    assert set(keys) == set(torch.load(trial.folder / "checkpoint" / "best.pt", weights_only=True))


if __name__ == "__main__":
    for title in OPTIONS:
        PAGE = renewed(PAGE, title)
    PATH.write_text(PAGE, encoding="utf-8")
