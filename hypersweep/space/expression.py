"""The language of a space's rules: parameters, literals, arithmetic, comparisons and logic, as Python writes them.

A text is parsed to Python's syntax tree, never compiled or run: the nodes named below are let through, and evaluated by
walking the tree. Nothing in it can cost more than its length: numbers, powers included, have at most 4,096 bits.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from hypersweep.errors import SpaceError
from hypersweep.space.value import Value, as_value

MAX_LENGTH = 2_000
MAX_DEPTH = 100
MAX_BITS = 4_096

EXPECTED = "expected parameters, literals, + - * / // % **, comparisons, in, and, or, not"

_ARITHMETIC: Mapping[type[ast.AST], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
}
_EQUALITY: Mapping[type[ast.AST], Callable[[Any, Any], bool]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
_ORDER: Mapping[type[ast.AST], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}
_MEMBERSHIP = (ast.In, ast.NotIn)
_UNARY = (ast.Not, ast.USub, ast.UAdd)
_OPERATORS = (*_ARITHMETIC, *_EQUALITY, *_ORDER, *_MEMBERSHIP, *_UNARY, ast.And, ast.Or)
_NODES = (ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Load)
_NAMED: Mapping[type[ast.AST], str] = {
    ast.Call: "a call",
    ast.Attribute: "an attribute",
    ast.Subscript: "a subscript",
    ast.IfExp: "if … else",
    ast.Lambda: "a lambda",
    ast.BitAnd: "&, which is `and` here",
    ast.BitOr: "|, which is `or` here",
    ast.Invert: "~, which is `not` here",
    ast.BitXor: "^, which is ** or != here",
    ast.Is: "is, which is == here",
    ast.IsNot: "is not, which is != here",
}


class ExpressionError(SpaceError):
    """What is wrong with an expression, without saying where it stands; `column` counts from 0, None: the whole."""

    def __init__(self, text: str, column: int | None = None) -> None:
        super().__init__(text)
        self.column = column


class Expression:
    """A rule's text, parsed. Raises `ExpressionError` for anything that is no expression of the language.

    Equal if the texts are. `columns` says where each parameter is first named, from 0.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tree = _parse(text)
        self.columns: Mapping[str, int] = _check(self._tree, text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def holds(self, params: Mapping[str, Value]) -> bool | None:
        """Whether it is true of the params; None if it asks for a parameter that they do not have.

        `and` and `or` ask for their right side only if the left one leaves it open. Raises `ExpressionError` for what
        cannot be computed: a division by zero, the sum of a number and a string, a number as a truth value.
        """
        try:
            return _truth(_evaluate(self._tree, params))
        except _AbsentError:
            return None


class _AbsentError(Exception):
    """The params lack a parameter that is asked for."""


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"too long, got {len(text)} characters; expected an expression of at most {MAX_LENGTH}. Split it"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `1 is 1`: told below
        try:
            return ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            indent = len(text) - len(text.lstrip())
            column = indent + error.offset - 1 if error.offset and error.lineno == 1 else None
            raise ExpressionError(
                f"no expression ({error.msg}), got {_shortened(text)}; expected one such as optimizer == 'sgd' and "
                "momentum > 0.5. Mend it",
                column,
            ) from error
        except (ValueError, MemoryError, RecursionError) as error:
            raise ExpressionError(f"no expression ({error}), got {_shortened(text)}; {EXPECTED}. Mend it") from error


def _check(tree: ast.expr, text: str) -> dict[str, int]:
    """Raises `ExpressionError` for what the language does not have; gives the columns of the names."""
    columns: dict[str, int] = {}
    nodes: list[tuple[ast.AST, ast.expr, int]] = [(tree, tree, 0)]  # each with the expression it belongs to
    while nodes:
        node, place, depth = nodes.pop()
        column = _find_column(place, text)
        is_literal = not isinstance(node, ast.Constant) or type(node.value) in (int, float, str, bool, type(None))
        if not isinstance(node, (*_NODES, *_OPERATORS)) or not is_literal:
            source = ast.get_source_segment(text.strip(), place) or text
            what = next(
                (name for kind, name in _NAMED.items() if isinstance(node, kind)), "more than an expression may"
            )
            raise ExpressionError(f"has {what}, got {_shortened(source)}; {EXPECTED}. Rewrite it", column)
        if depth > MAX_DEPTH:
            raise ExpressionError(
                f"nested too deeply, got more than {MAX_DEPTH} levels; expected fewer. Split it", column
            )
        if isinstance(node, ast.Name):
            columns.setdefault(node.id, column)
        children = [
            (child, child if isinstance(child, ast.expr) else place, depth + 1) for child in ast.iter_child_nodes(node)
        ]
        nodes += reversed(children)
    return columns


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")


def _find_column(node: ast.expr, text: str) -> int:
    """Where the node begins; Python counts bytes from the start of its line."""
    before = text[: len(text) - len(text.lstrip())]
    lines = text[len(before) :].split("\n")
    own = lines[node.lineno - 1].encode()[: node.col_offset].decode()
    return sum(len(line) + 1 for line in lines[: node.lineno - 1]) + len(before) + len(own)


def _evaluate(node: ast.expr, params: Mapping[str, Value]) -> Value:
    if isinstance(node, ast.Name):
        if node.id not in params:
            raise _AbsentError
        return params[node.id]
    if isinstance(node, ast.Constant):
        return as_value(node.value)
    if isinstance(node, (ast.List, ast.Tuple)):
        return tuple(_evaluate(item, params) for item in node.elts)
    if isinstance(node, ast.BoolOp):
        ends_at = isinstance(node.op, ast.Or)  # the truth value that leaves nothing open
        return next((ends_at for item in node.values if _truth(_evaluate(item, params)) is ends_at), not ends_at)
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, params)
        if isinstance(node.op, ast.Not):
            return not _truth(value)
        return -_number(value) if isinstance(node.op, ast.USub) else _number(value)
    if isinstance(node, ast.BinOp):
        return _compute(type(node.op), _evaluate(node.left, params), _evaluate(node.right, params))
    assert isinstance(node, ast.Compare), "checked"
    left = _evaluate(node.left, params)
    for comparison, item in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(item, params)
        if not _compare(type(comparison), left, right):
            return False
        left = right
    return True


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(
            f"no truth value, got {value!r}; expected True or False. Compare it: == {value!r}, > 0 or the like"
        )
    return value


