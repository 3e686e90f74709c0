"""Who may look and change what, what goes with every answer, and that bad requests change nothing."""

from __future__ import annotations

import base64
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from detector.errors import UsageError
from detector.page.access import CHANGE_HEADER, COOKIE, SESSION_S, Access, Limit
from detector.page.alerts.dispatch import Alerts
from detector.page.bed import BedBook
from detector.page.config import load_page_config
from detector.page.server import Page
from detector.page.spectrum import N_BANDS, PACKED_BYTES, EegBin, Hemisphere
from detector.page.store import Store

NOW_S = time.time()
WORD = "a word of sixteen letters"
OWN = {CHANGE_HEADER: "1"}


class Beds:
    """In place of the ward: what it was asked for, and what it says."""

    def __init__(self) -> None:
        self.age_s = 0.0
        self.asked: list[tuple[str, str, str]] = []
        self.safe = True

    def facts(self) -> dict[str, Any]:
        return {"time_s": 1.0, "age_s": self.age_s, "beds": [], "alarms": [], "notices": []}

    def book(self, bed: str) -> BedBook | None:
        return BedBook(bed) if bed == "bed1" else None

    def acknowledge(self, alarm: str, who: str) -> bool:
        if alarm == "none":
            raise UsageError("this alarm does not stand any more")
        return self._note("acknowledge", alarm, who)

    def undo(self, alarm: str, who: str) -> bool:
        return self._note("undo", alarm, who)

    def forget(self, bed: str, who: str) -> bool:
        return self._note("forget", bed, who)

    def _note(self, what: str, which: str, who: str) -> bool:
        self.asked.append((what, which, who))
        return self.safe


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "page.sqlite")
    yield store
    store.close()


@pytest.fixture
def beds() -> Beds:
    return Beds()


def client(store: Store, beds: Beds, *, word: str = "", peer: str = "127.0.0.1", **server: Any) -> TestClient:
    config = load_page_config(None, **server)
    page = Page(config, Access(config.server, word), beds, store, Alerts(config, store))  # type: ignore[arg-type]
    return TestClient(page.app(), base_url="http://127.0.0.1:8765", client=(peer, 5000), raise_server_exceptions=False)


def test_every_answer_keeps_a_browser_from_anything_else(store: Store, beds: Beds) -> None:
    browser = client(store, beds)
    for path in ("/", "/static/main.js", "/api/ward", "/none", "/livez"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_nothing_of_the_page_comes_from_elsewhere() -> None:
    from detector.page.server import STATIC

    for file in STATIC.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "").replace("https://www.w3.org/TR", "")
        assert "http" not in text.replace("https://", "http", 0) or "://" not in text, file.name
        assert "innerHTML" not in text, file.name
        assert " style=" not in text, file.name


def test_what_is_acknowledged_is_told_with_whether_it_is_safe(store: Store, beds: Beds) -> None:
    browser = client(store, beds)
    answer = browser.post("/api/alarms/bed1.seizure.1/acknowledge", json={"who": "Joy"}, headers=OWN)
    assert (answer.status_code, answer.json()) == (200, {"written": True})
    beds.safe = False
    answer = browser.post("/api/alarms/bed1.seizure.1/undo", json={"who": "Joy"}, headers=OWN)
    assert (answer.status_code, answer.json()) == (503, {"written": False})
    assert beds.asked == [("acknowledge", "bed1.seizure.1", "Joy"), ("undo", "bed1.seizure.1", "Joy")]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/alarms/none/acknowledge", {"who": "a"}, 400),
        ("/api/alarms/x/acknowledge", {"who": 5}, 400),
        ("/api/alarms/x/acknowledge", [], 400),
        ("/api/alarms/x/acknowledge", "[" * 3000, 400),
        ("/api/alarms/x/acknowledge", {"who": "a" * 5000}, 413),
        ("/api/beds/bed1/labels", {"kind": "maybe", "who": "a", "at_s": 1}, 400),
        ("/api/beds/bed1/labels", {"kind": "false-alarm", "who": "", "at_s": 1}, 400),
        ("/api/beds/bed1/labels", {"kind": "false-alarm", "who": "a", "at_s": "now"}, 400),
        ("/api/beds/bed1/labels", {"kind": "false-alarm", "who": "a", "at_s": 1e300}, 400),
        ("/api/beds/bed1/labels", {"kind": "false-alarm", "who": "a", "at_s": NOW_S, "alarm": "\ud800"}, 400),
        ("/api/beds/bed1/labels", {"kind": "false-alarm", "who": "a", "at_s": NOW_S, "alarm": 5}, 400),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    store: Store, beds: Beds, path: str, body: object, code: int
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = client(store, beds).post(path, content=content, headers=OWN)
    assert answer.status_code == code
    assert answer.json()["error"]
    assert beds.asked == []
    assert store.labels("bed1", 0.0) == []


