"""What stands on a terminal: while a sweep runs, after it, and when the user or the reader goes away."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from hyper_tests.cli.sweeps import BEST
from hyper_tests.processes import environment, hypersweep, wait_until

TIMEOUT_S = 60
COLOR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9\d|10\d)(?:;[\d;]*)?m")
STOP_WITHIN_S = 10


@contextmanager
def terminal(folder: Path, *arguments: str, width: int = 100, **variables: str) -> Iterator[pexpect.spawn[str]]:
    """`hypersweep …` on a terminal of that width."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "hypersweep", *arguments],
        cwd=str(folder),
        env=environment(**{"TERM": "xterm-256color", **variables}),
        dimensions=(30, width),
        encoding="utf-8",
        timeout=TIMEOUT_S,
    )
    child.logfile_read = io.StringIO()
    try:
        yield child
    finally:
        child.close(force=True)


def squeezed(text: str) -> str:
    """Without blanks and line ends: a terminal breaks lines where it must."""
    return re.sub(r"\s", "", text)


def output(child: pexpect.spawn[str], within_s: float = TIMEOUT_S) -> str:
    """All that it printed, to its end; its exit code is `child.exitstatus` then."""
    child.expect(pexpect.EOF, timeout=within_s)
    child.wait()
    assert isinstance(child.logfile_read, io.StringIO)
    return child.logfile_read.getvalue()


class Screen:
    """The lines of a terminal after text with the control sequences that rich uses: up, erase, colors, the cursor."""

    def __init__(self, text: str, width: int) -> None:
        self.lines = [""]
        self.row = self.column = 0
        for piece in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]", text):
            if piece == "\r":
                self.column = 0
            elif piece == "\n":
                self.down()
            elif piece.startswith("\x1b"):
                self.control(piece[-1], int(re.sub(r"\D", "", piece) or 1))
            else:
                if self.column == width:
                    self.down()
                    self.column = 0
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + piece + line[self.column + 1 :]
                self.column += 1

    def down(self) -> None:
        self.row += 1
        self.lines += [""] * (self.row - len(self.lines) + 1)

    def control(self, kind: str, count: int) -> None:
        if kind == "A":
            self.row -= count
            assert self.row >= 0
        elif kind == "K":
            self.lines[self.row] = ""
        else:
            assert kind in "mhl", kind

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


RUN = ("run", "--runner", "train.py:product")
WAITING = ("run", "--runner", "train.py:waits", "--workers", "2")


def test_the_live_view_leaves_a_line_per_trial_and_the_result(folder: Path) -> None:
    with terminal(folder, *WAITING) as child:
        child.expect(r"1/6 trials, ")
        child.expect("trial [12], [^\r\n]*step 1, score 0.5, learning_rate:0.[12], k:[12]")
        child.expect("best: score 0.1, trial 0, learning_rate:0.1, k:1")
        (folder / "go").touch()
        seen = output(child)
    assert child.exitstatus == 0
    assert COLOR.search(seen)
    screen = Screen(seen, 100).text
    assert len(re.findall(r"^\[\d/6\] trial \d: score 0\.\d in ", screen, re.MULTILINE)) >= 5
    assert "━" not in screen and "trials, " not in screen.partition("[2/6]")[2]
    assert squeezed(screen).endswith(squeezed(BEST))
    assert re.search(r"^100%\|█+\| 6/6 \[", screen, re.MULTILINE)


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal_is_left_as_clean(folder: Path, width: int) -> None:
    with terminal(folder, *WAITING, width=width) as child:
        child.expect("━")
        child.expect("…")
        (folder / "go").touch()
        seen = output(child)
    assert child.exitstatus == 0
    screen = Screen(seen, width).text
    assert "━" not in screen and "…" not in screen
    assert squeezed(screen).endswith(squeezed(BEST))
    with terminal(folder, "trials", width=width) as child:
        table = output(child)
    assert child.exitstatus == 0
    assert len(table.splitlines()) < 20


