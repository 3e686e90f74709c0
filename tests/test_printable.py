from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detector.printable import printable
from tests.signals import deterministic


def test_what_a_terminal_would_act_upon_is_shown_as_an_escape() -> None:
    assert printable("\x1b[31mred\n\u202e\u200b µV") == "\\x1b[31mred\\n\\u202e\\u200b µV"


@deterministic(200)
@given(st.text())
def test_any_text_can_be_shown_and_plain_text_is_as_it_was(text: str) -> None:
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text