@pytest.mark.parametrize(
    "headers", [{}, {**OWN, "origin": "http://evil.example"}, {CHANGE_HEADER: "0"}], ids=["none", "origin", "wrong"]
)
def test_another_site_changes_nothing(store: Store, beds: Beds, headers: dict[str, str]) -> None:
    browser = client(store, beds)
    assert browser.post("/api/alarms/x/acknowledge", json={"who": "a"}, headers=headers).status_code == 403
    assert browser.post("/api/alerts/x/test", json={}, headers=headers).status_code == 403
    assert beds.asked == []


def test_a_name_that_somebody_pointed_here_is_not_answered(store: Store, beds: Beds) -> None:
    browser = client(store, beds)
    assert browser.get("/api/ward", headers={"host": "evil.example:8765"}).status_code == 403
    assert browser.get("/api/ward", headers={"host": "localhost:8765"}).status_code == 200
    assert browser.get("/api/ward", headers={"host": "[::1]:8765"}).status_code == 200


def test_with_a_word_nobody_looks_or_changes_before_it_was_given(store: Store, beds: Beds) -> None:
    browser = client(store, beds, word=WORD)
    for path in ("/api/ward", "/api/ward/stream", "/api/beds/bed1/history", "/api/beds/bed1/eeg", "/api/alerts",
                 "/api/beds/bed1/spectrum"):  # fmt: skip
        assert browser.get(path).status_code == 401, path
    assert browser.post("/api/alarms/x/acknowledge", json={"who": "a"}, headers=OWN).status_code == 401
    assert browser.post("/api/alerts/x/test", json={}, headers=OWN).status_code == 401
    assert browser.get("/api/session").json()["may_look"] is False
    assert browser.post("/api/session", json={"word": "another"}, headers=OWN).status_code == 401
    answer = browser.post("/api/session", json={"word": WORD}, headers=OWN)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert COOKIE in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert browser.get("/api/ward").status_code == 200
    assert browser.post("/api/alarms/x/acknowledge", json={"who": "a"}, headers=OWN).status_code == 200
    browser.request("DELETE", "/api/session", headers=OWN)
    assert browser.get("/api/ward").status_code == 401


def test_whoever_has_logged_in_stays_so_over_a_restart_and_nobody_with_a_cookie_of_their_own(
    store: Store, beds: Beds
) -> None:
    browser = client(store, beds, word=WORD)
    browser.post("/api/session", json={"word": WORD}, headers=OWN)
    cookie = browser.cookies[COOKIE]
    again = client(store, beds, word=WORD)
    again.cookies.set(COOKIE, cookie)
    assert again.get("/api/ward").status_code == 200
    ends, nonce, signature = cookie.split(".")
    for wrong in ("", "x", f"{float(ends) + 1:.0f}.{nonce}.{signature}", f"{ends}.{nonce}.{signature[:-1]}x"):
        assert (
            client(store, beds, word=WORD).get("/api/ward", headers={"cookie": f"{COOKIE}={wrong}"}).status_code == 401
        )
    other = client(store, beds, word=WORD + "!")
    other.cookies.set(COOKIE, cookie)
    assert other.get("/api/ward").status_code == 401


