"""What a sweep was run with: recorded at the start of every session, compared at a resume."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypersweep.runner import RunnerReference
from hypersweep.runner.reference import hash_files

PACKAGES = ("hypersweep", "torch", "numpy", "hyperopt", "recbole")
GIT_TIMEOUT_S = 5


def take_record(
    *, directory: Path, reference: RunnerReference, space: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Command line, versions, git commit and dirtiness of `directory`, host, hashes of space, settings and runner."""
    return {
        "command_line": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "versions": {"python": platform.python_version(), **_find_versions(PACKAGES)},
        "git": _read_git(directory),
        "hashes": {
            "space": _hash(space),
            "settings": _hash(json.dumps(settings, sort_keys=True)),
            "runner": hash_files(reference.find_files()),
        },
    }


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two records and may make results differ, a line each."""
    changes = []
    for package in sorted({*old["versions"], *new["versions"]}):
        before, after = (record["versions"].get(package, "none") for record in (old, new))
        if before != after:
            changes.append(f"{package} has changed since the sweep began: {before} before, {after} now")
    for path in _find_changed(old["hashes"]["runner"], new["hashes"]["runner"]):
        changes.append(f"{path} has changed since the sweep began")
    if old["git"] != new["git"]:
        before, after = _tell_git(old["git"]), _tell_git(new["git"])
        changes.append(f"the git state has changed since the sweep began: {before} before, {after} now")
    return changes


def _find_changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The files whose content is another, by path or, of those that were moved, by name; those that are gone, too."""
    gone = {Path(path).name: path for path in before if path not in after}
    changed = []
    for path, digest in after.items():
        former = path if path in before else gone.pop(Path(path).name, "")
        if before.get(former) != digest:
            changed.append(path)
    return sorted([*changed, *gone.values()])


def _tell_git(state: Mapping[str, Any] | None) -> str:
    if state is None:
        return "none"
    return f"{state['commit'][:12]}{' with uncommitted changes' if state['is_dirty'] else ''}"


def _read_git(directory: Path) -> dict[str, Any] | None:
    """The commit, and whether tracked files differ from it; None outside a repository."""
    commit = _run_git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = _run_git(directory, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "is_dirty": bool(changed)}


def _run_git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _find_versions(packages: Sequence[str]) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
