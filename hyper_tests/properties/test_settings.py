"""Settings written as JSON, which is YAML, are read back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypersweep.settings import load_settings

# Without the characters that YAML must have escaped, which JSON does not.
texts = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\ufeff\u2028\u2029"), max_size=8
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "hyper.yaml"


@given(st.dictionaries(texts.filter(bool), values, max_size=4))
@settings(max_examples=200)
def test_settings_are_read_as_they_were_written(path: Path, written: dict[str, Any]) -> None:
    path.write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")
    assert repr(load_settings([path], []).values) == repr(written)
    assignments = [
        f"k{number}={json.dumps(value, ensure_ascii=False)}" for number, value in enumerate(written.values())
    ]
    assert repr(list(load_settings([], assignments).values.values())) == repr(list(written.values()))
