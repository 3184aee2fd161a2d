"""The grid is itertools.product; a space printed and parsed is the same space."""

from __future__ import annotations

import itertools

from hypothesis import given, settings

from hyper_tests.properties.strategies import spaces
from hypersweep.space import Choice, Space
from hypersweep.spacefile import format_space, parse_space


@given(spaces(is_grid=True))
@settings(max_examples=100)
def test_the_grid_is_the_product(space: Space) -> None:
    choices = [parameter for parameter in space.parameters if isinstance(parameter, Choice)]
    combinations = list(itertools.product(*(choice.values for choice in choices)))
    assert space.grid_size == len(combinations)
    for index, combination in enumerate(combinations):
        params = space.at(index)
        assert repr(params) == repr(dict(zip(space.names, combination, strict=True)))
        assert space.index({name: str(value) for name, value in params.items()}) == index


@given(spaces())
@settings(max_examples=300)
def test_parse_after_format_is_the_identity(space: Space) -> None:
    assert parse_space(format_space(space)) == space
