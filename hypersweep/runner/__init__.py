"""Runners: what a trial does. See `contract` for what one is and `reference` for how one is named."""

from hypersweep.runner.contract import Key, LiveTrial, Runner
from hypersweep.runner.execute import execute
from hypersweep.runner.reference import LoadedRunner, RunnerReference
from hypersweep.runner.together import CommonLog, execute_together

__all__ = ["CommonLog", "Key", "LiveTrial", "LoadedRunner", "Runner", "RunnerReference", "execute", "execute_together"]
