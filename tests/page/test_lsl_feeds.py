"""The EEG of each bed is read once, for as long as the bed is there, and why it is not is told."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.client.lsl import About
from detector.errors import DetectorError
from detector.page.bed import BedBook
from detector.page.config import Eeg
from detector.page.lsl_feeds import Feeds
from detector.page.spectrum import PACKED_BYTES, EegBin
from detector.page.store import Store
from tests.client.lsl_publisher import publisher
from tests.live import amplifier, until
from tests.page.browser import Served

ABOUT = About("h", "m", "chb-mit-22", 22, "amp", "amp-1", "1")


def test_a_page_reads_what_nobody_looks_at_and_has_it_after_a_restart(tmp_path: Path) -> None:
    script = (
        "from detector.source.lsl_simulator import simulate\n"
        "from detector.source.synthetic import SyntheticConfig, SyntheticEeg\n"
        "eeg = SyntheticEeg(SyntheticConfig(600, 256.0))\n"
        "simulate(eeg, name='amp?[31m-7', source_id='amp-7-id', stop=lambda: False)\n"
    )
    served = Served(tmp_path)

    def n_bins() -> int:
        with urllib.request.urlopen(f"{served.url}api/beds/feeds-a/spectrum") as answer:
            return len(base64.b64decode(json.load(answer)["bins"])) // (4 + PACKED_BYTES)

    try:
        with publisher("feeds-a"), amplifier(script):
            until(lambda: n_bins() >= 1, 60, "a bin is kept")
            served.process.terminate()
            served.process.wait(10)
            served.begin()
            n = n_bins()
            assert n >= 1
            until(lambda: n_bins() > n, 60, "another one is")
    finally:
        served.end()


class Reader:
    """In place of a feed: what it was told, and what tells it."""

    made: list[Reader]

    def __init__(self, book: BedBook, keep: Callable[[EegBin], object] | None = None) -> None:
        if book.about is None:
            raise DetectorError("the detector is not there")
        self.about, self.keep = book.about, keep
        self.ended, self.obstacle = False, ""
        self.screens: list[deque[Any]] = []
        Reader.made.append(self)

    def is_of(self, book: BedBook) -> bool:
        return book.about is None or book.about == self.about

    def end(self) -> None:
        self.ended = True

    def wait(self, timeout_s: float) -> None:
        if self.keep is not None:
            self.keep(EegBin(2000, 5, None, None))


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[Reader]:
    Reader.made = []
    monkeypatch.setattr("detector.page.lsl_feeds.EegFeed", Reader)
    return Reader.made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "page.sqlite")
    yield store
    store.close()


def book_of(name: str, about: About | None = ABOUT) -> BedBook:
    book = BedBook(name)
    book.about = about
    return book


def test_each_bed_is_read_once_until_it_is_gone(store: Store, readers: list[Reader]) -> None:
    feeds, books = Feeds(Eeg(read=True), store), [book_of("a"), book_of("b")]
    feeds.turn(books)
    feeds.turn(books)
    assert len(readers) == 2
    joined: Any = feeds.open(books[0])
    assert joined is readers[0], "a screen joins the one that reads"
    feeds.turn(books[1:])
    assert [one.ended for one in readers] == [True, False]
    assert feeds.why_not("b") == ""
    assert "about to be looked for" in feeds.why_not("a")


def test_a_dead_detector_does_not_end_it_and_another_stream_begins_it_anew(store: Store, readers: list[Reader]) -> None:
    feeds, book = Feeds(Eeg(read=True), store), book_of("a")
    feeds.turn([book])
    book.about = None
    feeds.turn([book])
    assert [one.ended for one in readers] == [False]
    book.about = About("h", "m", "chb-mit-22", 22, "amp", "amp-2", "1")
    feeds.turn([book])
    assert [one.ended for one in readers] == [True, False]


def test_why_a_bed_is_not_read_is_told(store: Store, readers: list[Reader]) -> None:
    feeds, book = Feeds(Eeg(read=True), store), book_of("a", None)
    feeds.turn([book])
    assert feeds.why_not("a") == "the detector is not there"
    book.about = ABOUT
    feeds.turn([book])
    assert feeds.why_not("a") == ""
    readers[0].obstacle = "no stream yet"
    assert feeds.why_not("a") == "no stream yet"
    off = Feeds(Eeg(read=False), store)
    off.begin(lambda: pytest.fail("nobody is asked which beds there are"))
    assert "[eeg] read = false" in off.why_not("a")
    off.close()


def test_one_that_failed_is_tried_again_in_a_while(
    store: Store, readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds, book = Feeds(Eeg(read=True), store), book_of("a")
    now_s = [100.0]
    monkeypatch.setattr("detector.page.lsl_feeds.time.monotonic", lambda: now_s[0])
    feeds.turn([book])
    readers[0].ended, readers[0].obstacle = True, "channels contradict one another"
    now_s[0] = 105.0
    feeds.turn([book])
    assert feeds.why_not("a") == "channels contradict one another"
    with pytest.raises(DetectorError, match="contradict"):
        feeds.open(book)
    assert len(readers) == 1
    now_s[0] = 110.0
    feeds.turn([book])
    assert len(readers) == 2


def test_a_flood_of_beds_is_not_a_flood_of_readers(
    store: Store, readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.page.lsl_feeds.MOST_READ", 3)
    feeds, books = Feeds(Eeg(read=True), store), [book_of(name) for name in "abcde"]
    feeds.turn(books)
    assert len(readers) == 3
    assert feeds.why_not("d") == "this page reads the EEG of 3 beds, and of no more"
    feeds.turn(books[2:])
    feeds.turn(books[2:])
    assert (feeds.why_not("d"), feeds.why_not("e")) == ("", "")


def test_without_trends_a_bed_is_read_for_screens_only(store: Store, readers: list[Reader]) -> None:
    feeds, book = Feeds(Eeg(read=False), store), book_of("a")
    feed: Any = feeds.open(book)
    assert readers[0].keep is None
    assert feeds.open(book) is feed
    feed.end()
    feed = feeds.open(book)
    assert feed is readers[1]


def test_bins_are_kept_also_those_of_the_end(store: Store, readers: list[Reader]) -> None:
    feeds, turned = Feeds(Eeg(read=True), store), threading.Event()

    def books() -> list[BedBook]:
        turned.set()
        return [book_of("a")]

    feeds.begin(books)
    assert turned.wait(10)
    feeds.turn(books())
    assert readers[0].keep is not None
    readers[0].keep(EegBin(1000, 5, None, None))
    feeds.close()
    readers[0].keep(EegBin(3000, 5, None, None))  # one that did not end in time, when the file is closed already
    store.bed("a", 0.0).result(5)
    assert [row["bin_s"] for row in store.eeg_bins("a", 0.0)] == [1000, 2000]


def test_whatever_goes_wrong_with_one_turn_there_is_another(
    store: Store, readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.page.lsl_feeds._TURN_S", 0.01)
    feeds, turns, done = Feeds(Eeg(read=True), store), [0], threading.Event()

    def books() -> list[BedBook]:
        turns[0] += 1
        if turns[0] < 3:
            raise RuntimeError("out of threads")
        done.set()
        return []

    feeds.begin(books)
    assert done.wait(10)
    feeds.close()
