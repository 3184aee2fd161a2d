"""How many threads numerical libraries start in a trial: told by variables that they read at their import."""

from __future__ import annotations

import os

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def thread_environment(threads: int) -> dict[str, str]:
    """The variables for `threads` threads a trial.

    Waiting threads sleep, unless the user wants otherwise: where they spin, as is OpenMP's default, and another
    process needs the core, an epoch takes ten times as long.
    """
    waiting = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    return {**dict.fromkeys(VARIABLES, str(threads)), "OMP_WAIT_POLICY": waiting}
