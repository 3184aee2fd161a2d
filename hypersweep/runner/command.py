"""Any shell command as a runner."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shlex
import subprocess
from pathlib import Path
from typing import Any

from hypersweep.errors import RunnerError
from hypersweep.runner.contract import LiveTrial
from hypersweep.runner.execute import name_signal
from hypersweep.trial import Params

POLL_S = 0.1
PRUNE_GRACE_S = 10.0
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
        with open(trial.log_path, "ab", buffering=0) as log:
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
                with open(report_path, "rb") as reports:
                    tail = _follow(process, log.fileno(), _ReportReader(reports, trial))
            except BaseException:  # pruned, interrupted, or a report that is none
                _stop(process)
                raise
            finally:
                assert process.stdout is not None
                process.stdout.close()
                _remove_empty(trial)
        return _read_result(process.returncode, result_path, tail, trial.log_path)

    def fill(self, params: Params, trial: LiveTrial) -> str:
        """The command line of one trial."""
        values = {**trial.settings, **params, "trial": trial.number, "seed": trial.seed}
        return PLACEHOLDER.sub(
            lambda match: shlex.quote(str(values[match[1]])) if match[1] in values else match[0], self.template
        )


def _environment(params: Params, trial: LiveTrial, result_path: Path, report_path: Path) -> dict[str, str]:
    environment = {
        "HYPERSWEEP_PARAMS": json.dumps({**trial.settings, **params}),
        "HYPERSWEEP_TRIAL": str(trial.number),
        "HYPERSWEEP_SEED": str(trial.seed),
        "HYPERSWEEP_CHECKPOINT_DIR": str(trial.checkpoint_dir),
        "HYPERSWEEP_RESULT": str(result_path),
        "HYPERSWEEP_REPORT": str(report_path),
    }
    if trial.device is not None:
        kind, _, index = trial.device.partition(":")
        environment["CUDA_VISIBLE_DEVICES"] = index if kind == "cuda" else ""
    return environment


def _follow(process: subprocess.Popen[bytes], log: int, reports: _ReportReader) -> bytes:
    """Copy stdout to the log and reports to the trial until the command has ended; gives the tail of stdout.

    A process left in the background may keep stdout open: the end of the command is what counts.
    """
    assert process.stdout is not None
    stdout, tail, is_open = process.stdout.fileno(), b"", True
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            has_ended = process.poll() is not None
            is_ready = is_open and bool(selector.select(0 if has_ended else POLL_S))
            chunk = os.read(stdout, 1 << 16) if is_ready else b""
            if chunk:
                _write_all(log, chunk)
                tail = (tail + chunk)[-TAIL_BYTES:]
            elif has_ended:
                break
            elif is_ready or not is_open:  # stdout is closed, which nearly always means the end
                is_open = False
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
            reports.read()
    reports.read()
    return tail


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


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

    def _pass_on(self, line: bytes) -> None:
        try:
            report = json.loads(line)
            step = int(report["step"])
            metrics = {str(name): float(value) for name, value in report["metrics"].items()}
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


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PRUNE_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_result(exit_code: int, result_path: Path, tail: bytes, log_path: Path) -> Any:
    if exit_code != 0:
        how = f"was killed by {name_signal(-exit_code)}" if exit_code < 0 else f"ended with exit code {exit_code}"
        last_line = _last_line(log_path)
        raise RunnerError(f"the command {how}{f': {last_line}' if last_line else ''}")
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


def _last_line(log_path: Path) -> str:
    try:
        with open(log_path, "rb") as log:
            log.seek(max(0, os.path.getsize(log_path) - 4096))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line), "")
