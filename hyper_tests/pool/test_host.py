"""The scratch folders of hosts."""

from __future__ import annotations

import os
from pathlib import Path

from hypersweep.pool.host import make_scratch


def test_what_a_killed_host_has_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    running, lock = make_scratch(tmp_path)
    killed, killed_lock = make_scratch(tmp_path)
    os.close(killed_lock)
    starting = tmp_path / "hypersweep-host-starting"
    starting.mkdir()
    for folder in (running, killed):
        os.utime(folder, (0, 0))
    new, new_lock = make_scratch(tmp_path)
    assert set(tmp_path.iterdir()) == {running, starting, new}
    os.close(lock)
    os.close(new_lock)
