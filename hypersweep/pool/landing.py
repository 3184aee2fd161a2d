"""How a host comes to a machine of a cluster: code and all, in one parcel that an idle worker of Ray's unpacks.

Ray's own way, a runtime environment, starts a worker for it twice: half of what a sweep on a cluster took to begin.
What stands here is sent by value, for there is no hypersweep yet where it runs; it imports that when it has landed.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
from typing import Any

from hypersweep.pool.devices import VISIBLE
from hypersweep.pool.host import SCRATCH

PACKAGES = "packages"  # the folders in a parcel: what is to be imported, and the runner's code
CODE = "code"


class HostActor:
    """A `Host` in a worker of Ray's, started from the parcel that `shipping` has packed and a pickled assignment."""

    def __init__(self, parcel: bytes, assignment: bytes) -> None:
        self.folder = tempfile.mkdtemp(prefix=SCRATCH)
        with tarfile.open(fileobj=io.BytesIO(parcel)) as archive:
            archive.extraction_filter = lambda member, path: member  # the parcel is ours
            archive.extractall(self.folder)
        packages = os.path.join(self.folder, PACKAGES)
        sys.path.insert(0, packages)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH")]))
        if os.path.isdir(os.path.join(self.folder, CODE)):
            os.chdir(os.path.join(self.folder, CODE))
        host = importlib.import_module("hypersweep.pool.host")
        self.lock = host.hold(self.folder)
        self.host = host.Host(pickle.loads(assignment))

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self.host, method)(*arguments)

    def close(self) -> None:
        self.host.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def tell_gpus() -> str:
    """What Ray has set for a task."""
    return os.environ.get(VISIBLE, "")
