from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyper_tests.cli.conftest import Call
from hypersweep.recommend.models.catalog import CATALOG

RUNNERS = """
from hypersweep import Key

def train(params, trial):
    return 0.5

train.keys = ["depth", Key("width", 64, "units a layer", expected="a number > 0"), Key("file", "x.csv", is_data=True)]
"""


@pytest.fixture
def runners(folder: Path) -> None:
    (folder / "runners.py").write_text(RUNNERS)


@pytest.mark.parametrize("model", CATALOG)
def test_the_settings_of_a_model(call: Call, model: str) -> None:
    answer = call("settings", "--model", model)
    assert (answer.code, answer.err) == (0, "")
    words = " ".join(answer.out.split())
    for option in CATALOG[model].options:
        if option.has_effect:
            assert f"{option.name}: {json.dumps(option.default)} {option.help}; {option.kind.expected}" in words
    assert ("k_interests" in words) == (model == "LightSANs")
    assert words.index(" epochs: ") < words.index(" since the data depends on them: ") < words.index(" data_path: ")
    assert words.index(" data_path: ") < words.index(" Accepted without effect: ") < words.index("show_progress")
    assert max(map(len, answer.out.splitlines())) <= 80


@pytest.mark.usefixtures("runners")
def test_the_settings_that_a_function_declares(call: Call) -> None:
    answer = call("settings", "--runner", "runners.py:train")
    assert answer.out == (
        "For settings and spaces:\n"
        "  depth: null\n"
        "  width: 64    units a layer; a number > 0\n"
        "\n"
        "For settings only, since the data depends on them:\n"
        '  file: "x.csv"\n'
    )


@pytest.mark.usefixtures("runners")
def test_the_settings_as_json(call: Call) -> None:
    found = json.loads(call("settings", "--runner", "runners.py:train", "--json").out)
    assert [key["name"] for key in found] == ["depth", "width", "file"]
    assert found[1] == {
        "name": "width",
        "default": 64,
        "help": "units a layer",
        "is_data": False,
        "has_effect": True,
        "expected": "a number > 0",
    }


@pytest.mark.usefixtures("folder")
def test_a_runner_that_declares_none(call: Call) -> None:
    assert call("settings", "--runner", "train.py:product").out == "train.py:product: any settings are accepted\n"
    assert call("settings", "--runner", "train.py:product", "--json").out == "null\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "LightSAN"], "'model' is unknown, got 'LightSAN'; expected LightSANs or"),
        (["--runner", "nothing"], "'nothing' is no runner; expected"),
    ],
)
def test_what_is_unknown(call: Call, options: list[str], message: str) -> None:
    answer = call("settings", *options)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