def _number(value: Value) -> int | float:
    if not isinstance(value, (int, float)):
        raise ExpressionError(f"no number, got {value!r}; expected one to compute with. Compare it with == or in")
    return value


def _compute(kind: type[ast.operator], left: Value, right: Value) -> int | float:
    """The result of an arithmetic operation on two numbers; True and False count as 1 and 0."""
    sign, operation = _ARITHMETIC[kind]
    numbers = _number(left), _number(right)
    try:
        if kind is ast.Pow and isinstance(left, int) and isinstance(right, int):
            _check_size(left.bit_length() * max(0, right))
        result = operation(*numbers)
        if isinstance(result, int):
            _check_size(result.bit_length())
    except (ArithmeticError, ValueError) as error:
        raise ExpressionError(
            f"cannot be computed ({error.args[-1]}), got {left!r} {sign} {right!r}; expected a finite number. "
            "Exclude the case: x != 0 and …"
        ) from error
    if isinstance(result, complex):
        raise ExpressionError(f"no real number, got {left!r} {sign} {right!r}; expected one. Exclude the case")
    return result  # type: ignore[no-any-return]


def _check_size(num_bits: int) -> None:
    if num_bits > MAX_BITS:
        raise OverflowError(f"more than {MAX_BITS} bits")


def _compare(kind: type[ast.cmpop], left: Value, right: Value) -> bool:
    if kind in _EQUALITY:
        return _EQUALITY[kind](left, right)
    if kind in _MEMBERSHIP:
        if not isinstance(right, tuple):
            raise ExpressionError(
                f"no list after in, got {right!r}; expected one such as ['adam', 'sgd']. Write a list"
            )
        return (left in right) is (kind is ast.In)
    sign, operation = _ORDER[kind]
    if not (isinstance(left, str) and isinstance(right, str)):
        for value in (left, right):
            if not isinstance(value, (int, float)):
                raise ExpressionError(
                    f"no order, got {left!r} {sign} {right!r}; expected two numbers or two strings. Use == or in"
                )
    return operation(left, right)