def test_a_session_ends() -> None:
    now = [1000.0]
    access = Access(load_page_config(None).server, WORD, utc=lambda: now[0])
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "client": ("127.0.0.1", 1)})
    cookie = access.log_in(request, WORD)
    asked = Request({**request.scope, "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]})
    assert access.may_change(asked)
    now[0] += SESSION_S
    assert not access.may_change(asked)


class Watched(Beds):
    """A ward whose session is ended while somebody looks, and, where that ends nothing, the page."""

    page: Page

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__()
        self.told, self._end = 0, end

    def facts(self) -> dict[str, Any]:
        self.tell()
        return super().facts()

    def tell(self) -> None:
        self.told += 1
        if self.told == 2:
            self._end()
        self.page.stopping = self.told > 9


class Feed:
    """The EEG of a bed, without any."""

    derivations: ClassVar[list[str]] = []
    ended = False
    beds: ClassVar[Watched]
    left = 0

    def __init__(self, _: BedBook, keep: object) -> None:
        pass

    def join(self) -> deque[dict[str, Any]]:
        return deque()

    def is_of(self, _: BedBook) -> bool:
        self.beds.tell()
        return True

    def leave(self, _: deque[dict[str, Any]]) -> bool:
        Feed.left += 1
        return True


@pytest.mark.parametrize("path", ["/api/ward/stream", "/api/beds/bed1/eeg"])
@pytest.mark.parametrize("how", ["logged out", "expired"])
def test_a_stream_ends_when_its_session_does(
    store: Store, monkeypatch: pytest.MonkeyPatch, path: str, how: str
) -> None:
    now_s = [1000.0]
    config = load_page_config(None)
    access = Access(config.server, WORD, utc=lambda: now_s[0])

    def end() -> None:
        if how == "expired":
            now_s[0] += SESSION_S
        else:
            access.log_out(Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]}))

    beds = Watched(end)
    monkeypatch.setattr(Feed, "beds", beds, raising=False)
    monkeypatch.setattr(Feed, "left", 0)
    monkeypatch.setattr("detector.page.lsl_feeds.EegFeed", Feed)
    beds.page = Page(config, access, beds, store, Alerts(config, store))  # type: ignore[arg-type]
    browser = TestClient(beds.page.app(), base_url="http://127.0.0.1:8765", client=("127.0.0.1", 5000))
    browser.post("/api/session", json={"word": WORD}, headers=OWN)
    cookie = browser.cookies[COOKIE]
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer.text.startswith("data: ")
    assert beds.told < 5, "it went on"
    assert Feed.left == (path != "/api/ward/stream")
    assert browser.get(path).status_code == 401


def test_behind_a_proxy_each_address_has_its_own_limit(store: Store, beds: Beds) -> None:
    browser = client(store, beds, peer="10.0.0.2", host="0.0.0.0", trusted_proxy="10.0.0.2")
    for address, code in (("1.1.1.1", 429), ("2.2.2.2", 200)):
        for _ in range(70 if code == 429 else 1):
            headers = {**OWN, "x-forwarded-for": f"9.9.9.9, {address}"}
            answer = browser.post("/api/alarms/x/acknowledge", json={"who": "a"}, headers=headers)
        assert answer.status_code == code


def test_screens_may_only_look_where_that_is_allowed(store: Store, beds: Beds) -> None:
    browser = client(store, beds, word=WORD, read_only_screens=True)
    assert browser.get("/api/ward").status_code == 200
    assert browser.post("/api/alarms/x/acknowledge", json={"who": "a"}, headers=OWN).status_code == 401
    assert beds.asked == []


def test_words_cannot_be_tried_without_end(store: Store, beds: Beds) -> None:
    browser = client(store, beds, word=WORD)
    for _ in range(12):
        browser.post("/api/session", json={"word": "x"}, headers=OWN)
    assert browser.post("/api/session", json={"word": WORD}, headers=OWN).status_code == 401


def test_changes_cannot_be_made_without_end(store: Store, beds: Beds) -> None:
    browser = client(store, beds)
    codes = [browser.post("/api/alarms/x/acknowledge", json={"who": "a"}, headers=OWN).status_code for _ in range(70)]
    assert codes[:50] == [200] * 50
    assert codes[-1] == 429


def test_behind_a_proxy_only_the_proxy_is_answered(store: Store, beds: Beds) -> None:
    given = {"host": "0.0.0.0", "trusted_proxy": "10.0.0.2"}
    assert client(store, beds, peer="10.0.0.2", **given).get("/api/ward").status_code == 200
    assert client(store, beds, peer="10.0.0.3", **given).get("/api/ward").status_code == 403


