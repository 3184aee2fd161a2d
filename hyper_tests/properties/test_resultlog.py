"""A log printed and parsed is the same log, text for text and, where the text says so, value for value."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hyper_tests.properties.strategies import results, spaces
from hypersweep.resultlog import format_block, parse_log
from hypersweep.space import Space
from hypersweep.trial import Result


@given(st.lists(st.tuples(spaces(is_grid=True), results, st.integers(0, 10**6)), max_size=3))
@settings(max_examples=200)
def test_parse_after_format_is_the_identity(drawn: list[tuple[Space, Result, int]]) -> None:
    logged = [(space, space.at(number % (space.grid_size or 1)) or {}, result) for space, result, number in drawn]
    text = "".join(format_block(params, result) for _, params, result in logged)
    trials = parse_log(text.split("\n"), "hyper.result")
    assert "".join(format_block(trial.texts, trial.result) for trial in trials) == text
    assert [repr(trial.result) for trial in trials] == [repr(result) for _, _, result in logged]
    for (space, params, _), trial in zip(logged, trials, strict=True):
        assert trial.texts == {name: str(params[name]) for name in sorted(params)}
        assert repr(space.at(space.index(trial.texts))) == repr(params)
        for name, value in params.items():
            if not isinstance(value, str):
                assert repr(trial.params[name]) == repr(value)
