"""hypersweep: one trial per combination of a search space, through any model runner, and nothing lost on the way.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypersweep.errors import HypersweepError, TrialPruned
    from hypersweep.launch import resume, sweep
    from hypersweep.pool.protocol import Pool
    from hypersweep.runner.contract import Key, LiveTrial, Runner
    from hypersweep.search.protocol import Observation, Searcher
    from hypersweep.session import SweepInterrupted
    from hypersweep.space import Choice, Distribution, Range, Space
    from hypersweep.spacefile import load_space
    from hypersweep.study import Study
    from hypersweep.trial import Result, Trial

__version__ = "0.1.0"

_MODULE_OF = {
    "Choice": "hypersweep.space",
    "Distribution": "hypersweep.space",
    "HypersweepError": "hypersweep.errors",
    "Key": "hypersweep.runner.contract",
    "LiveTrial": "hypersweep.runner.contract",
    "Observation": "hypersweep.search.protocol",
    "Pool": "hypersweep.pool.protocol",
    "Range": "hypersweep.space",
    "Result": "hypersweep.trial",
    "Runner": "hypersweep.runner.contract",
    "Searcher": "hypersweep.search.protocol",
    "Space": "hypersweep.space",
    "Study": "hypersweep.study",
    "SweepInterrupted": "hypersweep.session",
    "Trial": "hypersweep.trial",
    "TrialPruned": "hypersweep.errors",
    "load_space": "hypersweep.spacefile",
    "resume": "hypersweep.launch",
    "sweep": "hypersweep.launch",
}

__all__ = [
    "Choice",
    "Distribution",
    "HypersweepError",
    "Key",
    "LiveTrial",
    "Observation",
    "Pool",
    "Range",
    "Result",
    "Runner",
    "Searcher",
    "Space",
    "Study",
    "SweepInterrupted",
    "Trial",
    "TrialPruned",
    "__version__",
    "load_space",
    "resume",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hypersweep' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
