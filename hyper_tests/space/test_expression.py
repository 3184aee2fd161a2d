"""The language of rules: what it says, what it has not, and what nothing in it can cost."""

from __future__ import annotations

from typing import Any

import pytest

from hypersweep.space.expression import MAX_LENGTH, Expression, ExpressionError

PARAMS: dict[str, Any] = {
    "n": 3,
    "x": 0.5,
    "opt": "sgd",
    "on": True,
    "none": None,
    "sizes": (64, 64),
    "flat": "[64,64]",
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("n == 3", True),
        ("n != 3", False),
        ("opt == 'sgd' and x < 1", True),
        ("opt == 'adam' or x > 1", False),
        ("not opt == 'adam'", True),
        ("1 < n <= 3 < 4", True),
        ("1 < n > 5", False),
        ("n in [1, 2, 3]", True),
        ("n not in (1, 2, 3)", False),
        ("opt in ['adam', \"sgd\"]", True),
        ("sizes == [64, 64]", True),
        ("sizes[0] == 64", None),
        ("64 in sizes", True),
        ("flat == '[64, 64]'", True),
        ("none == None", True),
        ("on", True),
        ("not on", False),
        ("on + on == 2", True),
        ("n * 2 + 1 == 7 and n - 1 == 2", True),
        ("7 // n == 2 and 7 % n == 1 and 7 / 2 == 3.5", True),
        ("n ** 2 == 9 and 2 ** -1 == x", True),
        ("-n + +n == 0", True),
        ("(n + 1) * 2 == 8", True),
        ("'a' < opt", True),
        ("opt != 3", True),
        ("  n == 3\n", True),
        ("(n ==\n 3)", True),
        ("n == 3  # the best", True),
    ],
)
def test_what_an_expression_says(text: str, holds: bool | None) -> None:
    if holds is None:
        with pytest.raises(ExpressionError, match="has a subscript"):
            Expression(text)
    else:
        assert Expression(text).holds(PARAMS) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("momentum > 0.5", None),
        ("not momentum > 0.5", None),
        ("opt == 'sgd' or momentum > 0.5", True),
        ("opt == 'adam' and momentum > 0.5", False),
        ("momentum > 0.5 or opt == 'sgd'", None),
        ("opt == 'sgd' and momentum > 0.5", None),
        ("3 > 4 > momentum", False),
    ],
)
def test_a_parameter_that_is_not_there(text: str, holds: bool | None) -> None:
    assert Expression(text).holds(PARAMS) is holds


def test_names_and_their_columns() -> None:
    assert dict(Expression(" é == 'ü' and b > é and (c)").columns) == {"é": 1, "b": 14, "c": 25}
    assert dict(Expression("(a ==\n  b)").columns) == {"a": 1, "b": 8}


def test_equal_are_those_of_one_text() -> None:
    assert Expression("a == 1") == Expression("a == 1")
    assert hash(Expression("a == 1")) == hash(Expression("a == 1"))
    assert Expression("a == 1") != Expression("a==1")
    assert Expression("a == 1") != "a == 1"
    assert repr(Expression("a == 1")) == "Expression('a == 1')"


