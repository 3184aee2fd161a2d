"""What runs on each machine of a cluster: a pool `local` there, whose news go to the controller.

It knows nothing of the cluster: that starts it in a process of its own and carries its calls, `wait` in one thread and
all others in another. When that process ends, however it does, its trials end too, as those of any pool `local`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hypersweep.errors import HypersweepError, PoolError
from hypersweep.place import Place
from hypersweep.pool.devices import Device, Places
from hypersweep.pool.folders import Files, Written
from hypersweep.pool.local import LocalPool
from hypersweep.pool.protocol import Description, Ended, PoolEvent, Work
from hypersweep.pool.resources import Resources
from hypersweep.trial import Failed, Trial

POLL_S = 0.2  # how soon what a trial has printed is told
SCRATCH = "hypersweep-host-"
LEFT_S = 60.0  # after which an unlocked scratch folder is nobody's
CHUNK_BYTES = 1 << 20
MAX_TOLD_BYTES = 8 << 20  # at once


@dataclass(frozen=True)
class Printed:
    """What was printed beside the trials: while the runner was imported, or in its preparation."""

    text: str


News = PoolEvent | Written | Printed


@dataclass(frozen=True)
class Assignment:
    """What a host is made for.

    `is_shipped`: the host runs in a copy of the runner's code. `is_seen`: the folder of `work.place` is this
    machine's as well, so that no file has to travel. `marker` is a file that must be there too: it shows that a shared
    folder is one. `environment` is for what this machine does not set itself.
    """

    work: Work
    is_shipped: bool
    is_seen: bool
    marker: str | None
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Problem:
    """What the user has to mend, and what was printed before it. It is returned: raised, the error would come out of
    Ray wrapped in another."""

    error: HypersweepError
    printed: str


class Host:
    """Every call answers, whatever the runner does."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.lock = threading.Lock()
        self.scratch, self.scratch_lock = make_scratch(Path(tempfile.gettempdir()))
        home = assignment.work.place
        self.place = (
            home if assignment.is_seen else Place(self.scratch / home.folder.name, self.scratch / home.log.name)
        )
        self.printed = open(self.scratch / "printed", "a+b", buffering=0)  # noqa: SIM115
        self.num_printed = 0
        self.places = _GivenPlaces()
        self.pool: LocalPool | None = None
        self.log_sizes: dict[int, int] = {}  # of the running trials, as far as told
        self.leaving: deque[Iterator[News]] = deque()  # what ended trials have yet to tell

    def describe(self) -> Description | Problem:
        """What the runner declares, once it is imported here."""
        for descriptor in (1, 2):
            os.dup2(self.printed.fileno(), descriptor)
        try:
            self.pool = LocalPool(self._settle(), Resources(), self.places)
            return self.pool.describe()
        except HypersweepError as error:
            return Problem(error, self._take_printed())

    def _settle(self) -> Work:
        """The work as it is to be done here: in the copy of the code, else in the folder of the sweep's start."""
        task, work = self.assignment, self.assignment.work
        if task.marker is not None and not Path(task.marker).exists():
            raise PoolError(
                f"--shared: {Path(task.marker).parent} is not the same folder on each machine; expected one that all "
                "mount. Name such a folder, or leave the option out"
            )
        for name, value in task.environment.items():
            os.environ.setdefault(name, value)
        if not task.is_shipped:
            with contextlib.suppress(OSError):
                os.chdir(work.reference.directory)
        return replace(work, place=self.place, reference=replace(work.reference, directory=os.getcwd()))

    def prepare(self) -> Path | Problem | None:
        """Have the runner prepare its data on this machine."""
        with self.lock:
            assert self.pool is not None
            try:
                return self.pool.prepare()
            except HypersweepError as error:
                return Problem(error, self._take_printed())

    def _take_printed(self) -> str:
        data = os.pread(self.printed.fileno(), CHUNK_BYTES, self.num_printed)
        self.num_printed += len(data)
        return data.decode(errors="replace")

    def submit(self, batch: Sequence[Trial], device: Device, checkpoints: Mapping[int, Files]) -> None:
        """Run the trials of a batch on a device; `checkpoints` are what they have to go on from."""
        with self.lock:
            assert self.pool is not None
            self.log_sizes.update((trial.number, 0) for trial in batch)
            try:
                for number, files in checkpoints.items():
                    self._write_checkpoint(number, files)
            except OSError as error:
                failure = Failed(f"{self.place.folder}: cannot be written ({error.strerror}); expected room for trials")
                self.leaving.extend(self._pass_on(Ended(trial.number, failure)) for trial in batch)
                return
            self.places.given = device
            self.pool.submit(batch)

    def _write_checkpoint(self, number: int, files: Files) -> None:
        for path, data in files.items():
            target = self.place.trial_folder(number) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def wait(self, timeout_s: float) -> list[News] | Problem:
        """What has happened since; waits for it up to `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                self._await_news(min(POLL_S, max(0.0, deadline - time.monotonic())))
                with self.lock:
                    news = list(self._collect())
                if news or time.monotonic() >= deadline:
                    return news
        except HypersweepError as error:
            return Problem(error, self._take_printed())

    def prune(self, number: int) -> None:
        with self.lock:
            assert self.pool is not None
            self.pool.prune(number)

    def stop(self, grace_s: float) -> None:
        """End the trials; `wait` tells how they did."""
        with self.lock:
            assert self.pool is not None
            for event in self.pool.stop(grace_s):
                self.leaving.append(self._pass_on(event))

    def close(self) -> None:
        with self.lock:
            if self.pool is not None:
                self.pool.close()
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _await_news(self, timeout_s: float) -> None:
        pool = self.pool
        if pool is None or pool.is_closed:
            time.sleep(0 if self.leaving else timeout_s)
        elif not self.leaving:
            with contextlib.suppress(OSError, ValueError):  # closed meanwhile
                select.select([pool.server_socket], [], [], timeout_s)

    def _collect(self) -> Iterator[News]:
        """What there is to tell, up to the size of one answer."""
        if self.pool is not None and not self.pool.is_closed:
            for event in self.pool.wait(0):
                self.leaving.append(self._pass_on(event))
        text = self._take_printed()
        if text:
            yield Printed(text)
        size = 0
        for number, log_size in self.log_sizes.items() if not self.assignment.is_seen else ():
            folder = self.place.trial_folder(number)
            written = next(_read(number, folder / "log.txt", folder, log_size), None)
            if written is not None:
                self.log_sizes[number] += len(written.data)
                size += len(written.data)
                yield written
        while self.leaving and size < MAX_TOLD_BYTES:
            news = next(self.leaving[0], None)
            if news is None:
                self.leaving.popleft()
            else:
                size += len(news.data) if isinstance(news, Written) else 0
                yield news

    def _pass_on(self, event: PoolEvent) -> Iterator[News]:
        """An event; before the end of a trial all that it has left in its folder, which is then removed."""
        if isinstance(event, Ended):
            return self._bid_farewell(event, self.log_sizes.pop(event.number))
        return iter([event])

    def _bid_farewell(self, ended: Ended, log_size: int) -> Iterator[News]:
        if not self.assignment.is_seen:
            folder = self.place.trial_folder(ended.number)
            log = folder / "log.txt"
            yield from _read(ended.number, log, folder, log_size)
            for path in sorted(folder.rglob("*")):
                if path != log and path.is_file() and not path.is_symlink():
                    yield Written(ended.number, str(path.relative_to(folder)), 0, b"")
                    yield from _read(ended.number, path, folder, 0)
            shutil.rmtree(folder, ignore_errors=True)
        yield ended


def _read(number: int, path: Path, folder: Path, offset: int) -> Iterator[Written]:
    """The bytes of a file from an offset on."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            while data := file.read(CHUNK_BYTES):
                yield Written(number, str(path.relative_to(folder)), offset, data)
                offset += len(data)
    except OSError:
        return  # not there yet, or done away with


def make_scratch(parent: Path) -> tuple[Path, int]:
    """A new folder, and the lock on it, which goes with this process. What killed hosts have left is removed."""
    for left in parent.glob(f"{SCRATCH}*"):
        with contextlib.suppress(OSError):  # another user's, or just being removed
            if time.time() - left.stat().st_mtime > LEFT_S:
                os.close(hold(left))
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=parent))
    return folder, hold(folder)


def hold(folder: Path | str) -> int:
    """The lock on a folder that goes with this process. Raises `OSError` if another one holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class _GivenPlaces(Places):
    """The cluster has chosen the device."""

    def __init__(self) -> None:
        self.given = Device()
        super().__init__([self.given], num_slots=0)

    def take(self) -> Device:
        self.num_running[self.given] += 1
        return self.given