def test_labels_and_history_are_kept_and_told(store: Store, beds: Beds) -> None:
    browser, at_s = client(store, beds), time.time() - 5
    body = {"kind": "missed-seizure", "who": "Joy", "at_s": at_s}
    assert browser.post("/api/beds/bed1/labels", json=body, headers=OWN).json() == {"written": True}
    assert browser.post("/api/beds/bed9/labels", json=body, headers=OWN).status_code == 404
    assert browser.post("/api/beds/bed1/labels", json=body | {"kind": "withdrawn"}, headers=OWN).status_code == 200
    store.trend("bed1", int(at_s), 0.5, 0.1, 1, 22).result(5)
    told = browser.get("/api/beds/bed1/history?hours=1").json()
    assert [(one["kind"], one["at_s"], one["who"]) for one in told["labels"]] == [
        ("withdrawn", at_s, "Joy"), ("missed-seizure", at_s, "Joy"),
    ]  # fmt: skip
    assert [one["probability"] for one in told["trend"]] == [0.5]
    assert browser.get("/api/beds/bed1/history?hours=nan").status_code == 400
    assert browser.get("/api/beds/bed1/history?hours=1e9").status_code == 200


def test_the_spectrum_is_told_from_a_time_on_with_why_there_is_none(store: Store, beds: Beds) -> None:
    browser, now_s = client(store, beds), int(time.time()) // 10 * 10
    packed = EegBin(now_s, 95, Hemisphere(np.full(N_BANDS, 3.0, np.float32), 1.0, 2.0), None).pack()
    for bin_s in (now_s - 200 * 3600, now_s - 100, now_s):
        store.eeg_bin("bed1", bin_s, 95, packed).result(5)
    told = browser.get("/api/beds/bed1/spectrum").json()
    assert base64.b64decode(told["bins"]) == b"".join(
        bin_s.to_bytes(4, "little") + packed for bin_s in (now_s - 100, now_s)
    )
    assert told["why_not"] == "it is about to be looked for"
    told = browser.get(f"/api/beds/bed1/spectrum?since={now_s}").json()
    assert len(base64.b64decode(told["bins"])) == 4 + PACKED_BYTES
    assert browser.get("/api/beds/bed2/spectrum").json()["bins"] == ""
    assert browser.get("/api/beds/bed1/spectrum?since=nan").status_code == 400


def test_a_day_of_the_spectrum_is_small(store: Store, beds: Beds) -> None:
    day = [(("INSERT INTO eeg_bin VALUES (?, ?, ?, ?)"), ("bed1", int(time.time()) - 10 * n, 95, bytes(PACKED_BYTES)))
           for n in range(8640)]  # fmt: skip
    store.put(*day).result(30)
    assert len(client(store, beds).get("/api/beds/bed1/spectrum").content) < 1.1e6


def test_the_thresholds_are_in_the_history(store: Store, beds: Beds) -> None:
    now_s = time.time()
    store.thresholds("bed1", now_s - 50, 0.8, 0.4).result(5)
    told = client(store, beds).get("/api/beds/bed1/history?hours=0.01").json()
    assert told["thresholds"] == [{"time_s": now_s - 50, "onset": 0.8, "offset": 0.4}]


def test_without_targets_alerts_are_told_as_none_and_a_test_of_one_is_refused(store: Store, beds: Beds) -> None:
    browser = client(store, beds)
    assert browser.get("/api/alerts").json()["targets"] == []
    answer = browser.post("/api/alerts/pager/test", json={}, headers=OWN)
    assert (answer.status_code, answer.json()["error"]) == (400, "there is no target 'pager'; none is configured")


def test_a_page_that_has_stopped_reading_is_not_alive(store: Store, beds: Beds) -> None:
    browser = client(store, beds)
    assert browser.get("/livez").status_code == 200
    beds.age_s = 3.1
    assert browser.get("/livez").status_code == 503


def test_a_limit_lets_as_many_through_as_it_says() -> None:
    now = [0.0]
    limit = Limit(5, 10.0, lambda: now[0])
    assert [limit.admits("a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert limit.admits("b")
    now[0] = 2.0
    assert [limit.admits("a") for _ in range(2)] == [True, False]
    now[0] = math.inf
    assert limit.admits("c")
