"""Any shell command as a runner."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypersweep.errors import RunnerError
from hypersweep.runner.contract import GRACE_S, LiveTrial
from hypersweep.runner.execute import TrialInterrupted, name_signal
from hypersweep.runner.memory import OUT_OF_MEMORY, KernelKills
from hypersweep.trial import Params

POLL_S = 0.1
TAIL_BYTES = 1 << 20  # how much of stdout is searched for the result

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class CommandRunner:
    """Runs `template` by `/bin/sh` in `directory`, once per trial.

    `{name}` of a parameter, a fixed setting, `{trial}` and `{seed}` are replaced, each quoted for the shell; all other
    braces are left alone. The result is the JSON in the file `HYPERSWEEP_RESULT`, else the last line of stdout that is
    a JSON object or number.
    """

    def __init__(self, template: str, directory: str) -> None:
        self.template = template
        self.directory = directory

    def __call__(self, params: Params, trial: LiveTrial) -> Any:
        trial.folder.mkdir(parents=True, exist_ok=True)
        result_path, report_path = trial.folder / "result.json", trial.folder / "report.jsonl"
        for path in (result_path, report_path):
            path.unlink(missing_ok=True)  # of an attempt before this one
        report_path.touch()
        kills = KernelKills()
        with open(trial.log_path, "ab", buffering=0) as log, open(report_path, "rb") as reports:
            process = subprocess.Popen(
                self.fill(params, trial),
                shell=True,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **_environment(params, trial, result_path, report_path)},
            )
            try:
                tail = _follow(process, log.fileno(), _is_over, _ReportReader(reports, trial).read)
            except BaseException as error:  # pruned, interrupted, or a report that is none
                if isinstance(error, TrialInterrupted) and error.is_group_told:
                    _await_end(process, log.fileno(), _are_all_over)
                else:
                    process.terminate()
                    _await_end(process, log.fileno(), _is_over)
                raise
            finally:
                assert process.stdout is not None
                process.stdout.close()
                _remove_empty(trial)
        return _read_result(process.returncode, result_path, trial.log_path, tail, kills)

    def fill(self, params: Params, trial: LiveTrial) -> str:
        """The command line of one trial."""
        values = {**trial.settings, **params, "trial": trial.number, "seed": trial.seed}
        return PLACEHOLDER.sub(
            lambda match: shlex.quote(str(values[match[1]])) if match[1] in values else match[0], self.template
        )


def _environment(params: Params, trial: LiveTrial, result_path: Path, report_path: Path) -> dict[str, str]:
    return {
        "HYPERSWEEP_PARAMS": json.dumps({**trial.settings, **params}),
        "HYPERSWEEP_TRIAL": str(trial.number),
        "HYPERSWEEP_SEED": str(trial.seed),
        "HYPERSWEEP_CHECKPOINT_DIR": str(trial.checkpoint_dir),
        "HYPERSWEEP_RESULT": str(result_path),
        "HYPERSWEEP_REPORT": str(report_path),
    }


def _follow(
    process: subprocess.Popen[bytes],
    log: int,
    has_ended: Callable[[subprocess.Popen[bytes]], bool],
    read_reports: Callable[[], None] = lambda: None,
    until: float = math.inf,
) -> bytes:
    """Copy stdout to the log and reports to the trial until the command has ended, or that time has come; gives the
    tail of stdout.

    A process left in the background may keep stdout open: the end of the command is what counts.
    """
    assert process.stdout is not None
    stdout, tail, is_open = process.stdout.fileno(), b"", True
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while time.monotonic() < until:
            is_over = has_ended(process)
            is_ready = is_open and bool(selector.select(0 if is_over else POLL_S))
            chunk = os.read(stdout, 1 << 16) if is_ready else b""
            if chunk:
                _write_all(log, chunk)
                tail = (tail + chunk)[-TAIL_BYTES:]
            elif is_over:
                break
            elif is_ready or not is_open:  # stdout is closed, which nearly always means the end
                is_open = False
                _wait_briefly(process)
            read_reports()
    read_reports()
    return tail


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def _are_all_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether not only the shell has ended but all it has started, which is this process's where the shell has gone
    (and the system lets it: see `pool.linux`)."""
    if process.poll() is None:
        return False
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _wait_briefly(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
    else:
        time.sleep(POLL_S / 10)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _read_number(value: Any) -> Any:
    """An int as it is, else a float, also of what a shell script has put in quotes."""
    return value if type(value) is int else float(value)


class _ReportReader:
    """Passes the JSON lines that the command appends to its report file on to `trial.report`."""

    def __init__(self, file: Any, trial: LiveTrial) -> None:
        self.file = file
        self.trial = trial
        self.rest = b""

    def read(self) -> None:
        *lines, self.rest = (self.rest + self.file.read()).split(b"\n")
        for line in lines:
            if line.strip():
                self._pass_on(line)
        self.trial.raise_if_pruned()

    def _pass_on(self, line: bytes) -> None:
        try:
            report = json.loads(line)
            step = _read_number(report["step"])
            metrics = {name: _read_number(value) for name, value in report["metrics"].items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunnerError(
                f"HYPERSWEEP_REPORT: got {line.decode(errors='replace')!r}; expected a line "
                '{"step": 1, "metrics": {"loss": 0.5}}. Mend what the command writes'
            ) from error
        self.trial.report(step, metrics)


def _remove_empty(trial: LiveTrial) -> None:
    """Leave nothing of what was made for a command that did not use it."""
    report_path = trial.folder / "report.jsonl"
    with contextlib.suppress(OSError):  # the command may have removed it
        if report_path.stat().st_size == 0:
            report_path.unlink()
    with contextlib.suppress(OSError):
        (trial.folder / "checkpoint").rmdir()


def _await_end(
    process: subprocess.Popen[bytes], log: int, has_ended: Callable[[subprocess.Popen[bytes]], bool]
) -> None:
    """Let a command that was asked to end do so, what it still prints in the log; then make it."""
    try:
        _follow(process, log, has_ended, until=time.monotonic() + GRACE_S)
    finally:
        process.kill()
        process.wait()


def _read_result(exit_code: int, result_path: Path, log_path: Path, tail: bytes, kills: KernelKills) -> Any:
    if exit_code != 0:
        last_line = _last_line(log_path)
        raise RunnerError(f"{_describe_end(exit_code, kills)}{f': {last_line}' if last_line else ''}")
    if result_path.exists():
        text = result_path.read_text(errors="replace")
        try:
            return json.loads(text)
        except ValueError as error:
            raise RunnerError(
                f"HYPERSWEEP_RESULT: {error}, got {text[:100]!r}; expected the result as JSON. "
                "Mend what the command writes"
            ) from error
    for line in reversed(tail.decode(errors="replace").splitlines()):
        try:
            result = json.loads(line)
        except ValueError:
            continue
        if isinstance(result, (dict, int, float)) and not isinstance(result, bool):
            return result
    raise RunnerError(
        "the command ended with exit code 0 without a result; expected JSON in the file $HYPERSWEEP_RESULT, "
        "or as the last JSON line of stdout. Let the command write its metrics"
    )


def _describe_end(exit_code: int, kills: KernelKills) -> str:
    if exit_code not in (-signal.SIGKILL, 128 + signal.SIGKILL):  # the latter: a shell tells it of what it ran
        how = f"was killed by {name_signal(-exit_code)}" if exit_code < 0 else f"ended with exit code {exit_code}"
        return f"the command {how}"
    if kills.has_risen():
        return f"{OUT_OF_MEMORY}the kernel killed the command (SIGKILL)"
    return "the command was killed by SIGKILL (out of memory?)"


def _last_line(log_path: Path) -> str:
    try:
        with open(log_path, "rb") as log:
            log.seek(max(0, os.path.getsize(log_path) - 4096))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line), "")
