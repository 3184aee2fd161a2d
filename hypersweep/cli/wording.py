"""How the commands say things: params, scores, durations, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypersweep.place import Place, as_word
from hypersweep.repeats import Spread
from hypersweep.selection import find_score_name
from hypersweep.trial import Result


def format_params(params: Mapping[str, object]) -> str:
    """`k_interests:3, learning_rate:0.001`, in the order of the space."""
    return ", ".join(f"{name}:{value}" for name, value in params.items())


def format_score(result: Result, spread: Spread | None = None) -> str:
    """`ndcg@10 0.1363` if a metric has the score, else `score 0.1363`; with the spread of repeats followed by
    ` ± 0.0021 (3 repeats)` or, where some have failed, ` ± 0.0021 (2 of 3 repeats)`."""
    text = f"{find_score_name(result) or 'score'} {result.score}"
    if spread is None:
        return text
    scatter = "" if spread.score is None else f" ± {spread.score:.2g}"
    return f"{text}{scatter} ({count_repeats(spread)} repeats)"


def count_repeats(spread: Spread) -> str:
    """`3`, or `2 of 3` where some have failed."""
    return f"{spread.repeats}" if spread.finished == spread.repeats else f"{spread.finished} of {spread.repeats}"


def count_trials(number: int) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {'trial' if number == 1 else 'trials'}"


def name_trials(number: int, repeats: int) -> str:
    """`trial 4`, or `trials 12 to 14` for the combination whose first trial it is."""
    return f"trial {number}" if repeats == 1 else f"trials {number} to {number + repeats - 1}"


def format_seconds(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3:07`, `27:45:38`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def list_failures(failures: Sequence[tuple[int, str]], place: Place, most: int) -> list[str]:
    """A line for each failed trial (number, error), and what to do about them."""
    folder = as_word(place.folder)
    lines = [f"failed: trial {number}: {error}" for number, error in failures[:most]]
    if len(failures) > most:
        lines.append(f"… and {len(failures) - most} more: hypersweep trials {folder} --state failed")
    if failures:
        lines.append(f"see a trial's log: hypersweep logs {failures[0][0]} {folder}")
        lines.append(f"try the failed ones again: hypersweep resume {folder} --retry-failed")
    return lines
