"""Random search, TPE and annealing by hyperopt: its own algorithms over its own history, fed as `hyperopt.fmin` does.

The points of a sequential sweep are those of `fmin(…, rstate=numpy.random.default_rng(seed))`, one by one: the n-th
suggestion gets the n-th number drawn from `rstate`, and a history with every point before it. Points that were given
(`--enqueue`) come first and draw nothing, as fmin's `points_to_evaluate`. A point that failed or was pruned is one
whose status is `fail`; one that still runs is one of fmin's queue: both are avoided as infinitely bad.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from hyperopt import Trials, anneal, hp, rand, tpe
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_RUNNING, STATUS_FAIL, STATUS_NEW, STATUS_OK, Domain

from hypersweep.errors import SearchError
from hypersweep.search.bounds import WHOLE, bounds_of
from hypersweep.search.drawing import MAX_INFORMED, draw_allowed
from hypersweep.search.protocol import Observation
from hypersweep.space import Choice, Distribution, Parameter, Range, Space, Value
from hypersweep.trial import Params

Algorithm = Literal["random", "tpe", "anneal"]

_SUGGEST: Mapping[Algorithm, Callable[..., Any]] = {
    "random": rand.suggest,
    "tpe": partial(tpe.suggest, verbose=False),
    "anneal": anneal.suggest,
}
_MAX_WEIGHED = 10**7  # values of one `randint`, for which tpe and anneal need 1.5 GB then
_SEED_BOUND = 2**31 - 1  # of the seeds that fmin draws


class HyperoptSearcher:
    """Without end. Its history grows by the points it is told of, so that a suggestion costs what it costs hyperopt.
    Raises `SearchError` for a space that is too much for an algorithm."""

    size = None

    def __init__(self, space: Space, algorithm: Algorithm, *, seed: int = 2020, given: Sequence[Params] = ()) -> None:
        self.space = space
        self.is_adaptive = algorithm != "random"
        if self.is_adaptive:
            _refuse_wide(space, algorithm)
        self.algorithm = _SUGGEST[algorithm]
        self.given = given
        self.domain = Domain(None, {parameter.name: _as_node(parameter) for parameter in space.parameters})
        self.trials = Trials()
        self.documents: dict[int, dict[str, Any]] = {}
        self.points: dict[int, Params] = {}
        self.is_stale = False
        self.generator = np.random.default_rng(_unsigned(seed))
        self.seeds: list[int] = []

    def suggest(self, number: int) -> Params:
        if number < len(self.given):
            return self.given[number]
        if number in self.points:
            return self.points[number]
        if self.is_stale:
            self.trials.refresh()
            self.is_stale = False
        return draw_allowed(self.space, partial(self._draw, number))

    def _draw(self, number: int, attempt: int) -> Params:
        """What hyperopt suggests; at later attempts, for which fmin has no like, with a seed of their own."""
        seed = self._seed_of(number - len(self.given))
        if attempt:
            seed = int(np.random.default_rng((seed, attempt)).integers(_SEED_BOUND))
        algorithm = self.algorithm if attempt < MAX_INFORMED else rand.suggest
        (document,) = algorithm([number], self.domain, self.trials, seed)
        drawn = document["misc"]["vals"]
        return self.space.keep_active(
            {parameter.name: _from_hyperopt(parameter, drawn[parameter.name][0]) for parameter in self.space.parameters}
        )

    def observe(self, observation: Observation) -> None:
        document = self.documents.get(observation.number)
        if document is None:
            document = self._document_of(observation)
            self.trials.insert_trial_doc(document)
            self.documents[observation.number] = document
            self.points[observation.number] = observation.params
            self.is_stale = True
        document["state"] = JOB_STATE_RUNNING if observation.state == "pending" else JOB_STATE_DONE
        document["result"] = _result_of(observation)

    def _seed_of(self, position: int) -> int:
        """The number that fmin draws for its suggestion at `position`."""
        missing = position + 1 - len(self.seeds)
        if missing > 0:
            self.seeds += self.generator.integers(_SEED_BOUND, size=missing).tolist()
        return self.seeds[position]

    def _document_of(self, observation: Observation) -> dict[str, Any]:
        """As hyperopt would have made it; parameters that are not there have no value, as in its nested spaces."""
        number, params = observation.number, observation.params
        values = {
            parameter.name: [_to_hyperopt(parameter, params[parameter.name])] if parameter.name in params else []
            for parameter in self.space.parameters
        }
        misc = {
            "tid": number,
            "cmd": self.domain.cmd,
            "workdir": None,
            "idxs": {name: [number] * len(value) for name, value in values.items()},
            "vals": values,
        }
        (document,) = self.trials.new_trial_docs([number], [None], [None], [misc])
        return document  # type: ignore[no-any-return]


def _refuse_wide(space: Space, algorithm: Algorithm) -> None:
    """An algorithm that learns weighs each value of a `randint` by itself, whether it has been tried or not."""
    for parameter in space.parameters:
        if isinstance(parameter, Distribution) and parameter.kind == "randint":
            bounds = bounds_of(parameter)
            if bounds.high - bounds.low >= _MAX_WEIGHED:
                raise SearchError(
                    f"space: {parameter.name!r} is a randint of {bounds.high - bounds.low + 1} values; expected at "
                    f"most {_MAX_WEIGHED} for --algo {algorithm}. Use uniformint, or --algo random"
                )


def _result_of(observation: Observation) -> dict[str, Any]:
    if observation.state == "finished":
        return {"status": STATUS_OK, "loss": observation.loss}
    return {"status": STATUS_NEW if observation.state == "pending" else STATUS_FAIL}


def _as_node(parameter: Parameter) -> Any:
    """hyperopt's expression for a parameter. A choice is one of its positions, since any value may be in its list; so
    is a range, whose ends are drawn as often as all others: hyperopt's own `uniformint` draws them half as often."""
    name = parameter.name
    if isinstance(parameter, Choice):
        return hp.choice(name, list(range(len(parameter.values))))
    if isinstance(parameter, Range):
        if parameter.is_log:
            return hp.qloguniform(name, math.log(parameter.low - 0.5), math.log(parameter.high + 0.5), 1)
        return hp.quniform(name, -0.5, parameter.num_values - 0.5, 1)
    if parameter.kind == "log":
        return hp.loguniform(name, *map(math.log, parameter.arguments))
    return getattr(hp, parameter.kind)(name, *parameter.arguments)


def _from_hyperopt(parameter: Parameter, drawn: Any) -> Value:
    """The plain Python value: not np.float64, which would print as that."""
    if isinstance(parameter, Choice):
        return parameter.values[int(drawn)]
    if isinstance(parameter, Range):
        position = int(drawn) - (int(parameter.low) if parameter.is_log else 0)
        return parameter.value_at(min(max(position, 0), parameter.num_values - 1))
    if parameter.kind == "log":
        low, high = parameter.arguments
        return float(min(max(drawn, low), high))
    return int(drawn) if parameter.kind in WHOLE else float(drawn)


def _to_hyperopt(parameter: Parameter, value: Value) -> float:
    """What hyperopt would have drawn for the value."""
    if isinstance(parameter, Choice):
        return parameter.index_of_text[str(value)]
    assert isinstance(value, (int, float))
    if isinstance(parameter, Range):
        position = parameter.position_of(str(value))
        assert position is not None, "it is one of the space"
        return float(value if parameter.is_log else position)
    return int(value) if parameter.kind == "randint" else float(value)


def _unsigned(seed: int) -> int:
    """NumPy's generators take no negative seed."""
    return seed if seed >= 0 else seed + 2**64