def test_no_color_gives_no_color(folder: Path) -> None:
    with terminal(folder, *RUN, NO_COLOR="1") as child:
        seen = output(child)
    assert child.exitstatus == 0
    assert "6/6 [" in seen
    assert not COLOR.search(seen)
    with terminal(folder, *RUN, NO_COLOR="1") as child:
        assert output(child).startswith("hyper.sweep: a sweep is here already")


def test_an_error_is_red(folder: Path) -> None:
    with terminal(folder, "best", "nope") as child:
        assert output(child).startswith("\x1b[31mnope: no such file or folder; ")
    assert child.exitstatus == 2


def test_a_dumb_terminal_gets_plain_lines(folder: Path) -> None:
    with terminal(folder, *RUN, TERM="dumb") as child:
        assert "[1/6] trial 0: score 0.1 in " in output(child)
    (folder / "hyper.test").write_text(f"k choice {list(range(300))}\nlearning_rate choice [1]\n")
    with terminal(folder, *RUN, "--restart", "--pool", "inline", TERM="dumb") as child:
        seen = output(child)
    assert "\x1b" not in seen
    assert "300 of 300 trials done, best score 299 (trial 299)" in seen


def test_a_terminal_without_room_for_all_columns_says_so(folder: Path) -> None:
    assert hypersweep("run", "--runner", "train.py:full", cwd=folder).returncode == 0
    with terminal(folder, "trials", width=60) as child:
        lines = re.sub(r"\x1b\[\d*m", "", output(child)).splitlines()
    assert lines[0].split()[:4] == ["number", "state", "learning_rate", "k"]
    assert all(len(line) <= 60 for line in lines[:7])
    assert "".join(lines[7:]).startswith("too wide for this terminal are valid ndcg@10, test recall@10, ")
    whole = hypersweep("trials", cwd=folder).stdout
    assert whole.splitlines()[0].rstrip().endswith("test ndcg@10  duration_s")


NAMES = (
    "learning_rate",
    "attn_dropout_prob",
    "hidden_dropout_prob",
    "train_batch_size",
    "MAX_ITEM_LIST_LENGTH",
    "text",
)
TEXT = "abcdefghijkl"


@pytest.mark.parametrize(
    ("width", "num_params", "text"), [(200, 6, TEXT), (90, 6, TEXT), (70, 6, "abcd"), (40, 2, "0.5")]
)
def test_parameters_are_cut_or_left_out_where_a_terminal_is_narrow(
    folder: Path, width: int, num_params: int, text: str
) -> None:
    """The number, the state and the score stay whole, and headings are cut before values."""
    space = "".join(f"{name} choice [0.5]\n" for name in NAMES[:-1])
    (folder / "hyper.test").write_text(f"{space}{NAMES[-1]} choice ['{TEXT}']\n")
    assert hypersweep("run", "--command", "echo 0.25", cwd=folder).returncode == 0
    with terminal(folder, "trials", width=width) as child:
        heading, row, *rest = re.sub(r"\x1b\[\d*m", "", output(child)).splitlines()
    number, state, *params, score = heading.split()[: num_params + 3]
    assert (number, state, score) == ("number", "state", "score")
    assert all(name.startswith(shown.rstrip("…")) for name, shown in zip(NAMES, params, strict=False))
    number, state, *values, score = row.split()[: num_params + 3]
    assert (number, state, score) == ("0", "finished", "0.25")
    assert values[:5] == ["0.5"] * min(num_params, 5)
    assert values[-1].startswith(text)
    assert max(len(heading), len(row)) <= width
    assert [name for name in NAMES if name in "".join(rest)] == list(NAMES[num_params:])


