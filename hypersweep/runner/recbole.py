"""RecBole itself as the runner `recbole`: its own objective, in a Python that has it (`--python`).

Light: RecBole is imported by what `run` calls, and by the trials' server process.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypersweep.datasets import find_data_folders
from hypersweep.errors import RunnerError, SettingsError, did_you_mean
from hypersweep.runner.contract import Key, LiveTrial
from hypersweep.trial import Params

CONFIG_NAME = "recbole.yaml"
VISIBLE = "CUDA_VISIBLE_DEVICES"

_PATHS = ("dataset_save_path", "dataloaders_save_path")
_IN_PROPERTIES = re.compile(r"^([A-Za-z_]\w*)[ \t]*:", re.MULTILINE)
_IN_CODE = re.compile(r"""config\[['"](\w+)['"]\]|config\.([a-z]\w*)\b(?!\()""")


def run(params: Params, trial: LiveTrial) -> Mapping[str, Any]:
    """RecBole's `objective_function` of the fixed settings, as a configuration file in the trial's folder, and of the
    params; gives what it returns. Reports the score after each validation with the number of epochs done."""
    shutil.rmtree(trial.checkpoint_dir)  # RecBole begins anew, and would take up a data set that it finds there
    settings = complete_settings({**trial.settings, **params}, trial)
    path = trial.folder.resolve() / CONFIG_NAME
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")  # which is YAML, with floats that it reads
    with _surroundings(trial.folder):
        quick_start: Any = importlib.import_module("recbole.quick_start.quick_start")
        told = _tell_evaluations(quick_start.get_trainer, trial)
        outside_of_tune = SimpleNamespace(report=lambda **metrics: None)
        with _replaced(quick_start, get_trainer=told, tune=outside_of_tune):
            result: Mapping[str, Any] = quick_start.objective_function(dict(params), [str(path)])
    return result


def complete_settings(settings: Mapping[str, Any], trial: LiveTrial) -> dict[str, Any]:
    """The settings with what only hypersweep knows: seed, device, and folders that are this trial's, or absolute."""
    completed = dict(settings)
    completed["seed"] = trial.seed
    completed["checkpoint_dir"] = str(trial.checkpoint_dir.resolve())  # it names its files by the second
    folders = find_data_folders(settings.get("data_path"))
    found = (folder for folder in folders if (folder / str(settings.get("dataset"))).is_dir())
    completed["data_path"] = str(next(found, folders[0]).resolve())
    for name in _PATHS:
        if settings.get(name):
            completed[name] = str(Path(settings[name]).expanduser().resolve())
    if trial.device == "cpu":
        completed["gpu_id"] = ""
    elif VISIBLE in os.environ and (trial.device is not None or "gpu_id" not in settings):
        completed["gpu_id"] = os.environ[VISIBLE]  # which it would set to its own
    return completed


def _tell_evaluations(get_trainer: Callable[..., Any], trial: LiveTrial) -> Callable[..., Any]:
    """A `get_trainer` whose trainers log each epoch, and report each validation where they can."""

    def get(*names: Any) -> Callable[[Any, Any], Any]:
        make = get_trainer(*names)

        def make_telling(config: Any, model: Any) -> Any:
            trainer = make(config, model)
            fit = trainer.fit
            metric = str(config["valid_metric"]).lower()
            extra: dict[str, Any] = {"verbose": True}
            if "callback_fn" in inspect.signature(fit).parameters:
                extra["callback_fn"] = lambda epoch, score: trial.report(epoch + 1, {metric: float(score)})
            trainer.fit = lambda *args, **options: fit(*args, **{**options, **extra})
            return trainer

        return make_telling

    return get


@contextlib.contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """What RecBole reads and changes besides its configuration: it takes options from `sys.argv`, writes logs to the
    working folder, sets up logging, wraps the output, hides GPUs, and loads its own checkpoints as pickles."""
    root, directory, environment = logging.getLogger(), os.getcwd(), dict(os.environ)
    handlers, level = root.handlers[:], root.level
    try:
        os.chdir(folder)
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
        with _replaced(sys, argv=sys.argv[:1], stdout=sys.stdout, stderr=sys.stderr):
            yield
    finally:
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


@contextlib.contextmanager
def _replaced(owner: Any, **attributes: Any) -> Iterator[None]:
    """The attributes have these values until the context ends, and then those from before."""
    before = {name: getattr(owner, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


_DEFAULTS = {"metric_decimal_place": 4}  # of overall.yaml, for what is rounded as RecBole rounds


def keys(settings: Mapping[str, Any]) -> Sequence[Key]:
    """Every name that RecBole's property files and code know; raises `RunnerError` if this Python does not have it,
    `SettingsError` if model or dataset are not named, or it has no such model."""
    package = _find_package()
    missing = [name for name in ("model", "dataset") if name not in settings]
    if missing:
        raise SettingsError.gather(
            f"settings: {name!r} is not set; expected one that RecBole knows. Name it: --{name} …" for name in missing
        )
    _check_models(package, settings["model"])
    names = {"model", "dataset"}
    for path in (package / "properties").rglob("*.yaml"):
        names.update(_IN_PROPERTIES.findall(path.read_text(encoding="utf-8")))
    for path in package.rglob("*.py"):
        for by_key, by_attribute in _IN_CODE.findall(path.read_text(encoding="utf-8")):
            names.add(by_key or by_attribute)
    return [Key(name, default=_DEFAULTS.get(name)) for name in sorted(names)]


def _check_models(package: Path, named: Any) -> None:
    """RecBole's own words for a model that it does not have tell of a library that is missing."""
    known = sorted(path.stem for path in (package / "properties" / "model").glob("*.yaml"))
    modules = {path.stem for path in (package / "model").glob("*/*.py")}
    unknown = [
        name
        for name in (named if isinstance(named, (list, tuple)) else [named])
        if str(name) not in known and str(name).lower() not in modules
    ]
    if unknown:
        raise SettingsError.gather(
            f"settings: 'model' is unknown, got {name!r}; expected a model of RecBole's."
            f"{did_you_mean(str(name), known)} Change it"
            for name in unknown
        )


def _find_package() -> Path:
    spec = importlib.util.find_spec("recbole")
    if spec is None or spec.origin is None:
        raise RunnerError(
            f"--runner recbole: {sys.executable} has no RecBole; expected a Python that has it. Make one, as "
            "docs/recbole.md says, and name it: --python PATH"
        )
    return Path(spec.origin).parent


run.keys = keys  # type: ignore[attr-defined]
run.preload = ("recbole.quick_start",)  # type: ignore[attr-defined]
