"""The points of a space, numbered in product order: the last parameter changes fastest, as in `itertools.product`.

Conditions and rules make some products no point, or the same one as another: what `Counting` counts has no number. What
it leaves out has, and `at` says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from hypersweep.space.counting import Counting, Node
from hypersweep.space.parameter import Finite
from hypersweep.space.rule import Rule
from hypersweep.space.value import Value


class Grid:
    """Points by number, 0 … `size` - 1; for the arguments see `Counting`."""

    def __init__(
        self,
        parameters: Sequence[Finite],
        conditions: Sequence[Rule | None] = (),
        rules: Sequence[Rule] = (),
        older: Sequence[Finite] | None = None,
    ) -> None:
        self.parameters = parameters
        self.counting = Counting(parameters, conditions, rules, older)
        self.size = self.counting.size

    @property
    def is_exact(self) -> bool:
        """Whether each number has a point: nothing was left out of the count."""
        return not self.counting.uncounted_conditions and not self.counting.uncounted_rules

    def at(self, index: int) -> dict[str, Value] | None:
        """The point of a number; None where the number has none. Raises `IndexError` outside 0 … size - 1."""
        if not 0 <= index < self.size:
            raise IndexError(f"combination {index} of {self.size}")
        positions: dict[int, int] = {}
        state = self.counting.root
        for level, nodes in enumerate(self.counting.levels):
            node = nodes[state]
            run = bisect_right(node.starts, index) - 1
            offset, index = divmod(index - node.starts[run], node.counts[run])
            if node.is_there:
                positions[level] = node.firsts[run] + offset
            child = node.children[run]
            assert child is not None, "nothing is counted there"
            state = child
        return self._check_uncounted(positions)

    def _check_uncounted(self, positions: Mapping[int, int]) -> dict[str, Value] | None:
        params: dict[str, Value] = {}
        for level, position in positions.items():
            condition = self.counting.uncounted_conditions.get(level)
            if condition is None or condition.holds(params):
                params[self.parameters[level].name] = self.parameters[level].value_at(position)
            elif position:
                return None  # the same point as with the first value, which is not there either
        return params if all(rule.allows(params) for rule in self.counting.uncounted_rules) else None

    def index(self, texts: Mapping[str, str]) -> int:
        """The inverse of `at`, for a point given by the texts of its values.

        Raises `KeyError` with the name of a parameter that is missing, unknown, not there by its condition, or has no
        such value; `LookupError` if no number has the point, because of a rule or of the older space.
        """
        for name in texts:
            if name not in self.counting.position_of:
                raise KeyError(name)
        index = 0
        state = self.counting.root
        for level, nodes in enumerate(self.counting.levels):
            node = nodes[state]
            position = self._find_position(level, node, texts)
            run = bisect_right(node.firsts, position) - 1
            index += node.starts[run] + (position - node.firsts[run]) * node.counts[run]
            child = node.children[run]
            if child is None:
                raise LookupError("no number has the point")
            state = child
        if not node.counts[run]:
            raise LookupError("the point is one of the older space")
        self._refuse_uncounted(texts)
        return index

    def _refuse_uncounted(self, texts: Mapping[str, str]) -> None:
        """Raises as `index` for what is no point by a rule that was not counted."""
        params: dict[str, Value] = {}
        for level, parameter in enumerate(self.parameters):
            condition = self.counting.uncounted_conditions.get(level)
            if condition is not None and (condition.holds(params) is True) != (parameter.name in texts):
                raise KeyError(parameter.name)
            if parameter.name in texts:
                position = parameter.position_of(texts[parameter.name])
                assert position is not None, "found before"
                params[parameter.name] = parameter.value_at(position)
        if not all(rule.allows(params) for rule in self.counting.uncounted_rules):
            raise LookupError("no number has the point")

    def _find_position(self, level: int, node: Node, texts: Mapping[str, str]) -> int:
        """The position of the parameter's value; 0 where it is not there."""
        name = self.parameters[level].name
        may_lack = not node.is_there or level in self.counting.uncounted_conditions
        if name not in texts and may_lack:
            return 0
        position = self.parameters[level].position_of(texts[name]) if node.is_there else None
        if position is None:
            raise KeyError(name)
        return position