NO_EXPRESSIONS = [
    (
        "opt = 'sgd'",
        4,
        r"no expression \(invalid syntax.*\), got \"opt = 'sgd'\"; expected one such as optimizer == 'sgd'",
    ),
    ("n ==", None, r"no expression \(.*\), got 'n =='"),
    ("", None, "no expression"),
    ("n == 3; n", None, "no expression"),
    ("n\n== 3", None, "no expression"),
    ("n <> 3", None, "no expression"),
    ("n := 3", None, "no expression"),
    ("x\0", None, r"no expression \(source code"),
    ("(" * 300 + "1" + ")" * 300, None, r"no expression \(too many nested parentheses\), got '\(\(\("),
    ("9" * 5000, None, "too long, got 5000 characters; expected an expression of at most"),
    ("1" + "0" * (MAX_LENGTH - 1) + "0", None, "too long"),
    ("-" * 150 + "1", None, "nested too deeply, got more than 100 levels"),
    ("+".join("n" * 150) + " > 2", 0, "nested too deeply"),
    ("len(opt) == 3", 0, r"has a call, got 'len\(opt\)'; expected parameters, literals, .* Rewrite it"),
    ("n > 1 and __import__('os')", 10, r"has a call, got \"__import__\('os'\)\""),
    ("opt.upper == 1", 0, r"has an attribute, got 'opt\.upper'"),
    ("sizes[0] == 1", 0, "has a subscript"),
    ("1 if on else 2", 0, "has if … else"),
    ("lambda: 1", 0, "has a lambda"),
    ("on & on", 0, r"has &, which is `and` here, got 'on & on'"),
    ("on | on", 0, r"has \|, which is `or` here"),
    ("on ^ on", 0, "has \\^, which is"),
    ("~n == 1", 0, "has ~, which is `not` here"),
    ("none is None", 0, "has is, which is == here"),
    ("none is not None", 0, "has is not, which is != here"),
    ("n << 3 > 1", 0, "has more than an expression may, got 'n << 3'"),
    ("n @ n == 1", 0, "has more than an expression may"),
    ("[i for i in sizes] == 1", 0, "has more than an expression may"),
    ("{1: 2} == 1", 0, "has more than an expression may"),
    ("n in {1, 2}", 5, r"has more than an expression may, got '\{1, 2\}'"),
    ("f'{n}' == '3'", 0, "has more than an expression may"),
    ("b'' == opt", 0, "has more than an expression may"),
    ("1j == n", 0, "has more than an expression may"),
    ("... == n", 0, "has more than an expression may"),
    ("n in [*sizes]", 6, "has more than an expression may"),
]


@pytest.mark.parametrize(
    ("text", "column", "message"), NO_EXPRESSIONS, ids=[text[:20] for text, _, _ in NO_EXPRESSIONS]
)
def test_what_is_no_expression(text: str, column: int | None, message: str) -> None:
    with pytest.raises(ExpressionError, match=f"^{message}") as caught:
        Expression(text)
    assert column is None or caught.value.column == column


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n", r"no truth value, got 3; expected True or False\. Compare it: == 3, > 0 or the like$"),
        ("not n", "no truth value, got 3"),
        ("on and opt", "no truth value, got 'sgd'"),
        ("sizes", r"no truth value, got \(64, 64\)"),
        ("opt + 1 == 2", r"no number, got 'sgd'; expected one to compute with\. Compare it with == or in$"),
        ("-opt == 2", "no number, got 'sgd'"),
        ("opt * 1000000000 == 'a'", "no number, got 'sgd'"),
        ("sizes * 1000000000 == 1", r"no number, got \(64, 64\)"),
        ("opt < 3", r"no order, got 'sgd' < 3; expected two numbers or two strings\. Use == or in$"),
        ("none >= 3", "no order, got None >= 3"),
        ("n in 3", "no list after in, got 3"),
        ("'s' in opt", r"no list after in, got 'sgd'; expected one such as \['adam', 'sgd'\]\. Write a list$"),
        ("n % 0 == 1", r"cannot be computed \(integer (division or )?modulo by zero\), got 3 % 0; expected a finite"),
        ("n / (n - 3) == 1", r"cannot be computed \(division by zero\), got 3 / 0"),
        ("0 ** -1 == 1", "cannot be computed"),
        ("(-8) ** 0.5 == 1", r"no real number, got -8 \*\* 0\.5"),
        ("9 ** 9 ** 9 > n", r"cannot be computed \(more than 4096 bits\), got 9 \*\* 387420489"),
        ("2 ** 2000 * 2 ** 2000 * 2 ** 2000 > n", r"cannot be computed \(more than 4096 bits\)"),
        ("(-2) ** 100000 > n", r"cannot be computed \(more than 4096 bits\)"),
        ("2.0 ** 5000 > n", "cannot be computed"),
        ("2 ** 2000 * 1.0 > n", r"cannot be computed \(int too large to convert to float\)"),
    ],
)
def test_what_cannot_be_computed(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=f"^{message}") as caught:
        Expression(text).holds(PARAMS)
    assert caught.value.column is None
