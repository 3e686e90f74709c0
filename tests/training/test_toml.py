"""What is written is what `tomllib` reads."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from detector.training.toml import to_toml

# TOML knows no lone surrogates, nor does JSON text write control characters other than TOML reads them.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=40)
_PLAIN = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
_VALUES = _PLAIN | st.lists(_PLAIN, max_size=5)
_KEY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), min_size=1, max_size=12)


@given(
    st.recursive(
        st.dictionaries(_KEY, _VALUES, max_size=4),
        lambda tables: st.dictionaries(_KEY, _VALUES | tables | st.lists(tables, min_size=1, max_size=3), max_size=4),
        max_leaves=8,
    )
)
def test_every_table_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table)) == table
