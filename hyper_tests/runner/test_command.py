"""Shell commands as runners."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hyper_tests.processes import is_alive, wait_until
from hypersweep.errors import TrialPruned
from hypersweep.runner import LiveTrial, execute
from hypersweep.runner.command import CommandRunner
from hypersweep.space import Value
from hypersweep.trial import Failed, Finished, Outcome, Result

PARAMS: dict[str, Value] = {"lr": 0.1, "name": 'it\'s "a" $HOME `x` \\ name', "size": (64, 64)}


def new_trial(tmp_path: Path, **fields: Any) -> LiveTrial:
    return LiveTrial(7, 2020, tmp_path / "trial", {"epochs": 5, "lr": 1.0}, **fields)


def run(tmp_path: Path, command: str, params: Mapping[str, Any] = PARAMS, **fields: Any) -> Outcome:
    return execute(CommandRunner(command, str(tmp_path)), params, new_trial(tmp_path, **fields))


def python(code: str) -> str:
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def log(tmp_path: Path) -> str:
    return (tmp_path / "trial" / "log.txt").read_text()


def scored(score: float) -> Finished:
    return Finished(Result(valid={"score": score}))


def test_values_reach_the_command_as_they_are(tmp_path: Path) -> None:
    printing = python("import sys, json; print(json.dumps(sys.argv[1:])); print(1)")
    assert run(tmp_path, printing + " {lr} {name} {size} {epochs} {trial} {seed}") == scored(1)
    assert json.loads(log(tmp_path).splitlines()[0]) == ["0.1", PARAMS["name"], "(64, 64)", "5", "7", "2020"]


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "-rf", "*", "~", ";exit 3", "$(exit 3)", "\\", "'", '"', "ü {lr}", "!x", "\t", "%s"]
)
def test_no_value_can_break_out_of_its_word(tmp_path: Path, name: str) -> None:
    code = (
        "import sys, os, json; assert sys.argv[1:] == [json.loads(os.environ['HYPERSWEEP_PARAMS'])['name']]; print(1)"
    )
    assert run(tmp_path, python(code) + " {name}", {"name": name}) == scored(1)


def test_all_other_braces_are_left_alone(tmp_path: Path) -> None:
    command = CommandRunner("f() { echo ${HOME} {} {unknown} {lr}{lr} {{lr}} {a b} {1}; }", str(tmp_path))
    assert command.fill({"lr": 0.5}, new_trial(tmp_path)) == (
        "f() { echo ${HOME} {} {unknown} 0.50.5 {0.5} {a b} {1}; }"
    )


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")  # as the process of a trial on that GPU has it
    code = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if k[:6] in ('HYPERS', 'CUDA_V')}))"
    run(tmp_path, python(code), device="cuda:0")
    told = json.loads(log(tmp_path).splitlines()[0])
    assert json.loads(told["HYPERSWEEP_PARAMS"]) == {"epochs": 5, **PARAMS, "size": [64, 64]}
    folder = tmp_path / "trial"
    assert told["HYPERSWEEP_TRIAL"] == "7"
    assert told["HYPERSWEEP_SEED"] == "2020"
    assert told["HYPERSWEEP_RESULT"] == str(folder / "result.json")
    assert told["HYPERSWEEP_REPORT"] == str(folder / "report.jsonl")
    assert told["HYPERSWEEP_CHECKPOINT_DIR"] == str(folder / "checkpoint")
    assert told["CUDA_VISIBLE_DEVICES"] == "1"


def test_it_runs_in_the_directory_of_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "score.txt").write_text("0.25\n")
    assert run(tmp_path, "cat score.txt") == scored(0.25)


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("echo 0.5", scored(0.5)),
        ("printf 0.5", scored(0.5)),
        ("echo '{\"loss\": 3, \"status\": \"ok\"}'", Finished(Result(valid={"loss": 3}, score=3, bigger=False))),
        ("echo NaN; echo '{\"a\": 1}'; echo the end; echo '[1]'; echo true; echo '\"1\"'", Finished(Result({"a": 1}))),
        ("echo 1; echo 2; echo 3 >&2", scored(2)),
        ("echo '{\"a\": 1}' > \"$HYPERSWEEP_RESULT\"; echo 5", Finished(Result({"a": 1}))),
        ("echo '{\"best_valid_score\": 0.5}' > $HYPERSWEEP_RESULT", Finished(Result({"score": 0.5}, score=0.5))),
    ],
)  # fmt: skip
def test_results(tmp_path: Path, command: str, outcome: Outcome) -> None:
    assert run(tmp_path, command) == outcome


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("exit 3", "the command ended with exit code 3"),
        ("echo 0.5; exit 1", "the command ended with exit code 1: 0.5"),
        ("echo why >&2; echo because >&2; exit 1", "the command ended with exit code 1: because"),
        ("kill -9 $$", "the command was killed by SIGKILL"),
        ("kill -40 $$", "the command was killed by signal 40"),
        ("no-such-program-at-all", "the command ended with exit code 127: "),
        ("true", "the command ended with exit code 0 without a result; expected JSON in the file $HYPERSWEEP_RESULT"),
        ("echo nothing", "the command ended with exit code 0 without a result"),
        ("echo '{' > $HYPERSWEEP_RESULT", "HYPERSWEEP_RESULT: Expecting property name"),
        ("touch $HYPERSWEEP_RESULT", "HYPERSWEEP_RESULT: Expecting value: line 1 column 1 (char 0), got ''"),
        ("printf '\\377' > $HYPERSWEEP_RESULT", "HYPERSWEEP_RESULT: Expecting value"),
        ("echo '[1]' > $HYPERSWEEP_RESULT", "the runner returned [1] (a list); expected a number"),
        ("mkdir $HYPERSWEEP_RESULT", "IsADirectoryError"),
        ("echo '{\"a b\": 1}'", "the log cannot carry the metric, got 'a b'"),
        ("echo '{}'", "the runner returned {} (a dict), which has no metric"),
        ("echo 'unclosed", "the command ended with exit code 2: "),
    ],
)
def test_failures(tmp_path: Path, command: str, error: str) -> None:
    outcome = run(tmp_path, command)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith(error)
    assert "\n" not in outcome.error


def test_nan_is_a_result(tmp_path: Path) -> None:
    outcome = run(tmp_path, "echo NaN")
    assert isinstance(outcome, Finished)
    assert str(outcome.result.valid) == "{'score': nan}"


def test_stdout_and_stderr_are_in_the_log_whole(tmp_path: Path) -> None:
    code = (
        "import sys\nfor i in range(20000):\n print('x' * 99)\n print('y' * 9, file=sys.stderr)\nprint('end', end='')"
    )
    run(tmp_path, python(code))
    assert (log(tmp_path).count("x"), log(tmp_path).count("y")) == (20000 * 99, 20000 * 9)
    assert log(tmp_path).count("end") == 1


def test_a_result_after_a_flood_is_found(tmp_path: Path) -> None:
    assert run(tmp_path, "head -c 30000000 /dev/zero | tr '\\0' x; echo; echo 0.5") == scored(0.5)
    assert (tmp_path / "trial" / "log.txt").stat().st_size == 30_000_005


def test_a_process_in_the_background_that_holds_stdout_is_not_waited_for(tmp_path: Path) -> None:
    started = time.monotonic()
    assert run(tmp_path, "sleep 1000 & echo $! > pid; echo 0.5") == scored(0.5)
    assert is_alive(int((tmp_path / "pid").read_text()))
    subprocess.run(["kill", (tmp_path / "pid").read_text().strip()], check=True)
    assert time.monotonic() - started < 500


def test_a_process_in_the_background_that_writes_without_end_is_not_waited_for(tmp_path: Path) -> None:
    """Its words may be among the last lines: the result comes by file."""
    outcome = run(tmp_path, "yes noise & echo $! > pid; echo 0.5 > $HYPERSWEEP_RESULT")
    subprocess.run(["kill", (tmp_path / "pid").read_text().strip()], check=False)
    assert outcome == scored(0.5)


def test_a_command_that_closes_its_stdout_is_waited_for(tmp_path: Path) -> None:
    assert run(tmp_path, "exec >&-; sleep 0.3; echo 0.5 > $HYPERSWEEP_RESULT") == scored(0.5)


def test_reports_are_passed_on(tmp_path: Path) -> None:
    sent: list[tuple[int, Mapping[str, float]]] = []
    command = (
        'echo \'{"step": 1, "metrics": {"loss": 0.5}}\' >> $HYPERSWEEP_REPORT; echo >> $HYPERSWEEP_REPORT; sleep 0.2;'
        'printf \'{"step": 2, "met\' >> $HYPERSWEEP_REPORT; sleep 0.2;'
        'printf \'rics": {"loss": 1}}\\n{"step": 3, "metrics": {}}\\n\' >> $HYPERSWEEP_REPORT; echo 1'
    )
    outcome = run(tmp_path, command, send_report=lambda step, metrics: sent.append((step, metrics)))
    assert outcome == scored(1)
    assert sent == [(1, {"loss": 0.5}), (2, {"loss": 1.0}), (3, {})]


def test_numbers_in_reports_may_be_texts_or_too_large(tmp_path: Path) -> None:
    sent: list[tuple[int, Mapping[str, float]]] = []
    line = json.dumps({"step": "1", "metrics": {"loss": "0.5", "num_params": 10**400}})
    command = f"echo {shlex.quote(line)} >> $HYPERSWEEP_REPORT; echo 1"
    assert run(tmp_path, command, send_report=lambda step, metrics: sent.append((step, metrics))) == scored(1)
    assert sent == [(1, {"loss": 0.5, "num_params": math.inf})]


def test_a_report_of_half_a_step_is_a_failure(tmp_path: Path) -> None:
    outcome = run(tmp_path, 'echo \'{"step": 0.5, "metrics": {}}\' >> $HYPERSWEEP_REPORT; echo 1')
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("trial.report: the step is 0.5; expected a whole number")


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"step": "a", "metrics": {}}', '{"step": 1, "metrics": 3}'])
def test_a_malformed_report_is_the_failure_and_the_end_of_the_command(tmp_path: Path, line: str) -> None:
    command = f"echo $$ > pid; echo {shlex.quote(line)} >> $HYPERSWEEP_REPORT; exec sleep 1000"
    outcome = run(tmp_path, command)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith(f'HYPERSWEEP_REPORT: got {line!r}; expected a line {{"step": 1')
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_to_be_pruned_means_sigterm(tmp_path: Path) -> None:
    def prune(step: int, metrics: Mapping[str, float]) -> None:
        raise TrialPruned

    code = (
        "import os, signal, sys, time\n"
        "def end(*_): open('ended', 'w').close(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(os.environ['HYPERSWEEP_REPORT'], 'a').write('{\"step\": 1, \"metrics\": {}}\\n')\n"
        "time.sleep(1000)"
    )
    with pytest.raises(TrialPruned, match=r"^$"):
        CommandRunner("exec " + python(code), str(tmp_path))(PARAMS, new_trial(tmp_path, send_report=prune))
    assert (tmp_path / "ended").exists()


def test_what_an_attempt_before_left_does_not_count(tmp_path: Path) -> None:
    command = 'echo 0.5 > $HYPERSWEEP_RESULT; echo \'{"step": 1, "metrics": {}}\' > $HYPERSWEEP_REPORT'
    assert run(tmp_path, command) == scored(0.5)
    sent: list[int] = []
    outcome = run(tmp_path, "echo 0.25", send_report=lambda step, metrics: sent.append(step))
    assert outcome == scored(0.25)
    assert sent == []


def test_a_checkpoint_outlives_the_command_and_an_empty_folder_does_not(tmp_path: Path) -> None:
    run(tmp_path, "echo 1")
    assert [path.name for path in (tmp_path / "trial").iterdir()] == ["log.txt"]
    run(tmp_path, "echo weights > $HYPERSWEEP_CHECKPOINT_DIR/weights; echo 1")
    assert (tmp_path / "trial" / "checkpoint" / "weights").read_text() == "weights\n"


def test_a_command_may_remove_its_folder(tmp_path: Path) -> None:
    assert run(tmp_path, "rm -rf $(dirname $HYPERSWEEP_REPORT); echo 0.5") == scored(0.5)
    outcome = run(tmp_path, "rm -rf $(dirname $HYPERSWEEP_REPORT); exit 1")
    assert outcome == Failed("the command ended with exit code 1")


def test_a_value_that_no_command_can_take_is_a_failure(tmp_path: Path) -> None:
    assert run(tmp_path, "echo {name}", {"name": "a\0b"}) == Failed("ValueError: embedded null byte")


def test_the_report_file_is_followed_while_the_command_runs(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    command = (
        'echo \'{"step": 1, "metrics": {}}\' >> $HYPERSWEEP_REPORT; while [ ! -e seen ]; do sleep 0.05; done; echo 1'
    )
    assert run(tmp_path, command, send_report=lambda step, metrics: seen.touch()) == scored(1)
    wait_until(seen.exists, "the report")
