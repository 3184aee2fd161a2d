"""What a pool says of trials that could not tell their end themselves."""

from __future__ import annotations

from hypersweep.runner.execute import name_signal
from hypersweep.runner.memory import OUT_OF_MEMORY, mark_out_of_memory
from hypersweep.trial import Failed


def timed_out(limit_s: float) -> Failed:
    """It ran longer than `Work.trial_timeout_s`, and was asked to end for that: whatever it returned then."""
    return Failed(f"timeout: it ran longer than {tell_duration(limit_s)}, the limit that --trial-timeout sets")


def not_started(error: OSError) -> Failed:
    """No process could be had for it."""
    return Failed(mark_out_of_memory(f"no process could be started for the trial: {error.strerror}"))


def describe_death(exit_code: int, *, is_out_of_memory: bool = False) -> str:
    """Its process ended before it told how the trial did; a negative `exit_code` is a signal, as subprocess has it."""
    if exit_code >= 0:
        return f"the process ended with exit code {exit_code} before it returned a result"
    name = name_signal(-exit_code)
    if is_out_of_memory:
        return f"{OUT_OF_MEMORY}the kernel killed the process ({name}). Run fewer at once, or smaller ones"
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"the process was killed by {name}{hint}"


def tell_duration(seconds: float) -> str:
    """`2 h`, `1 h 30 min`, `90 s` as `1 min 30 s`, `0.5 s`."""
    if seconds != round(seconds):
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return " ".join(parts) or "0 s"
