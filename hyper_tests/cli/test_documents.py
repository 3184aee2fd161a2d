"""A space in YAML from the command line: conditions, rules, and what the page about spaces shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hyper_tests.processes import ROOT
from hypersweep.resultlog import read_log
from hypersweep.space import DISTRIBUTIONS
from hypersweep.spacefile import parse_space

PAGE = (ROOT / "docs" / "space.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE + (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
ROWS = re.findall(r"^\|[^|]*\|(?: `(.*?)`)? \| `(.*?)` \|[^|]*\| (yes )?\|$", PAGE, re.MULTILINE)

SPACE = """\
parameters:
  kind: [a, b]
  depth: {int: [1, 3], only_if: kind == 'b'}
  width: {int: [10, 30], step: 10}
forbidden:
  - depth == 2 and width == 20
"""
RUNNER = "def objective(params):\n    return params['width'] + params.get('depth', 0)\n"
COMMAND = "echo {depth}{width}"


@pytest.fixture
def document(folder: Path) -> Path:
    (folder / "space.yaml").write_text(SPACE)
    (folder / "wide.py").write_text(RUNNER)
    return folder / "space.yaml"


def test_a_space_in_yaml_is_run(document: Path, call: Call) -> None:
    answer = call("run", "--space", "space.yaml", "--runner", "wide.py:objective")
    assert answer.code == 0
    assert answer.out.splitlines()[1] == "best params:  {'depth': 3, 'kind': 'b', 'width': 30}"
    logged = [block.params for block in read_log("space.result")]
    assert logged[:3] == [{"kind": "a", "width": 10}, {"kind": "a", "width": 20}, {"kind": "a", "width": 30}]
    assert logged[3] == {"kind": "b", "depth": 1, "width": 10}
    assert len(logged) == 11
    assert call("best", "space.yaml").out == "".join(answer.out.splitlines(keepends=True)[1:])
    status = json.loads(call("status", "space.yaml", "--json").out)
    assert (status["grid_size"], status["counts"]["waiting"]) == (11, 0)
    rows = call("trials", "--csv", "space.yaml").out.splitlines()
    assert rows[0].startswith("number,state,kind,depth,width,score,")
    assert rows[1].startswith("0,finished,a,,10,10,")


def test_a_resume_and_a_log_know_the_points_again(document: Path, call: Call) -> None:
    words = ("run", "--space", "space.yaml", "--runner", "wide.py:objective", "--order", "shuffled")
    assert call(*words).code == 0
    first = Path("space.result").read_bytes()
    assert call("resume", "space.yaml").code == 0
    Path("space.result").rename("old.result")
    assert call(*words, "--restart", "--from-result", "old.result").code == 0
    assert Path("space.result").read_bytes() == first


def test_blocks_that_are_no_point_are_told(document: Path, call: Call) -> None:
    Path("old.result").write_text(
        "".join(
            f"{params}\nValid result:\nscore : 1\n\n"
            for params in (
                "depth:1, kind:a, width:10",
                "kind:b, width:10",
                "depth:2, kind:b, width:20",
                "kind:a, width:15",
            )
        )
    )
    answer = call("run", "--space", "space.yaml", "--runner", "wide.py:objective", "--from-result", "old.result")
    assert answer.code == 2
    assert [line.partition("; expected")[0] for line in answer.err.splitlines()] == [
        "old.result:1: 'depth' is there only if kind == 'b', got '1'",
        "old.result:5: 'depth' is missing",
        "old.result:9: forbidden: depth == 2 and width == 20 does not allow the point",
        "old.result:13: 'width' has no value '15' in the space",
    ]


def test_a_changed_rule_is_refused_with_the_difference(document: Path, call: Call) -> None:
    assert call("run", "--space", "space.yaml", "--runner", "wide.py:objective").code == 0
    document.write_text(SPACE.replace("width == 20", "width == 30").replace("[1, 3]", "[1, 4]"))
    answer = call("resume", "space.yaml")
    assert answer.code == 2
    assert answer.err.splitlines()[1:4] == [
        "  forbidden: depth == 2 and width == 20 is not in the space any more",
        "  forbidden: depth == 2 and width == 30 is new in the space",
        "  parameter depth: depth {int: [1, 3], only_if: \"kind == 'b'\"} in the sweep, "
        "depth {int: [1, 4], only_if: \"kind == 'b'\"} now",
    ]


def test_what_would_run(document: Path, call: Call) -> None:
    assert call("plan", "--space", "space.yaml").out.splitlines()[:7] == [
        "kind: choice a, b",
        "depth: int 1 to 3, only if kind == 'b'",
        "width: int 10 to 30 by 10",
        "combinations: 11",
        "forbidden: 1 of 12",
        "  forbidden: depth == 2 and width == 20: 1",
        "first: kind:a, width:10",
    ]
    plan = json.loads(call("plan", "--space", "space.yaml", "--json").out)
    assert plan["parameters"]["depth"] == {"kind": "int", "bounds": [1, 3], "step": 1, "only_if": "kind == 'b'"}
    assert plan["forbidden"] == {
        "points": 1,
        "is_exact": True,
        "rules": [{"rule": "forbidden: depth == 2 and width == 20", "points": 1, "is_exact": True}],
    }


def test_what_is_too_large_to_be_counted_is_estimated(folder: Path, call: Call) -> None:
    names = "abcdef"
    parameters = "".join(f"  {name}: {{int: [1, 1000]}}\n" for name in names)
    (folder / "space.yaml").write_text(f"parameters:\n{parameters}constraints: [{' + '.join(names)} > 3000]\n")
    lines = call("plan", "--space", "space.yaml").out.splitlines()
    assert lines[6] == f"combinations: at most {10**18}"
    match = re.fullmatch(r"forbidden: about (\d+) \(estimated\)", lines[7])
    assert match and 0.4 < int(match[1]) / 10**18 < 0.6


def test_a_sweep_over_what_is_not_counted_ends(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypersweep.space.counting.MAX_COST", 3)
    (folder / "space.yaml").write_text(SPACE)
    (folder / "wide.py").write_text(RUNNER)
    assert call("run", "--space", "space.yaml", "--runner", "wide.py:objective").code == 0
    assert len(read_log("space.result")) == 11
    answer = call("resume", "space.yaml")
    assert answer.code == 0
    assert len(read_log("space.result")) == 11


def test_a_command_needs_a_value_for_what_is_not_there(document: Path, call: Call) -> None:
    answer = call("run", "--space", "space.yaml", "--command", COMMAND)
    assert (answer.code, answer.err) == (
        2,
        "space.yaml:3: 'depth' is there only if kind == 'b', got {depth} in the command; expected a value for when it "
        "is not. Set one: --set depth=…\n",
    )
    assert call("run", "--space", "space.yaml", "--command", COMMAND, "--set", "depth=7").code == 0
    assert [block.result.valid["score"] for block in read_log("space.result")][:5] == [710, 720, 730, 110, 120]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_are_spaces(folder: Path, call: Call, text: str) -> None:
    (folder / "space.yaml").write_text(text)
    answer = call("plan", "--space", "space.yaml")
    assert answer.code == 0
    shown = re.search(r"```\n(combinations: .*?)```", PAGE, re.DOTALL)
    assert shown
    assert shown[1] in answer.out or "learning_rate" not in text


@pytest.mark.parametrize(("line", "entry", "is_grid"), ROWS)
def test_both_formats_say_the_same(line: str, entry: str, is_grid: str) -> None:
    space = parse_space(f"parameters:\n  {entry}\n")
    assert (space.grid_size is not None) == bool(is_grid)
    if line:
        assert parse_space(line) == space


def test_the_page_names_every_kind() -> None:
    assert len(ROWS) == 9
    assert [kind for kind in DISTRIBUTIONS if f"`{kind}`" not in PAGE and f"{kind}:" not in PAGE] == []
