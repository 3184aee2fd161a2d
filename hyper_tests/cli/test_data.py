"""`hypersweep data get`, from a server on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hyper_tests.datasets.server import Served, serving
from hyper_tests.datasets.test_movielens import INTER, ZIPS, archives
from hypersweep.cli.data import command
from hypersweep.datasets import get
from hypersweep.errors import DataError


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HYPERSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HYPERSWEEP_DATA", raising=False)
    defaults: dict[str, object] = {**(get.__kwdefaults__ or {}), "archives": archives(ZIPS)}
    monkeypatch.setattr(get, "__kwdefaults__", defaults)


def call(url: str, *arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(command, ["get", *arguments, "--base-url", url], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout, done.stderr


def test_it_says_where_it_put_it_and_the_name_is_found(tmp_path: Path) -> None:
    with serving(Served({"/ml-1m.zip": ZIPS["ml-1m"]})) as served:
        stdout, stderr = call(served.url, "ml-1m")
        assert call(served.url, "ml-1m")[0] == stdout
    path = tmp_path / "cache" / "datasets" / "ml-1m" / "ml-1m.inter"
    assert stdout == f"{path}\n"
    assert path.read_text() == INTER["ml-1m"]
    assert stderr.splitlines() == [
        "ml-1m: 0.0 of 0.0 MB",
        f"use it with: --dataset ml-1m; its terms of use: {path.parent}/README",
    ]
    assert len(served.requests) == 1


def test_another_folder_is_said_with_how_to_find_it(tmp_path: Path) -> None:
    with serving(Served({"/ml-100k.zip": ZIPS["ml-100k"]})) as served:
        stdout, stderr = call(served.url, "ml-100k", "--data-path", str(tmp_path / "mine"))
    assert stdout == f"{tmp_path}/mine/ml-100k/ml-100k.inter\n"
    assert f"use it with: --dataset ml-100k --set data_path={tmp_path}/mine;" in stderr


def test_what_is_not_there() -> None:
    with serving(Served({})) as served, pytest.raises(DataError, match=r"got 404 Not Found"):
        call(served.url, "ml-1m")
