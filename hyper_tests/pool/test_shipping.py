"""Which code travels to the machines of a cluster."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from hyper_tests.processes import ROOT
from hypersweep.errors import PoolError
from hypersweep.pool import shipping
from hypersweep.pool.shipping import pack, stage_code
from hypersweep.runner import RunnerReference

RUNNER = "def objective(params):\n    return 1.0\n"


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def staged(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of code, and the working directory."""
    folder = tmp_path / "project"
    write(folder, train_py=RUNNER, models__net_py="SIZE = 1\n", config_yaml="epochs: 1\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    return folder


def load_there(reference: RunnerReference, target: Path) -> None:
    RunnerReference(reference.text, reference.is_command, str(target)).load()


@pytest.mark.parametrize("text", ["train.py:objective", "{project}/train.py:objective"], ids=["relative", "absolute"])
def test_a_file_travels_with_the_folder_of_the_start(project: Path, target: Path, text: str) -> None:
    reference = stage_code(RunnerReference.parse(text.format(project=project), project), target)
    assert staged(target) == ["config_yaml", "models/net.py", "train.py"]
    assert reference.text == "train.py:objective"
    load_there(reference, target)


def test_a_module_travels_with_the_folder_of_the_start(project: Path, target: Path) -> None:
    write(project, package____init___py="", package__steps_py=RUNNER)
    (project / "package" / "__init__.py").touch()
    reference = stage_code(RunnerReference.parse("package.steps:objective", project), target)
    assert "package/steps.py" in staged(target)
    assert reference.text == "package.steps:objective"
    load_there(reference, target)


@pytest.mark.parametrize("text", ["../elsewhere/other.py:objective", "other:objective"], ids=["file", "module"])
def test_a_runner_elsewhere_travels_with_its_own_folder(
    project: Path, target: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = project.parent / "elsewhere"
    write(elsewhere, other_py=RUNNER, neighbour_py="")
    monkeypatch.syspath_prepend(str(elsewhere))
    reference = stage_code(RunnerReference.parse(text, project), target)
    assert staged(target) == ["neighbour.py", "other.py"]
    assert reference.text == text.removeprefix("../elsewhere/")
    load_there(reference, target)


@pytest.mark.parametrize("text", ["recommend", "json:dumps", "pytest:main"])
def test_what_is_installed_stays(project: Path, target: Path, text: str) -> None:
    reference = RunnerReference.parse(text, project)
    assert stage_code(reference, target) == reference
    assert staged(target) == []


def test_a_command_travels_with_the_folder_of_the_start_and_may_still_be_run(project: Path, target: Path) -> None:
    (project / "train.sh").write_text("#!/bin/sh\necho 1\n")
    (project / "train.sh").chmod(0o755)
    reference = stage_code(RunnerReference("./train.sh --lr {lr}", True, str(project)), target)
    assert reference.text == "./train.sh --lr {lr}"
    assert staged(target) == ["config_yaml", "models/net.py", "train.py", "train.sh"]
    assert (target / "train.sh").stat().st_mode & 0o100


def test_no_data_no_environment_nothing_hidden_no_sweep_travels(project: Path, target: Path) -> None:
    (project / "data.inter").write_bytes(b"x" * (shipping.MAX_FILE_BYTES + 1))
    for name in (".git", "__pycache__", "node_modules", "hyper.sweep", "hyper.sweep.old-1"):
        write(project, **{f"{name}__file": "x"})
    write(project, env__pyvenv_cfg="", env__lib_py="", _hidden="")
    (project / "env" / "pyvenv.cfg").touch()
    (project / ".secret").write_text("x")
    (project / "dangling").symlink_to("nowhere")
    stage_code(RunnerReference.parse("train.py:objective", project), target)
    assert staged(target) == ["_hidden", "config_yaml", "models/net.py", "train.py"]


@pytest.mark.parametrize("limit", ["MAX_FILES", "MAX_BYTES"])
def test_a_folder_of_more_than_code_is_refused(
    project: Path, target: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, limit, 2)
    with pytest.raises(PoolError, match=rf"^{project}: holds more than the runner's code, got over .* files or .* MiB"):
        stage_code(RunnerReference.parse("train.py:objective", project), target)


def test_a_parcel(project: Path, target: Path) -> None:
    def members() -> dict[str, int]:
        with tarfile.open(fileobj=io.BytesIO(pack(target))) as archive:
            return {member.name: member.mode for member in archive.getmembers()}

    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hypersweep").rglob("*.py")}
    assert {f"packages/{name}" for name in package} <= members().keys()
    assert "code" not in members()
    (project / "train.sh").write_text("echo 0.5")
    (project / "train.sh").chmod(0o755)
    stage_code(RunnerReference.parse("train.py:objective", project), target)
    assert members()["code/train.sh"] & 0o111 == 0o111
    assert not members()["code/models/net.py"] & 0o111
