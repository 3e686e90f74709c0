"""Whatever anybody wrote is text in the report, and a length of time is said without a unit that is full."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.morning_report.markup import figure, length_of, lines, table, text_of
from detector.printable import printable
from tests.signals import deterministic


class Read(HTMLParser):
    """The tags, and the text between them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


_HOSTILE = st.text(max_size=30) | st.sampled_from(
    ["<script>x</script>", "&lt;", '"><img src=x onerror=y>', "a\x1b[2J\n"]
)


@deterministic(200)
@given(texts=st.lists(_HOSTILE, min_size=1, max_size=4))
def test_a_cell_holds_the_text_and_no_tag_of_it(texts: list[str]) -> None:
    read = Read("".join(table(texts, [texts])))
    plain = {"table", "thead", "tr", "th", "tbody", "td", "br"}
    assert set(read.tags) <= plain
    assert read.tags.count("td") == len(texts)
    joined = "".join(printable(line) for text in texts for line in text.split("\n"))
    assert read.text.endswith(joined)


@deterministic(100)
@given(texts=st.lists(_HOSTILE, max_size=4))
def test_lines_are_as_many_as_there_are_texts(texts: list[str]) -> None:
    assert Read(text_of(lines(texts))).tags == ["br"] * max(len(texts) - 1, 0)


@deterministic(100)
@given(words=_HOSTILE, caption=_HOSTILE)
def test_a_figure_is_one_image_whatever_it_is_called(words: str, caption: str) -> None:
    made = figure(b"png", words, caption)
    assert [tag for tag in Read(made).tags if tag != "br"] == ["figure", "img", "figcaption"]
    [alt] = re.findall(r'<img alt="([^"]*)" src="data:image/png;base64,cG5n">', made)
    assert html.unescape(alt) == words or "\r" in words or "\x00" in words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 0 s"), (60.0, "1 min 0 s"), (119.6, "2 min 0 s"),
        (3599.4, "59 min 59 s"), (3599.7, "1 h 0 min 0 s"), (86399.9, "24 h 0 min 0 s"),
    ],
)  # fmt: skip
def test_a_length_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert length_of(seconds) == said
