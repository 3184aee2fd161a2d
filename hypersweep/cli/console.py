"""What a person sees while a sweep runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressView
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hypersweep.cli.progress import Progress, Running, tell
from hypersweep.cli.wording import format_params, format_score, format_seconds, name_trials
from hypersweep.events import Event, Noted, OnEvent, SweepStarted, TrialEnded

SUMMARY_INTERVAL_S = 10.0
MAX_RUNNING = 8
BAR_WIDTH = 24
ECHO_WIDTH = 3  # a line as wide as the terminal would wrap under the ^C that the terminal echoes
MIN_ERROR_WIDTH = 40
MIN_WIDTH, MIN_VALUE_WIDTH = 4, 8  # what is left at least of a heading, and of a value, that is cut
_WHOLE = ("number", "state", "score", "error", "step")  # columns that are never cut


@contextlib.contextmanager
def open_console() -> Iterator[OnEvent]:
    """A callback that shows what happens on stderr until the context ends. Where nobody reads that any more (a closed
    pipe, a terminal that has gone) the sweep goes on unseen."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with LiveView() as view:
            yield view.show
    else:
        yield PlainLines().show


@contextlib.contextmanager
def open_download_view(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A callback that shows on stderr how many bytes of a download are there, of how many: a bar on a terminal, else
    a line every ten seconds."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        columns = (TextColumn("{task.description}"), BarColumn(BAR_WIDTH), DownloadColumn())
        console = Console(file=sys.stderr)
        with ProgressView(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console) as view:
            task = view.add_task(name, total=None)
            yield lambda num_bytes, total: view.update(task, completed=num_bytes, total=total)
    else:
        yield PlainDownload(name).show


class PlainDownload:
    """A line when a download begins, then one every ten seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.line_due_at = 0.0

    def show(self, num_bytes: int, total: int | None) -> None:
        if time.monotonic() >= self.line_due_at:
            self.line_due_at = time.monotonic() + SUMMARY_INTERVAL_S
            of = "" if total is None else f" of {total / 1e6:.1f}"
            print(f"{self.name}: {num_bytes / 1e6:.1f}{of} MB", file=sys.stderr, flush=True)


class PlainLines:
    """A line per finished trial while they are few, else a summary every ten seconds."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.summary_due_at = 0.0

    def show(self, event: Event) -> None:
        self.progress.update(event)
        if not isinstance(event, TrialEnded) or self.progress.has_few:
            line = tell(event, self.progress)
        elif time.monotonic() >= self.summary_due_at or self.progress.num_done == self.progress.size:
            self.summary_due_at = time.monotonic() + SUMMARY_INTERVAL_S
            line = self.progress.summarise()
        else:
            line = None
        if line is not None:
            with contextlib.suppress(OSError):
                print(line, file=sys.stderr, flush=True)


class LiveView:
    """Lines as above, and below them what changes: bar, time left, running trials, best, failures."""

    def __init__(self) -> None:
        self.progress = Progress()
        # The stream of now: pool inline redirects sys.stderr while a trial runs, and the view refreshes meanwhile.
        self.console = Console(file=sys.stderr, highlight=False)
        self.live = Live(
            console=self.console,
            get_renderable=self.render,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.live.stop()

    def show(self, event: Event) -> None:
        self.progress.update(event)
        with contextlib.suppress(OSError):
            self._print(event)

    def _print(self, event: Event) -> None:
        line = tell(event, self.progress) if self.progress.has_few or not isinstance(event, TrialEnded) else None
        if line is not None:
            style = "yellow" if isinstance(event, Noted) and event.is_warning else "red" if ": failed " in line else ""
            self.console.print(Text(line, style=style), soft_wrap=True)
        if isinstance(event, SweepStarted):
            self.live.start()

    def render(self) -> RenderableType:
        """The part of the view that changes."""
        progress = self.progress
        running = list(progress.running.values())
        lines: list[RenderableType] = [_render_bar(progress)]
        lines += [_line(_tell_running(trial)) for trial in running[:MAX_RUNNING]]
        if len(running) > MAX_RUNNING:
            lines.append(_line(f"  … and {len(running) - MAX_RUNNING} more"))
        if progress.best is not None:
            trial, result = progress.best
            where = name_trials(trial.number, progress.repeats)
            lines.append(_line(f"best: {format_score(result)}, {where}, {format_params(trial.params)}", "green"))
        if progress.num_failed:
            last = f", the last: {progress.last_failure}" if progress.last_failure else ""
            lines.append(_line(f"{progress.num_failed} failed{last}", "red"))
        return Constrain(Group(*lines), max(1, self.console.width - ECHO_WIDTH))


def _render_bar(progress: Progress) -> RenderableType:
    left = f", about {format_seconds(progress.left_s)} left" if progress.left_s else ""  # 0: longer than any before
    of = "" if progress.size is None else f"/{progress.size}"
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=progress.size, completed=progress.num_done, width=BAR_WIDTH),
        _line(f"{progress.num_done}{of} trials, {format_seconds(progress.elapsed_s)}{left}"),
    )
    return row


def _tell_running(running: Running) -> str:
    step = "" if running.step is None else f", step {running.step}"
    metrics = "".join(f", {name} {value:.4g}" for name, value in list(running.metrics.items())[:2])
    duration = format_seconds(time.monotonic() - running.started_at)
    trial = running.trial
    attempt = f" (attempt {trial.attempt})" if trial.attempt > 1 else ""
    where = f" on {running.where}" if running.where else ""
    return f"  trial {trial.number}{attempt}{where}, {duration}{step}{metrics}, {format_params(trial.params)}"


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]], *, may_drop: Callable[[str], bool]) -> list[str]:
    """A table on stdout. On a terminal that is too narrow, columns that it may drop are left out from the right, then
    those that need not be whole are cut, headings before values, and left out at last; gives the names of what is left
    out."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    values = {name: max(map(cell_len, cells)) for name, cells in zip(names, zip(*rows, strict=True), strict=True)}
    widths = {name: max(width, cell_len(name)) for name, width in values.items()}
    if "error" in widths:
        widths["error"] = min(widths["error"], MIN_ERROR_WIDTH)
    _drop(widths, [name for name in names if may_drop(name)], dict(widths), console.width)
    values = {name: max(width, MIN_WIDTH) for name, width in values.items() if name in widths and name not in _WHOLE}
    cut_values = {name: min(width, MIN_VALUE_WIDTH) for name, width in values.items()}
    _drop(widths, list(values), {**widths, **cut_values}, console.width)
    for least in (values, cut_values):
        _cut(widths, least, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in widths.items():
        if name == "error":
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, width=width, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(cell) for name, cell in zip(names, row, strict=True) if name in widths))
    console.print(table)
    return [name for name in names if name not in widths]


def _excess(widths: Iterable[int], room: int) -> int:
    """By how much a table with columns of these widths is too wide."""
    widths = list(widths)
    return sum(widths) + 2 * (len(widths) - 1) - room


def _drop(widths: dict[str, int], names: Sequence[str], needed: Mapping[str, int], room: int) -> None:
    """Leave out the last of the columns, as many as need be for what each of the others needs."""
    for name in reversed(names):
        if _excess((needed[other] for other in widths), room) > 0:
            del widths[name]


def _cut(widths: dict[str, int], least: Mapping[str, int], room: int) -> None:
    """Make the widest columns narrower, down to their least width, as far as need be."""
    for _ in range(_excess(widths.values(), room)):
        wide = [name for name, width in widths.items() if width > least.get(name, width)]
        if wide:
            widths[max(wide, key=lambda name: widths[name])] -= 1
