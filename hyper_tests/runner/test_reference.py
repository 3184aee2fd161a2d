"""How a runner is named, found and loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hyper_tests.processes import environment
from hypersweep.errors import RunnerError
from hypersweep.runner import LiveTrial, RunnerReference
from hypersweep.runner.reference import hash_files

GOOD = """
import neighbour

def objective(params):
    return neighbour.answer(params)

class Holder:
    @staticmethod
    def objective(params):
        return {"held": 1.0}

constant = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "runner_of_mine.py").write_text(GOOD)
    (tmp_path / "neighbour.py").write_text("def answer(params):\n    return len(params)\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("runner_of_mine", "neighbour", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def call(text: str, directory: Path) -> object:
    runner = RunnerReference.parse(text, directory).load()
    return runner.call({"a": 1, "b": 2}, LiveTrial(0, 1, directory))


@pytest.mark.parametrize("text", ["runner_of_mine.py:objective", "./runner_of_mine.py:objective"])
def test_a_function_in_a_file(folder: Path, text: str) -> None:
    assert call(text, folder) == 2


def test_a_file_by_its_absolute_path_finds_its_neighbours(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert call(f"{folder / 'runner_of_mine.py'}:objective", tmp_path_factory.mktemp("elsewhere")) == 2


def test_a_function_of_a_module(folder: Path) -> None:
    assert call("runner_of_mine:objective", folder) == 2


def test_a_function_in_a_class(folder: Path) -> None:
    assert call("runner_of_mine.py:Holder.objective", folder) == {"held": 1.0}


def test_a_registered_runner_is_known_without_being_loaded() -> None:
    assert RunnerReference.parse("recommend", Path()).text == "recommend"
    with pytest.raises(RunnerError, match=r"'recomend' is no runner.*Did you mean 'recommend'"):
        RunnerReference.parse("recomend", Path())


@pytest.mark.parametrize("text", ["", ":", "file.py", "file.py:", ":objective"])
def test_what_is_no_name_of_a_runner(text: str) -> None:
    with pytest.raises(
        RunnerError, match=r"--runner: '.*' is no runner; expected recbole, recommend, module:attribute"
    ):
        RunnerReference.parse(text, Path())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("missing.py:objective", r"--runner: no file '.*missing.py'; expected .*. Check the path"),
        ("missing_module:objective", "missing_module: ModuleNotFoundError: No module named 'missing_module'"),
        ("runner_of_mine.py:objektive", "runner_of_mine.py: has no 'objektive'.*Did you mean 'objective'"),
        ("runner_of_mine.py:Holder.missing", "has no 'Holder.missing'"),
        ("runner_of_mine.py:constant", "runner_of_mine.py:constant: is a int; expected a function"),
    ],
)
def test_what_cannot_be_found(folder: Path, text: str, problem: str) -> None:
    with pytest.raises(RunnerError, match=problem):
        RunnerReference.parse(text, folder).load()


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("x = 1\nimport no_such_module\n", r"broken.py:2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1\ndef f(:\n", r"SyntaxError: .*broken.py, line 2"),
        ("\n\nraise ValueError('at import')\n", "broken.py:3: ValueError: at import"),
        ("import sys\nsys.exit(2)\n", "broken.py:2: SystemExit: 2"),
        ("\0", "ValueError: .*null bytes|SyntaxError: .*null bytes"),
    ],
)
def test_what_cannot_be_imported(folder: Path, source: str, problem: str) -> None:
    (folder / "broken.py").write_text(source)
    with pytest.raises(RunnerError, match=problem) as raised:
        RunnerReference.parse("broken.py:f", folder).load()
    assert "\n" not in str(raised.value)


def test_functions_name_themselves_for_other_processes(folder: Path) -> None:
    reference = RunnerReference.of_function(environment, folder)
    assert reference.text == "hyper_tests.processes:environment"
    with pytest.raises(
        RunnerError, match=r"cannot be found by another process; expected a function at the top of a file"
    ):
        RunnerReference.of_function(lambda params: 1.0, folder)


def test_a_function_of_the_main_script_is_named_by_its_file(folder: Path) -> None:
    (folder / "script.py").write_text(
        "from pathlib import Path\nfrom hypersweep.runner import RunnerReference\n"
        "def f(params): return 1.0\nprint(RunnerReference.of_function(f, Path()).text)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{folder / 'script.py'}:f\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("runner_of_mine.py:objective", ["runner_of_mine.py"]),
        ("runner_of_mine:objective", ["runner_of_mine.py"]),
        ("package.inner:f", ["package/inner.py"]),
        ("package:f", ["package/__init__.py"]),
        ("recommend", []),
        ("no_such_module:f", []),
    ],
)
def test_the_files_of_a_function(folder: Path, text: str, names: list[str]) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "inner.py").write_text("raise ValueError('run')")
    files = RunnerReference.parse(text, folder).find_files()
    assert files == [folder / name for name in names]
    assert len(hash_files(files)) == len(names)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("python train.py --lr {lr} > out", ["train.py"]),
        ("python 'my train.py'", ["my train.py"]),
        ("python train.py 'unclosed", ["train.py"]),
        (f"python -c '{'x' * 5000}' train.py", ["train.py"]),
        ("echo 1", []),
        ("python train.py . / \0 /dev/null", ["train.py"]),
    ],
)
def test_the_files_of_a_command(folder: Path, command: str, names: list[str]) -> None:
    for name in ("train.py", "my train.py"):
        (folder / name).write_text("1")
    assert RunnerReference(command, is_command=True, directory=str(folder)).find_files() == [
        folder / name for name in names
    ]


def test_a_hash_tells_a_changed_file(folder: Path) -> None:
    path = folder / "neighbour.py"
    before = hash_files([path])
    path.write_text("changed")
    assert hash_files([path]) != before
