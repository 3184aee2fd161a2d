"""The kinds of values that an option of the built-in recommenders takes: each parses a value or says what it expects.

Light: the standard library only, so that `--help` and `plan` can read the options without torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypersweep.recommend.intervals import parse_intervals

METRIC_NAMES = ("recall", "mrr", "ndcg", "hit", "precision")


@dataclass(frozen=True)
class Kind:
    """`parse` returns the value in its canonical form, or raises `ValueError` or `TypeError`."""

    expected: str
    parse: Callable[[Any], Any]


def whole(minimum: int) -> Kind:
    """A whole number; `64.0` is one, since the q-distributions of a search space give floats."""

    def parse(value: Any) -> int:
        number = _real(value)
        if number != int(number) or number < minimum:
            raise ValueError
        return int(number)

    return Kind(f"a whole number >= {minimum}", parse)


def real(expected: str, is_allowed: Callable[[float], bool]) -> Kind:
    def parse(value: Any) -> float:
        number = _real(value)
        if not is_allowed(number):
            raise ValueError
        return number

    return Kind(expected, parse)


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _lower(value: Any) -> str:
    return _text(value).lower()


def one_of(*values: Any) -> Kind:
    """One of the values, of the same type (`True` is not `1`)."""

    def parse(value: Any) -> Any:
        if not any(type(value) is type(known) and value == known for known in values):
            raise ValueError
        return value

    return Kind(" or ".join(repr(value) for value in values), parse)


def only(value: Any, why: str) -> Kind:
    """Known, but built for one value only: any other would silently train or score something else."""
    return Kind(f"{value!r} ({why})", one_of(value).parse)


def unset(why: str) -> Kind:
    """Known, but not built: null or empty, as RecBole's own defaults have it."""

    def parse(value: Any) -> None:
        if value not in (None, [], {}):
            raise ValueError

    return Kind(f"null ({why})", parse)


def optional(kind: Kind) -> Kind:
    return Kind(f"{kind.expected}, or null", lambda value: None if value is None else kind.parse(value))


def names(kind: Kind, expected: str) -> Kind:
    """A list of values of a kind; a single one may stand without the brackets."""

    def parse(value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        if not items:
            raise ValueError
        return tuple(dict.fromkeys(kind.parse(item) for item in items))

    return Kind(expected, parse)


def _metric_name(value: Any) -> str:
    return str(one_of(*METRIC_NAMES).parse(_lower(value)))


def _scored_metric(value: Any) -> str:
    match = re.fullmatch(r"([a-z]+)@([1-9][0-9]*)", _lower(value))
    if match is None or match[1] not in METRIC_NAMES:
        raise ValueError
    return match[0]


def _value_filters(value: Any) -> dict[str, str | list[str]]:
    """Column -> intervals as text, or tokens: what the prepared data is keyed by."""
    if not isinstance(value, dict):
        raise ValueError
    return {_text(column): _value_filter(wanted) for column, wanted in value.items()}


def _value_filter(value: Any) -> str | list[str]:
    is_tokens = isinstance(value, list) and value and all(isinstance(token, str) for token in value)
    return list(value) if is_tokens else _interval_text(value)


def _interval_text(value: Any) -> str:
    """YAML reads a closed interval `[5,10]` as a list."""
    text = f"[{value[0]},{value[1]}]" if isinstance(value, (list, tuple)) and len(value) == 2 else _text(value)
    parse_intervals(text)
    return text


def _columns(value: Any) -> list[str] | None:
    """`{inter: […]}`, RecBole's way of naming columns of the `.inter` file; None for all of them (`*`)."""
    if not isinstance(value, dict) or set(value) != {"inter"}:
        raise ValueError
    return None if value["inter"] == "*" else list(TEXTS.parse(value["inter"]))


def _leave_one_out(value: Any) -> dict[str, Any]:
    """RecBole's `eval_args`, of which one protocol is built; what is left out is filled in. To leave one out is to
    group by users, whatever `group_by` says."""
    protocol = {"split": {"LS": "valid_and_test"}, "group_by": "user", "order": "TO", "mode": "full"}
    modes = ("full", {"valid": "full", "test": "full"}, {"valid": "full"}, {"test": "full"})
    allowed = {"group_by": ("user", "none", None), "mode": modes}
    if not isinstance(value, dict) or not set(value) <= set(protocol):
        raise ValueError
    for name, wanted in protocol.items():
        if value.get(name, wanted) not in allowed.get(name, (wanted,)):
            raise ValueError
    return protocol


def _clip(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or "max_norm" not in value or not set(value) <= {"max_norm", "norm_type"}:
        raise ValueError
    return {name: _real(number) for name, number in value.items()}


def _separator(value: Any) -> str:
    if any(character in _text(value) for character in '\n\r"'):
        raise ValueError
    return str(value)


POSITIVE = real("a number > 0", lambda number: number > 0)
NOT_NEGATIVE = real("a number >= 0", lambda number: number >= 0)
PROBABILITY = real("a number from 0 to 1", lambda number: 0 <= number <= 1)
DROPOUT = real("a number >= 0 and < 1", lambda number: 0 <= number < 1)
RATIO = real("a number > 0 and <= 1", lambda number: 0 < number <= 1)
FLAG = Kind("true or false", _flag)
TEXT = Kind("a text", _text)
ANYTHING = Kind("anything", lambda value: value)
TEXTS = names(TEXT, "a list of names")
SIZES = names(whole(1), "a whole number >= 1 or a list of them")
METRICS = names(Kind("a metric", _metric_name), f"a list of {', '.join(METRIC_NAMES)}")
SCORED_METRIC = Kind(f"one of {', '.join(METRIC_NAMES)} with its k, as in NDCG@10", _scored_metric)
INTERVALS = Kind("intervals such as [3,inf) or (3,5];[7,8]", _interval_text)
VALUE_FILTERS = Kind(
    "a mapping of columns to intervals, as in {rating: '[3,inf)'}, or to lists of texts", _value_filters
)
COLUMNS = Kind("{inter: [column, …]} (other files than .inter are not read)", _columns)
LEARNER_NAMES = ("adam", "adamw", "sgd", "adagrad", "rmsprop")
LEARNER = Kind(f"one of {', '.join(LEARNER_NAMES)}", lambda value: one_of(*LEARNER_NAMES).parse(_lower(value)))
LEAVE_ONE_OUT = Kind(
    "{split: {LS: valid_and_test}, order: TO, mode: full} (leave one out by time, full ranking)", _leave_one_out
)
CLIP = Kind("{max_norm: 5.0}, if wanted with norm_type", _clip)
SEPARATOR = Kind(r"a text, as in '\t' or '::'", _separator)
