"""What all tests share: the real data, a cache of their own, and which of them need torch."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore_glob = [] if HAS_TORCH else ["recommend", "golden/test_golden_*"]

# The tests send these signals; a shell starts what it runs in the background with some of them ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _signum in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_signum, signal.SIG_DFL)

# No limits in wall-clock time: the machine may be busy with something else. The same examples each time, so that what
# was green stays green; `make fuzz` looks for new ones.
for _profile, _is_same in (("hypersweep", True), ("fuzz", False)):
    settings.register_profile(
        _profile,
        deadline=None,
        derandomize=_is_same,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("hypersweep")


def pytest_report_header() -> list[str]:
    return [] if HAS_TORCH else [f"torch is not installed: left out are {', '.join(collect_ignore_glob)}"]


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of prepared data, for this process and those it starts."""
    path = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPERSWEEP_CACHE", str(path))
        yield path


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data sets, one folder each; skips the test where there is none."""
    named = os.environ.get("HYPERSWEEP_DATA")
    if not named:
        pytest.skip("HYPERSWEEP_DATA is not set")
    path = Path(named)
    if not path.is_dir():
        pytest.skip(f"HYPERSWEEP_DATA names {named}, which is not a folder")
    return path.resolve()