@pytest.mark.parametrize("width", [100, 40])
def test_ctrl_c_stops_and_says_how_to_go_on(folder: Path, width: int) -> None:
    """On the narrow terminal the last line of the view is cut, and the terminal's own ^C comes after it."""
    with terminal(folder, *WAITING, width=width) as child:
        child.expect("best: score 0.1, trial 0, lear")
        child.sendintr()
        seen = output(child, within_s=STOP_WITHIN_S)
    assert child.exitstatus == 130
    screen = Screen(seen, width).text
    assert "━" not in screen and "best: " not in screen
    told = "interrupted: saved in hyper.sweep: 5 waiting, 1 finished; go on with: hypersweep resume hyper.sweep"
    assert squeezed(screen).endswith(squeezed(told))
    (folder / "go").touch()
    done = hypersweep("resume", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.endswith(BEST)


def test_ctrl_c_before_the_first_trial(folder: Path) -> None:
    (folder / "slow.py").write_text("import time\nopen('imported', 'w').close()\ntime.sleep(60)\n")
    with terminal(folder, "run", "--runner", "slow.py:f") as child:
        wait_until((folder / "imported").exists, "the import of the runner")
        child.sendintr()
        assert "Traceback" not in output(child)
    assert child.exitstatus == 130
    assert not (folder / "hyper.sweep").exists()


READERS = ("trials", "trials --csv", "trials --json", "logs 0", "best", "status", "plan", "--help", "run --help")


@pytest.mark.parametrize("words", READERS)
def test_a_reader_that_goes_away_is_no_error(finished: Path, words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "hypersweep", *shlex.split(words)]
    try:
        done = subprocess.run(
            command,
            cwd=finished,
            env=environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
        )
    finally:
        os.close(writer)
    assert done.stderr == ""
    assert done.returncode in (0, 1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished sweep of 400 trials; trial 0 has written 1 MB."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "hyper.test").write_text(f"k choice {list(range(400))}\n")
    (folder / "train.py").write_text(
        "def f(params):\n    print('x' * (10**6 if params['k'] == 0 else 1))\n    return params['k']\n"
    )
    done = hypersweep("run", "--runner", "train.py:f", "--pool", "inline", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_pipe_to_head(finished: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m hypersweep trials --csv | head -1"
    done = subprocess.run(["sh", "-c", line], cwd=finished, env=environment(), capture_output=True, text=True)
    assert done.stdout.startswith("number,state,k,score,")
    assert done.stderr == ""


def test_a_pipe_that_nobody_reads(finished: Path) -> None:
    """Little output, written at the very end, to a reader that is gone by then."""
    line = f"{shlex.quote(sys.executable)} -m hypersweep trials --top 1 --csv | true"
    for _ in range(3):
        done = subprocess.run(["sh", "-c", line], cwd=finished, env=environment(), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", ["trials", "best", "run --runner train.py:f --pool inline --restart", "--help"])
def test_a_full_disk_under_the_output_is_told_in_one_line(finished: Path, words: str) -> None:
    line = f"{shlex.quote(sys.executable)} -m hypersweep {words} > /dev/full"
    done = subprocess.run(["sh", "-c", line], cwd=finished, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("stdout: cannot be written (No space left on device); expected room")
    assert "Traceback" not in done.stderr
    assert hypersweep("status", cwd=finished).stdout.startswith("hyper.sweep: finished, 400 finished")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", ["run --runner train.py:f --pool inline --restart", "status nowhere"])
def test_the_exit_code_is_right_where_no_error_can_be_printed(finished: Path, words: str) -> None:
    line = f"{shlex.quote(sys.executable)} -m hypersweep {words} 2> /dev/full"
    assert subprocess.run(["sh", "-c", line], cwd=finished, env=environment()).returncode == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_no_error(folder: Path, closed: str) -> None:
    """And no file gets their numbers: what trials and commands print is in none."""
    python = f"{shlex.quote(sys.executable)} -m hypersweep"
    for words in ("run --command 'echo said; echo 0.5'", "best", "trials --csv", "status"):
        done = subprocess.run(
            ["sh", "-c", f"{python} {words} {closed}"], cwd=folder, env=environment(), timeout=TIMEOUT_S
        )
        assert done.returncode == 0, words
    assert (folder / "hyper.result").read_text().count("score : 0.5\n\n") == 6
    assert hypersweep("logs", "3", cwd=folder).stdout == "said\n0.5\n"
