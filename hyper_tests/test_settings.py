"""The fixed settings: what is read, which source wins, what is refused and how that is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import SettingsError, SpaceError
from hypersweep.settings import Key, LoadedSettings, check_keys, check_space_names, load_settings


def load(tmp_path: Path, text: str | bytes) -> LoadedSettings:
    path = tmp_path / "hyper.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings([path], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("-1E5", -100000.0),
        ("1.e-3", 0.001),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        (".5e3", 500.0),
        ("'1e-3'", "1e-3"),
        ("[1e-3, {a: 2e-3}]", [0.001, {"a": 0.002}]),
        ("1e-3x", "1e-3x"),
        ("true", True),
        ("~", None),
        ("", None),
        ("abc", "abc"),
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01 10:00:00", "2020-01-01 10:00:00"),
        ("=", "="),
        ('"[3,inf)"', "[3,inf)"),
        ('"\\t"', "\t"),
        ("{'LS': 'valid_and_test'}", {"LS": "valid_and_test"}),
        ("é", "é"),
    ],
)
def test_values(tmp_path: Path, text: str, value: Any) -> None:
    assert repr(load(tmp_path, f"k: {text}\n").values) == repr({"k": value})
    assert repr(load_settings([], [f"k={text}"]).values) == repr({"k": value})


@pytest.mark.parametrize("text", ["[5,inf)", "a: b: c", "%x", "@x", "[1, 2", "'a", "a\n---\nb", "\x07"])
def test_what_is_no_yaml_is_a_string_in_an_assignment(text: str) -> None:
    assert load_settings([], [f"k={text}"]).values == {"k": text}


def test_an_assignment_is_cut_at_its_first_equals_sign() -> None:
    loaded = load_settings([], ["k=a=b"])
    assert loaded == LoadedSettings({"k": "a=b"}, {"k": "--set k=a=b"})


def test_the_later_wins(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: 1\nb: 1\nc: 1\n")
    (tmp_path / "two.yaml").write_text("# settings\nb: 2\nc: 2\n")
    paths = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    loaded = load_settings(paths, ["c=3", "d=3", "d=4"])
    assert loaded.values == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert loaded.where == {"a": f"{paths[0]}:1", "b": f"{paths[1]}:2", "c": "--set c=3", "d": "--set d=4"}
    assert load_settings(list(reversed(paths)), []).values == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}"])
def test_a_file_may_set_nothing(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == LoadedSettings({}, {})


def test_aliases_and_merges(tmp_path: Path) -> None:
    loaded = load(tmp_path, "\ufeffbase: &b {x: 1, y: 1}\nmore: &m {x: 2, z: 2}\nk: {<<: [*b, *m], y: 3}\n<<: *m\n")
    assert loaded.values["k"] == {"x": 1, "y": 3, "z": 2}
    assert loaded.values["z"] == 2
    assert loaded.where["k"].endswith(":3")


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

FILE_ERRORS = [
    ("a: 1\na: 2\n", r":2: a key stands there twice, got 'a'; expected each key once\. Remove one$"),
    ("k:\n  a: 1\n  a: 2\n", r":3: a key stands there twice"),
    ("a: 1\n2: 1\n", r":2: a key that is no text, got '2'; expected text\. Quote it$"),
    ("k: {on: 1}\n", r":1: a key that is no text, got 'on'"),
    ("k: {[1]: 1}\n", r":1: a key that is no text, got 'seq'"),
    ("- 1\n- 2\n", r":1: no settings, got \[1, 2\]; expected key: value\. Write one setting a line$"),
    ("\nabc\n", r":2: no settings, got 'abc'"),
    ("a: 1\nb: [1\n", r":2: no YAML \(.*\), got 'b: \[1'; expected key: value\. Mend the line$"),
    ("a: 1\n\tb: 1\n", r":2: no YAML \(found character '\\t' that cannot start any token\), got '\\tb: 1'"),
    ("a: 1\nb: 1: 2\n", r":2: no YAML \(mapping values are not allowed here\), got 'b: 1: 2'"),
    ("a: 1\n---\nb: 1\n", r":2: no YAML \(but found another document\), got '---'"),
    ("a: *x\n", r":1: no YAML \(found undefined alias 'x'\)"),
    ("a: 1\nb: \x07\n", r":2: no YAML \(special characters are not allowed\), got 'b: \\x07'"),
    ('a: 1\nb: "\\UFFFFFFFF"\n', r":2: no YAML \(.*\), got"),
    ("a: 1\nb: \0\n", r":2: a NUL byte; expected text\. Check that it is the right file$"),
    (b"a: 1\nb: \xff\n", r":2: no UTF-8 text, got b'\\xff'"),
    ("a: .inf\n", r":1: a number that is not finite, got '\.inf'; expected a finite number\. Mend it$"),
    ("a: .nan\n", r":1: a number that is not finite"),
    ("a: 1e999\n", r":1: a number that is not finite"),
    (
        "a: !!binary aGVsbG8=\n",
        r":1: no plain value, got !!binary; expected text, a number, true, false, null, a list or",
    ),
    ("a: !!set {x}\n", r":1: no plain value, got !!set"),
    ("a: !!timestamp 2020-01-01\n", r":1: no plain value, got !!timestamp"),
    ("a: !!python/object/apply:os.system ['true']\n", r":1: no plain value, got !!python/object/apply:os\.system"),
    ("a: !x 1\n", r":1: no plain value, got !x; expected text"),
    ("a: 1\n<<: 5\n", r":2: no mapping to merge, got 5; expected one\. Mend it$"),
    ("a: {x: 1}\nb: {<<: [1]}\n", r":2: no mapping to merge, got \[1\]"),
    ("a: !!int x\n", r":1: no value, got 'x'; expected what JSON can carry\. Mend it$"),
    ("a: !!int ''\n", r":1: no value, got ''"),
    ("a: &a !!int x\nb: *a\n", r":1: no value, got 'x'.*\n.*:1: no value, got 'x'"),
    ("a: !!bool x\n", r":1: no value, got 'x'"),
    ("a: 0x_\n", r":1: no value, got '0x_'"),
    ("a: " + "9" * 5000 + "\n", r":1: no value, got '999"),
    ("a: 0x" + "f" * 5000 + "\n", r":1: no value, got '0xfff"),
    ('a: "\\uD800"\n', r":1: no value, got '\\ud800'"),
    (
        "a: &a [*a, *a]\n",
        r":1: nested too deeply, too large, or an alias of itself; expected plain values\. Simplify it$",
    ),
    ("a: &a {<<: *a}\n", r":1: nested too deeply"),
    ("a: " + "[" * 100 + "]" * 100 + "\n", r":1: nested too deeply"),
    ("a: " + "[" * 5000 + "]" * 5000 + "\n", r":1: no YAML \(nested too deeply\), got"),
    (LAUGHS, r":\d: nested too deeply, too large"),
]


@pytest.mark.parametrize(("text", "message"), FILE_ERRORS, ids=[repr(text[:30]) for text, _ in FILE_ERRORS])
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(SettingsError, match=r"^\S*hyper\.yaml" + message):
        load(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"nowhere\.yaml: there is no such file; expected a text file\. Check the path$"
    ):
        load_settings([tmp_path / "nowhere.yaml"], [])


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("epochs", r"^--set: no assignment, got 'epochs'; expected key=value\. Write for example: --set epochs=5$"),
        ("=5", r"^--set: no assignment, got '=5'"),
        ("k={1: 2}", r"^--set k=\{1: 2\}: a key that is no text, got '1'"),
        ("k=.inf", r"^--set k=\.inf: a number that is not finite"),
        ("k=&a [*a]", r"^--set k=&a \[\*a\]: nested too deeply"),
    ],
)
def test_what_is_wrong_with_an_assignment(assignment: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings([], [assignment])


def test_all_that_is_wrong_is_told_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: .inf\na: 1\n")
    (tmp_path / "b.yaml").write_text("a: [\n")
    with pytest.raises(
        SettingsError, match=r"(?s)a\.yaml:1: .*a\.yaml:2: .*b\.yaml:1: .*--set: no assignment, got 'x'"
    ):
        load_settings([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["x"])


KEYS = [
    Key("epochs"),
    Key("learning_rate"),
    Key("k_interests"),
    Key("dataset", is_data=True),
    Key("gpu_id", has_effect=False),
]


def test_keys_that_a_runner_knows() -> None:
    loaded = load_settings([], ["gpu_id=0", "epochs=5", "dataset=sample", "seed=1", "in_space=1"])
    assert check_keys(loaded, KEYS, ["in_space"]) == ["gpu_id"]
    assert check_keys(load_settings([], ["any=1"]), None) == []


def test_keys_that_a_runner_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "hyper.yaml").write_text("epochs: 1\nepoch: 1\n")
    loaded = load_settings([tmp_path / "hyper.yaml"], ["xyz=1"])
    message = (
        r"^\S*hyper\.yaml:2: the runner knows no such setting, got 'epoch'; expected one of its settings\. Did you "
        r"mean 'epochs'\? Rename or remove it\n--set xyz=1: the runner knows no such setting, got 'xyz'; expected one "
        r"of its settings\. Rename or remove it$"
    )
    with pytest.raises(SettingsError, match=message):
        check_keys(loaded, KEYS)


def test_parameters_that_a_space_may_vary() -> None:
    check_space_names(dict.fromkeys(["learning_rate", "seed", "gpu_id"], "hyper.test:1"), KEYS)
    check_space_names({"anything": "hyper.test:1"}, None)


def test_parameters_that_a_space_may_not_vary() -> None:
    message = (
        r"^hyper\.test:1: the runner knows no such parameter, got 'k_interest'; expected one of epochs, k_interests, "
        r"learning_rate\. Did you mean 'k_interests'\? Rename or remove it\n"
        r"hyper\.test:4: a space may not vary the data, got 'dataset'; expected parameters of the model or "
        r"its training\. Set it in the settings, and sweep each value by itself$"
    )
    with pytest.raises(SpaceError, match=message):
        check_space_names({"k_interest": "hyper.test:1", "epochs": "hyper.test:2", "dataset": "hyper.test:4"}, KEYS)
