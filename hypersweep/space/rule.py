"""The rules of a space: on which condition a parameter is there, and which points are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hypersweep.errors import SpaceError, did_you_mean
from hypersweep.space.expression import Expression, ExpressionError
from hypersweep.space.parameter import Choice, Parameter
from hypersweep.space.value import Value

CONSTRAINT = "constraint"
FORBIDDEN = "forbidden"


class RuleError(SpaceError):
    """A rule that cannot be read or computed; `column` counts from 0 in its text, None: the whole."""

    def __init__(self, rule: str, problem: str, column: int | None = None) -> None:
        super().__init__(f"{rule}: {problem}")
        self.rule = rule
        self.problem = problem
        self.column = column


@dataclass(frozen=True)
class Rule:
    """An expression over the parameters with what it is for: `what` is `constraint`, `forbidden`, or a condition's
    `only_if of momentum`. Raises `RuleError` if the text is no expression, or names no parameter."""

    what: str
    text: str

    def __post_init__(self) -> None:
        if not self.names:
            raise RuleError(
                str(self), "names no parameter; expected a rule about some. Name one, or remove the rule", 0
            )

    def __str__(self) -> str:
        return f"{self.what}: {' '.join(self.text.split())}"

    @cached_property
    def expression(self) -> Expression:
        try:
            return Expression(self.text)
        except ExpressionError as error:
            raise RuleError(str(self), str(error), error.column) from error

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.expression.columns)

    def holds(self, params: Mapping[str, Value]) -> bool | None:
        """See `Expression.holds`; raises `RuleError`, which names the params, if it cannot be computed."""
        try:
            return self.expression.holds(params)
        except ExpressionError as error:
            told = ", ".join(f"{name}:{params[name]}" for name in self.names if name in params)
            raise RuleError(str(self), f"{error} ({told})") from error

    def allows(self, params: Mapping[str, Value]) -> bool:
        """Whether a constraint holds, or nothing is forbidden; a rule about a parameter that is not there allows."""
        holds = self.holds(params)
        return holds is None or holds is not (self.what == FORBIDDEN)

    def find_name_problems(self, known: Mapping[str, Parameter]) -> list[RuleError]:
        """An error for each name that is none of the `known` parameters."""
        problems = []
        for name, column in self.expression.columns.items():
            if name not in known:
                choices = [parameter for parameter in known.values() if isinstance(parameter, Choice)]
                is_value = any(name in choice.values for choice in choices)
                hint = f" Did you mean the value {name!r}? Quote it" if is_value else did_you_mean(name, known)
                expected = f"one of {', '.join(known)}" if known else "the name of one above it, and there is none"
                problem = f"no parameter, got {name!r}; expected {expected}.{hint or ' Rename it'}"
                problems.append(RuleError(str(self), problem, column))
        return problems
