"""Optuna's samplers, by ask and tell.

A fresh sampler, seeded with the sweep's seed and the point's number, makes each suggestion from a study in memory that
holds every point told so far, those that still run included. So the points are a function of what was told, though not
those of an Optuna study whose one sampler draws on and on. CMA-ES and NSGA-II keep their generations in the study:
points told again at a resume are asked for again, which puts each into the generation it was in. The Gaussian process
notes there what it drew, which would count while the point runs: the note is emptied, so that the point itself counts.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hypersweep.errors import SearchError
from hypersweep.search.bounds import WHOLE, bounds_of
from hypersweep.search.drawing import MAX_INFORMED, draw_allowed
from hypersweep.search.protocol import Observation
from hypersweep.space import Choice, Parameter, Range, Space, Value
from hypersweep.trial import Params

Sampler = Literal["tpe", "gp", "cmaes", "nsga2"]

# A parallel search would try the same point again and again if TPE took no notice of what still runs.
_SAMPLERS: Mapping[Sampler, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed, constant_liar=True),
    "gp": lambda seed: GPSampler(seed=seed, warn_independent_sampling=False),
    "cmaes": lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False),
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
}
_GENERATIONAL = ("cmaes", "nsga2")
_GP_NOTE = "gp:relative_params:0"  # GPSampler's, where it begins


class OptunaSearcher:
    """Without end; raises `SearchError` for a distribution that Optuna does not have."""

    size = None
    is_adaptive = True

    def __init__(self, space: Space, sampler: Sampler, *, seed: int = 2020, given: Sequence[Params] = ()) -> None:
        self.space = space
        self.sampler_of = _SAMPLERS[sampler]
        self.is_generational = sampler in _GENERATIONAL
        self.is_gp = sampler == "gp"
        self.seed = seed
        self.given = given
        self.dimensions = {parameter.name: _as_dimension(parameter) for parameter in space.parameters}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study()
        self.points: list[Params] = []  # those the study has

    def suggest(self, number: int) -> Params:
        if number < len(self.given):
            return self.given[number]
        if number == len(self.points):
            self.points.append(self._ask(partial(self._draw_allowed, number)))
        return self.points[number]

    def observe(self, observation: Observation) -> None:
        number = observation.number
        if number == len(self.points):
            self._add(number, observation.params)
            self.points.append(observation.params)
        if observation.state == "pending":
            return
        if observation.loss is not None and not math.isnan(observation.loss):
            self.study.tell(number, observation.loss)
        else:
            self.study.tell(number, state=TrialState.PRUNED if observation.state == "pruned" else TrialState.FAIL)

    def _add(self, number: int, params: Params) -> None:
        """A point that was not suggested here: one that was given, or was recorded before a resume."""

        def draw(study: Study, trial: FrozenTrial) -> Params:
            if self.is_generational and number >= len(self.given):
                self._draw(number, study, trial, 0)  # the sampler notes in the study what it does of its generations
            return params

        self._ask(draw)

    def _ask(self, draw: Callable[[Study, FrozenTrial], Params]) -> Params:
        """Let the study have a trial of what is drawn."""
        self.study.sampler = drawn = _Drawn(draw, self.dimensions)
        trial = self.study.ask()
        for name in drawn.params:
            self.dimensions[name].suggest(trial)
        if self.is_gp:
            trial.storage.set_trial_system_attr(trial._trial_id, _GP_NOTE, "")
        return drawn.params

    def _draw_allowed(self, number: int, study: Study, trial: FrozenTrial) -> Params:
        return draw_allowed(self.space, partial(self._draw, number, study, trial))

    def _draw(self, number: int, study: Study, trial: FrozenTrial, attempt: int) -> Params:
        """What a sampler of its own would draw for the trial, parameter by parameter, those that are there."""
        seed = _seed_of(self.seed, number, attempt)
        with _few_warnings(), _one_torch_thread() if self.is_gp else nullcontext():
            sampler = self.sampler_of(seed) if attempt < MAX_INFORMED else RandomSampler(seed)
            together = sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))
        params: dict[str, Value] = {}
        for (name, dimension), condition in zip(self.dimensions.items(), self.space.conditions, strict=True):
            if condition is None or condition.holds(params):
                drawn = together.get(name)
                if drawn is None:
                    drawn = sampler.sample_independent(study, trial, name, dimension.distribution)
                params[name] = dimension.value_of(drawn)
        return params


@contextmanager
def _few_warnings() -> Iterator[None]:
    """Without those of what is meant: `constant_liar`, and that an infinite loss is to GP as bad as the worst."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Clip non-finite values", category=UserWarning)
        yield


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Threads wait for each other more than they compute, for matrices so small: several times as long."""
    import torch  # only the Gaussian process needs it

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


class _Drawn(BaseSampler):
    """Has the trial of a study draw what `draw` says, all its parameters together."""

    def __init__(self, draw: Callable[[Study, FrozenTrial], Params], dimensions: Mapping[str, _Dimension]) -> None:
        self.draw = draw
        self.dimensions = dimensions
        self.params: Params = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.params = self.draw(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.dimensions[param_name].drawn_for(self.params[param_name])


@dataclass(frozen=True)
class _Dimension:
    """A parameter as Optuna searches it. Multiples of `step` are searched as whole numbers, shifted up by `shift`;
    those of a range by their position, unless it is their logarithm that counts."""

    parameter: Parameter
    distribution: FloatDistribution | IntDistribution | CategoricalDistribution
    step: float | None = None
    shift: int = 0

    def suggest(self, trial: optuna.trial.Trial) -> None:
        name, distribution = self.parameter.name, self.distribution
        if isinstance(distribution, CategoricalDistribution):
            trial.suggest_categorical(name, distribution.choices)
        elif isinstance(distribution, IntDistribution):
            trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
        else:
            trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)

    def value_of(self, drawn: int | float) -> Value:
        if isinstance(self.parameter, Choice):
            return self.parameter.values[int(drawn)]
        if isinstance(self.parameter, Range):
            return self.parameter.value_at(int(drawn) - self.shift)
        if self.step is not None:
            drawn = (int(drawn) - self.shift) * self.step
        return int(drawn) if self.parameter.kind in WHOLE else float(drawn)

    def drawn_for(self, value: Value) -> int | float:
        if isinstance(self.parameter, Choice):
            return self.parameter.index_of_text[str(value)]
        if isinstance(self.parameter, Range):
            position = self.parameter.position_of(str(value))
            assert position is not None, "it is one of the space"
            return position + self.shift
        assert isinstance(value, (int, float))
        return value if self.step is None else round(value / self.step) + self.shift


def _as_dimension(parameter: Parameter) -> _Dimension:
    if isinstance(parameter, Choice):
        return _Dimension(parameter, CategoricalDistribution(range(len(parameter.values))))
    if isinstance(parameter, Range):
        shift = int(parameter.low) if parameter.is_log else 0
        positions = IntDistribution(shift, shift + parameter.num_values - 1, log=parameter.is_log)
        return _Dimension(parameter, positions, shift=shift)
    bounds = bounds_of(parameter)
    if math.isinf(bounds.high):
        raise SearchError(
            f"space: {parameter.name!r} has no bounds, got {parameter.kind}; expected bounds, as Optuna's samplers do. "
            "Use a bounded distribution such as uniform, or --algo tpe"
        )
    if bounds.step is None:
        return _Dimension(parameter, FloatDistribution(bounds.low, bounds.high, log=bounds.is_log))
    lowest, highest = round(bounds.low / bounds.step), round(bounds.high / bounds.step)
    shift = 1 if bounds.is_log and lowest == 0 else 0  # the logarithm of 0 is none
    whole = IntDistribution(lowest + shift, highest + shift, log=bounds.is_log)
    return _Dimension(parameter, whole, bounds.step, shift)


def _seed_of(seed: int, number: int, attempt: int = 0) -> int:
    """A seed of 32 bits, as Optuna takes them."""
    text = f"{seed}/{number}/{attempt}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
