"""The search space: named parameters, the rules between them and, if all have finitely many values, their grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from functools import cached_property

from hypersweep.errors import SpaceError
from hypersweep.space.grid import Grid
from hypersweep.space.growth import has_values_of
from hypersweep.space.parameter import Choice, Finite, Parameter, Range, find_typical_values
from hypersweep.space.rule import CONSTRAINT, FORBIDDEN, Rule
from hypersweep.space.value import Value

MAX_TYPICAL_POINTS = 1_000


class Space:
    """Ordered named parameters, constraints that a point must fulfil, and what is forbidden (see `expression`).

    Equal if the parameters and their order are, and the rules. Raises `SpaceError` if there is no parameter, two have
    the same name, or a rule is none.
    """

    def __init__(
        self, parameters: Iterable[Parameter], *, constraints: Iterable[str] = (), forbidden: Iterable[str] = ()
    ) -> None:
        self.parameters: tuple[Parameter, ...] = tuple(parameters)
        if not self.parameters:
            raise SpaceError(
                "the space has no parameter; expected at least one. Add a line: learning_rate choice [0.001]"
            )
        names = [parameter.name for parameter in self.parameters]
        for name in sorted(set(names)):
            if names.count(name) > 1:
                raise SpaceError(f"{name!r} stands in the space {names.count(name)} times; expected once. Rename one")
        self.rules: tuple[Rule, ...] = (
            *(Rule(CONSTRAINT, text) for text in constraints),
            *(Rule(FORBIDDEN, text) for text in forbidden),
        )
        self.conditions: tuple[Rule | None, ...] = tuple(
            None if parameter.only_if is None else Rule(f"only_if of {parameter.name}", parameter.only_if)
            for parameter in self.parameters
        )
        self._check_rules()

    def _check_rules(self) -> None:
        problems = []
        above: dict[str, Parameter] = {}
        for parameter, condition in zip(self.parameters, self.conditions, strict=True):
            if condition is not None:
                problems += condition.find_name_problems(above)
            above[parameter.name] = parameter
        for rule in self.rules:
            problems += rule.find_name_problems(above)
        if problems:
            raise SpaceError.gather(map(str, problems))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and repr(self) == repr(other)  # 1 == True, their texts differ

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        rules = "".join(f", {what}={self.texts_of(what)!r}" for what in (CONSTRAINT, FORBIDDEN) if self.texts_of(what))
        return f"Space({list(self.parameters)!r}{rules})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    def texts_of(self, what: str) -> tuple[str, ...]:
        """The rules of a kind, `constraint` or `forbidden`, as they were written."""
        return tuple(rule.text for rule in self.rules if rule.what == what)

    @property
    def first_distribution(self) -> str | None:
        """The name of the first parameter without a list of values, because of which there is no grid."""
        return next(
            (parameter.name for parameter in self.parameters if not isinstance(parameter, Choice | Range)), None
        )

    @cached_property
    def finite(self) -> tuple[Finite, ...]:
        """The parameters of a grid. Raises `SpaceError` if one of them is a distribution."""
        finite = tuple(parameter for parameter in self.parameters if isinstance(parameter, Choice | Range))
        if len(finite) < len(self.parameters):
            raise SpaceError(f"{self.first_distribution!r} is no choice; a grid needs choices only")
        return finite

    @cached_property
    def grid(self) -> Grid:
        """The points by number. Raises `SpaceError` if a parameter is a distribution, a rule cannot be computed, or
        the rules allow no point."""
        grid = Grid(self.finite, self.conditions, self.rules)
        if grid.size == 0:
            raise SpaceError("the rules allow no point of the space; expected at least one. Loosen a rule")
        return grid

    @property
    def grid_size(self) -> int | None:
        """How many numbers the grid has; None if a parameter is a distribution. With rules that are too large to be
        counted (`grid.is_exact`) some of them have no point."""
        return None if self.first_distribution is not None else self.grid.size

    def extends(self, older: Space) -> bool:
        """Whether the older space has the same parameters, conditions and rules, and no value that this one lacks."""
        return (
            self.names == older.names
            and self.rules == older.rules
            and all(map(has_values_of, self.parameters, older.parameters))
        )

    def grid_beyond(self, older: Space) -> Grid:
        """The points that the older space, which this one extends, does not have; raises `RuleError` as `grid`."""
        return Grid(self.finite, self.conditions, self.rules, older.finite)

    def has(self, texts: Mapping[str, str]) -> bool:
        """Whether the texts are those of a point of the grid."""
        try:
            self.grid.index(texts)
        except LookupError:
            return False
        return True

    def at(self, index: int) -> dict[str, Value] | None:
        """See `Grid.at`."""
        return self.grid.at(index)

    def index(self, texts: Mapping[str, str]) -> int:
        """See `Grid.index`; raises `SpaceError` for a point that a rule does not allow."""
        try:
            return self.grid.index(texts)
        except KeyError:
            raise
        except LookupError as error:
            params: dict[str, Value] = {}
            for parameter in self.finite:
                position = parameter.position_of(texts[parameter.name]) if parameter.name in texts else None
                if position is not None:
                    params[parameter.name] = parameter.value_at(position)
            rule = self.find_broken_rule(params)
            raise SpaceError(f"{rule} does not allow the point; expected one that the space has") from error

    def check_rules(self) -> None:
        """Raises `RuleError` if a rule cannot be computed: for any point that is counted, or else for typical ones."""
        if self.first_distribution is None:
            self.grid  # noqa: B018  counted now, so that it is an error now
        typical = {parameter.name: find_typical_values(parameter) for parameter in self.parameters}
        for rule in (*self.rules, *filter(None, self.conditions)):
            points = itertools.product(*(typical[name] for name in rule.names))
            for point in itertools.islice(points, MAX_TYPICAL_POINTS):
                rule.holds(dict(zip(rule.names, point, strict=True)))

    def keep_active(self, params: Mapping[str, Value]) -> dict[str, Value]:
        """Of values for all parameters those that are there, in the order of the space: whose conditions hold."""
        active: dict[str, Value] = {}
        for name, condition in zip(self.names, self.conditions, strict=True):
            if condition is None or condition.holds(active):
                active[name] = params[name]
        return active

    def find_broken_rule(self, params: Mapping[str, Value]) -> Rule | None:
        """The first rule that does not allow the point; None if all do."""
        return next((rule for rule in self.rules if not rule.allows(params)), None)
