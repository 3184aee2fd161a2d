"""Counting the points of a space by dynamic programming over its parameters in their order.

How many points follow the values so far depends on those only as far as a rule or condition further on asks for them:
that is the state. Each level maps the states that its parameter may meet to what may follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hypersweep.space.growth import split_by_age
from hypersweep.space.parameter import Finite
from hypersweep.space.rule import Rule
from hypersweep.space.value import Value

MAX_COST = 50_000  # values that are looked at: less than a second

# Whether a value so far is new (see `Counting`), then for each parameter that is asked for from here on the position of
# its value, None where it is not there.
State = tuple[int | None, ...]


@dataclass
class Node:
    """What may follow a state: the values of the next parameter, in runs of those that are followed by the same.

    Run i has `lengths[i]` values from position `firsts[i]` on, each followed by `counts[i]` points, and `starts[i]`
    points come before it. Where the parameter is not there, one run of length one stands for that.
    """

    is_there: bool
    firsts: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    children: list[State | None] = field(default_factory=list)  # None: not allowed
    starts: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def add(self, first: int, length: int, child: State | None) -> None:
        if self.children and self.children[-1] == child:
            self.lengths[-1] += length
            return
        self.firsts.append(first)
        self.lengths.append(length)
        self.children.append(child)

    def count(self, total_of: Mapping[State, int]) -> int:
        """Fill in the counts from those of the states that follow; gives their sum."""
        total = 0
        for length, child in zip(self.lengths, self.children, strict=True):
            self.starts.append(total)
            self.counts.append(0 if child is None else total_of[child])
            total += length * self.counts[-1]
        return total


class Counting:
    """The levels, and the `size` that they sum up to.

    `conditions` are by position, None for none, and name parameters above only. `older` are parameters with the same
    names: if they are given, only points with a new value, one that they do not have, count.

    A condition or rule by which more than `MAX_COST` values would have to be looked at is left out, and then listed in
    `uncounted_conditions` (by position) or `uncounted_rules`. Raises `RuleError` if one cannot be computed.
    """

    def __init__(
        self,
        parameters: Sequence[Finite],
        conditions: Sequence[Rule | None],
        rules: Sequence[Rule],
        older: Sequence[Finite] | None = None,
    ) -> None:
        self.parameters = parameters
        self.older = older
        self.position_of = {parameter.name: position for position, parameter in enumerate(parameters)}
        self.conditions: list[Rule | None] = [None] * len(parameters)
        self.rules: list[list[Rule]] = [[] for _ in parameters]  # by the position of the last parameter that each names
        self.asked_until = [-1] * len(parameters)  # the last level at which a parameter's value is asked for
        self.uncounted_conditions: dict[int, Rule] = {}
        self.uncounted_rules: list[Rule] = []
        self._choose(conditions, rules)
        self.root: State = (0,)
        self.levels = self._expand_all()
        self.size = self._count_all()

    def _choose(self, conditions: Sequence[Rule | None], rules: Sequence[Rule]) -> None:
        """Count what is cheap enough together with what came before it."""
        for level, condition in enumerate(conditions):
            if condition is None:
                continue
            self.conditions[level] = condition
            if not self._may_ask(condition, level):
                self.conditions[level], self.uncounted_conditions[level] = None, condition
        for rule in rules:
            level = max(self.position_of[name] for name in rule.names)
            if self._may_ask(rule, level):
                self.rules[level].append(rule)
            else:
                self.uncounted_rules.append(rule)

    def _may_ask(self, rule: Rule, level: int) -> bool:
        """Whether the rule can be counted too; if so, what it names is asked for until `level`."""
        before = list(self.asked_until)
        positions = [self.position_of[name] for name in rule.names]
        for position in positions:
            self.asked_until[position] = max(before[position], level)
        is_sure = not any(position in self.uncounted_conditions for position in positions)
        if is_sure and self._estimate_cost() <= MAX_COST:
            return True
        self.asked_until = before
        return False

    def _estimate_cost(self) -> int:
        """At most so many values are looked at."""
        cost = 0
        for level, parameter in enumerate(self.parameters):
            num_states = math.prod(
                self.parameters[position].num_values + (self.conditions[position] is not None)
                for position in self._find_asked(level)
            )
            cost += num_states * (parameter.num_values if self.asked_until[level] >= level else 1)
        return cost

    def _find_asked(self, level: int) -> list[int]:
        """The parameters above a level whose values are asked for there or further on."""
        return [position for position in range(level) if self.asked_until[position] >= level]

    def _expand_all(self) -> list[dict[State, Node]]:
        levels = []
        states = {self.root: None}  # in the order of their first points
        for level in range(len(self.parameters)):
            asked, asked_next = self._find_asked(level), self._find_asked(level + 1)
            nodes = {state: self._expand(level, state, asked, asked_next) for state in states}
            states = {child: None for node in nodes.values() for child in node.children if child is not None}
            levels.append(nodes)
        return levels

    def _expand(self, level: int, state: State, asked: list[int], asked_next: list[int]) -> Node:
        """The values that may follow a state, and the states that they lead to."""
        parameter, condition = self.parameters[level], self.conditions[level]
        is_new, known = state[0], dict(zip(asked, state[1:], strict=True))
        params: dict[str, Value] = {
            self.parameters[position].name: self.parameters[position].value_at(value_position)
            for position, value_position in known.items()
            if value_position is not None
        }

        def follow(is_new: int | None, position: int | None) -> State | None:
            known[level] = position
            if not all(rule.allows(params) for rule in self.rules[level]):
                return None
            return (is_new, *(known[other] for other in asked_next))

        node = Node(is_there=condition is None or condition.holds(params) is True)
        if not node.is_there:
            node.add(0, 1, follow(is_new, None))
            return node
        for first, length, is_run_new in self._split(level):
            if self.asked_until[level] < level:
                node.add(first, length, follow(is_new or int(is_run_new), None))
                continue
            for position in range(first, first + length):
                params[parameter.name] = parameter.value_at(position)
                node.add(position, 1, follow(is_new or int(is_run_new), position))
        return node

    def _split(self, level: int) -> Iterator[tuple[int, int, bool]]:
        """Runs of values that are all new or all not: first position, length, whether they are new."""
        if self.older is None:
            return iter([(0, self.parameters[level].num_values, False)])
        return split_by_age(self.parameters[level], self.older[level])

    def _count_all(self) -> int:
        last = {child for node in self.levels[-1].values() for child in node.children if child is not None}
        total_of = {state: 1 if self.older is None else int(bool(state[0])) for state in last}
        for nodes in reversed(self.levels):
            total_of = {state: node.count(total_of) for state, node in nodes.items()}
        return total_of[self.root]
