"""The numbers of a report are those of the journal, nothing in it is another's markup, and it needs nothing else."""

from __future__ import annotations

import re
from datetime import UTC
from html.parser import HTMLParser
from pathlib import Path

import pytest

from detector.journal_spans import is_watched
from detector.morning_report.document import html
from detector.morning_report.local_time import LocalTime
from detector.morning_report.night import Night, gather
from detector.morning_report.timeline import Stretch
from tests.journals import UTC_S, Bed, watches
from tests.morning_report.nights import HOSTILE, SINCE_S, UNTIL_S, Files, night

pytest.importorskip("matplotlib")
GMT = LocalTime(UTC)


class Reader(HTMLParser):
    """Takes the rows of tables, all tags with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data

    def told(self, name: str) -> list[str]:
        """Return what is told of a name, in order."""
        return [row[1] for row in self.rows if row and row[0] == name]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return night(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def text(files: Files) -> str:
    return html(gather(files.journal, files.page, files.clips, SINCE_S, UNTIL_S), GMT)


def test_hours_and_counts_are_those_of_the_journal(files: Files, text: str) -> None:
    spans = [span for watch in watches(files.journal) for span in watch.spans]
    watched_h = sum(span.end_s - span.start_s for span in spans if is_watched(span.said)) / 3600
    assert watched_h == pytest.approx(1880 / 3600)
    read = Reader(text)
    [monitored], [unwatched], [unknown] = map(read.told, ("monitored", "not monitored", "nothing is known"))
    assert monitored == f"{watched_h:.2f} h"
    assert unwatched == f"{(30 + 60 + 3000 + 30 + 4000) / 3600:.2f} h"
    assert unknown == f"{1000 / 3600:.2f} h"
    assert [row[1] for row in read.rows if row[0].startswith("— ")] == ["1.11 h", "0.83 h", "0.02 h", "0.02 h"]
    assert read.told("seizures") == ["2, 1 of unknown outcome"]
    assert read.told("alarms of the bedside page") == ["1: 1 seizure"]
    assert (read.told("false-alarm labels"), read.told("missed-seizure labels")) == (["1"], ["1"])
    assert read.told("starts of the detector") == ["2, 1 after a crash"]


def test_each_event_is_told_and_what_is_not_known_of_it_is_told_too(text: str) -> None:
    read = Reader(text)
    assert read.told("onset") == ["2023-11-14 22:47:05 +00:00", "2023-11-14 22:59:05 +00:00"]
    assert read.told("offset") == ["2023-11-14 22:48:05 +00:00", "seen until 2023-11-14 22:59:30 +00:00"]
    assert read.told("duration") == ["1 min 0 s", "not known"]
    assert read.told("outcome") == ["ended", "unknown: its end was not seen"]
    first, second = read.told("acknowledged")
    assert first == f"acknowledged by {HOSTILE} at 2023-11-14 22:47:30 +00:00"
    assert second == "not known: the bedside page has no alarm of it"
    assert read.told("labels") == ["false-alarm, Dr Who at 2023-11-14 23:03:20 +00:00", "none"]
    assert "of another bed" not in text


def test_what_nobody_watched_is_shown_as_that(text: str) -> None:
    holes = {row[3]: row[2] for row in Reader(text).rows if len(row) == 4 and "monitored" in row[3] + row[0]}
    assert holes["not monitored: the detector had ended without saying so"] == "50 min 0 s"
    assert ["16 min 40 s", "nothing is known: the journal says nothing"] in [
        [cell.strip() for cell in row[2:]] for row in Reader(text).rows
    ]


def test_no_text_of_others_is_markup_and_nothing_is_fetched(text: str) -> None:
    read = Reader(text)
    assert HOSTILE not in text
    assert read.text.count(HOSTILE) == 3, "it was shown: who acknowledged it, twice, and the condition's text"
    tags = {tag for tag, _ in read.tags}
    assert not tags & {"script", "link", "iframe", "object", "b", "form"}
    sources = [
        value or "" for _, attributes in read.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert len(sources) == 2, "the time line and the one clip"
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"url\(|@import|https?:", text)
    assert "@page { size: A4" in text


def test_without_the_page_and_clips_it_is_said_that_nothing_is_known_of_them(files: Files) -> None:
    read = Reader(html(gather(files.journal, None, None, SINCE_S, UNTIL_S), GMT))
    assert "Probability, burden, alarms and labels are not known: the page's file was not found" in read.text
    assert "Clips: the folder of clips was not found." in read.text
    assert read.told("false-alarm labels") == read.told("alarms") == ["not known"]
    assert read.told("acknowledged and labelled") == ["not known", "not known"]
    assert read.text.count("The EEG is not shown: there is no clip of it") == 2
    assert "Of single channels nothing is known" in read.text
    assert sum(tag == "img" for tag, _ in read.tags) == 1


def test_a_quiet_night_with_a_hole_is_not_called_free_of_seizures(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "ward-1.journal.sqlite")
    bed.start()
    bed.say("non-seizure", 100)
    bed.stop()
    begin_s = UTC_S + 1000
    holed = Reader(html(gather(bed.path, None, None, begin_s, begin_s + 200), GMT)).text
    whole = Reader(html(gather(bed.path, None, None, begin_s, begin_s + 100), GMT)).text
    assert "No seizure was declared in what was monitored, which was not all of the span." in holed
    assert "All of the span was monitored." in whole
    assert "No seizure was declared in what was monitored." in whole
    assert "not all of the span" not in whole


def test_a_stream_that_comes_and_goes_all_night_is_told_by_its_longest_losses_and_all_of_it_is_counted() -> None:
    line = []
    for i in range(1000):
        line += [Stretch(i * 20, i * 20 + 15, "non-seizure"), Stretch(i * 20 + 15, i * 20 + 20, "not-monitoring/lost")]
    line.append(Stretch(20_000, 21_000, "not-monitoring/stale"))
    made = Night("b", 0, 21_000, tuple(line), (), (), (), 0, 0, (), "no file", "none")
    read = Reader(html(made, GMT))
    assert ["", "", f"{801 * 5 / 3600:.2f} h", "in 801 shorter stretches that are not listed"] in read.rows
    assert sum("not monitored: the EEG" in row[-1] for row in read.rows if row) == 200
    assert read.told("not monitored") == [f"{6000 / 3600:.2f} h"]
