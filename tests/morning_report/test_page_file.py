"""Of the page's file what is of this bed and span is read, and a file that is another one is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from detector.errors import BadDataError, MissingInputError
from detector.morning_report.page_file import labelled_beds, read_page_file
from detector.page.store import Store
from tests.journals import UTC_S
from tests.morning_report.nights import BED, SINCE_S, UNTIL_S, Files, night


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return night(tmp_path_factory.mktemp("state"))


def test_what_is_of_the_bed_and_the_span_is_read(files: Files) -> None:
    found = read_page_file(files.page, BED, SINCE_S, UNTIL_S)
    assert len(found.bins) == 139
    assert (found.bins[0].probability, found.bins[-1].good_channels) == (0.08, 20)
    assert [(deed.action, deed.time_s - UTC_S) for deed in found.deeds] == [
        ("raised", 2031), ("acknowledged", 2050), ("over", 2095),
    ]  # fmt: skip
    assert [label.kind for label in found.standing_labels()] == ["false-alarm", "missed-seizure"]
    assert [deed.kind for deed in found.raised()] == ["seizure"]


def test_of_each_alarm_and_moment_the_newest_label_stands_unless_it_was_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "page.sqlite"
    store = Store(path)
    for at_s, kind, alarm in (
        (1, "false-alarm", "a"), (2, "missed-seizure", ""), (1, "withdrawn", "a"), (3, "false-alarm", "b"),
        (3, "withdrawn", "b"), (4, "false-alarm", "b"), (5, "missed-seizure", ""), (5, "withdrawn", ""),
    ):  # fmt: skip
        store.label(9.0, BED, kind, at_s, "Joy", alarm)
    store.label(9.0, "another", "false-alarm", 6, "Joy", "c")
    store.close()
    page = read_page_file(path, BED, 0, 10)
    assert len(page.labels) == 8
    assert [(label.at_s, label.kind) for label in page.standing_labels()] == [(2, "missed-seizure"), (4, "false-alarm")]
    assert labelled_beds(path) == ["another", BED]


def test_nothing_of_outside_of_the_span_is_read(files: Files) -> None:
    found = read_page_file(files.page, BED, UTC_S + 2200, UTC_S + 2300)
    assert [one.bin_s - UTC_S for one in found.bins] == [*range(2200, 2300, 10)]
    assert (found.deeds, found.labels) == ((), ())
    assert read_page_file(files.page, "nobody", SINCE_S, UNTIL_S).bins == ()


def test_an_alarm_that_is_acknowledged_later_keeps_its_beginning(files: Files) -> None:
    found = read_page_file(files.page, BED, UTC_S + 2040, UTC_S + 2060)
    assert [deed.action for deed in found.deeds] == ["raised", "acknowledged", "over"]


def test_another_version_damage_and_no_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "page.sqlite"
    with pytest.raises(MissingInputError, match="No such file"):
        read_page_file(path, BED, 0, 1)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(BadDataError, match="no file of the page"):
        read_page_file(path, BED, 0, 1)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
        with pytest.raises(BadDataError, match="no such table"):
            read_page_file(path, BED, 0, 1)
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(BadDataError, match="is of version 3, expected 1 or 2"):
        read_page_file(path, BED, 0, 1)
