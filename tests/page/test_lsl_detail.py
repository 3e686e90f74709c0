"""The thresholds of a bed are those that its detector tells now; where it tells none, none are known."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.client.lsl import StatusSample
from detector.messages import State
from detector.page.bed import TOLD_S, BedBook, Thresholds
from detector.page.lsl_detail import Details, thresholds_of
from detector.page.store import Store
from tests.client.lsl_publisher import publisher
from tests.page.test_lsl_ward import Live
from tests.signals import deterministic

DECISION: dict[str, Any] = {"onset_threshold": 0.8, "offset_threshold": 0.4, "smoothing_s": 2.0, "warm_up_s": 30.0}
ALIVE = StatusSample(0.0, 0.1, State.NON_SEIZURE, 22, 0.1, 0, 0.0)


def message(schema: object = 1, kind: object = "settings", **changes: object) -> str:
    return json.dumps({"schema": schema, "kind": kind, "decision": DECISION | changes})


def test_thresholds_are_read_as_they_were_told() -> None:
    assert thresholds_of(message()) == Thresholds(0.8, 0.4, 2.0)
    assert thresholds_of(message().encode()) == Thresholds(0.8, 0.4, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        message(schema=2),
        message(kind="condition"),
        message(onset_threshold=0.3),
        message(offset_threshold=0),
        message(onset_threshold=1.5),
        message(onset_threshold="<b>"),
        message(onset_threshold=True),
        message(onset_threshold=None),
        message(smoothing_s=-1),
        message(onset_threshold=float("nan")),
        message(onset_threshold=10**400),
        message(more="x" * 20_000),
        json.dumps({"schema": 1, "kind": "settings"}),
        json.dumps({"schema": 1, "kind": "settings", "decision": []}),
        "[" * 5000,
        "{",
        b"\xff\xfe",
    ],
)
def test_what_makes_no_sense_is_none(text: str | bytes) -> None:
    assert thresholds_of(text) is None


@given(st.text() | st.binary() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
@deterministic(200)
def test_nothing_that_a_peer_sends_is_an_error(text: str | bytes) -> None:
    assert thresholds_of(text) is None


def test_they_are_forgotten_where_they_are_not_repeated_the_detector_is_another_or_dead() -> None:
    book = BedBook("bed1")

    def lives(now_s: float) -> None:
        book.take(ALIVE, 1000.0 + now_s, now_s, 0.0)

    lives(0.0)
    assert book.facts(0.0)["thresholds"] is None
    book.tell(Thresholds(0.8, 0.4, 2.0), 0.0)
    lives(TOLD_S)
    assert book.facts(TOLD_S)["thresholds"] == {"onset": 0.8, "offset": 0.4, "smoothing_s": 2.0}
    lives(TOLD_S + 1)
    assert book.thresholds(TOLD_S + 1) is None
    book.tell(Thresholds(0.9, 0.4, 2.0), TOLD_S + 1)
    assert book.thresholds(TOLD_S + 1) is not None
    assert book.thresholds(TOLD_S + 10) is None, "it is dead"
    lives(TOLD_S + 10)
    book.connected()
    lives(TOLD_S + 10)
    assert book.thresholds(TOLD_S + 10) is None


def test_only_changes_are_written_down(tmp_path: Path) -> None:
    store, book = Store(tmp_path / "page.sqlite"), BedBook("bed1")
    details = Details(store)
    for time_s, told in ((0.0, None), (10.0, 0.8), (20.0, 0.8), (30.0, 0.9)):
        book.take(ALIVE, time_s, time_s, 0.0)
        if told:
            book.tell(Thresholds(told, 0.4, 0.0), time_s)
        details.keep(book, time_s, time_s)
    details.keep(book, 40.0, 40.0)
    store.bed("bed1", 0.0).result(5)
    assert [tuple(row.values()) for row in store.told_thresholds("bed1", 0.0)] == [
        (0.0, None, None), (10.0, 0.8, 0.4), (30.0, 0.9, 0.4), (40.0, None, None),
    ]  # fmt: skip
    store.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    live = Live(tmp_path / "page.sqlite")
    yield live
    live.end()


def test_they_come_over_lsl_also_when_they_change_while_the_page_looks(live: Live) -> None:
    def onset() -> float | None:
        told = live.bed("detail-a").get("thresholds")
        return None if told is None else float(told["onset"])

    with publisher("detail-a") as process:
        process.tell("outlets.push_detail({'kind': 'condition', 'text': '<b>'})")
        live.until(lambda: live.bed("detail-a")["state"] == "non-seizure", "it is read")
        assert onset() is None
        tell = "outlets.tell_settings(dict(onset_threshold={}, offset_threshold=0.4, smoothing_s=2.0))"
        before_s = time.monotonic()
        live.until(lambda: process.tell(tell.format(0.8)) and onset() == 0.8, "its thresholds are known")
        process.tell(tell.format(0.9))
        live.until(lambda: onset() == 0.9, "others are")
        connection = live.ward._connections["detail-a"]
        assert connection.age_s > time.monotonic() - before_s, "nothing was connected to anew"
        live.until(lambda: len(live.store.told_thresholds("detail-a", 0.0)) >= 1, "they are kept")
    live.until(lambda: live.bed("detail-a")["state"] == "dead", "it is dead")
    assert onset() is None
