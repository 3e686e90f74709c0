"""Who may look at what was written, and that what cannot be shown is told and keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import edfio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from detector.errors import MissingInputError
from detector.page.access import Access
from detector.page.alerts.dispatch import Alerts
from detector.page.config import load_page_config
from detector.page.review import routes
from detector.page.review.report import Report
from detector.page.server import Page
from detector.page.store import Store
from tests.live import until
from tests.page.review.beds import BED, HOSTILE, NAMES, ONSET_UTC_S, write
from tests.page.test_server import OWN, WORD, Beds
from tests.signals import deterministic

HOURS = 24 * 31


class Served:
    """A page with a bed that has one clip, abc1."""

    def __init__(self, folder: Path, *, word: str = "", **server: Any) -> None:
        self.root = folder / "states"
        self.clip = write(self.root / "clips" / BED)
        config_file = folder / "page.toml"
        config_file.write_text(f'[review]\nfolder = "{self.root}"\n')
        config = load_page_config(config_file, **server)
        self.store = Store(folder / "page.sqlite")
        self.page = Page(config, Access(config.server, word), Beds(), self.store, Alerts(config, self.store))  # type: ignore[arg-type]
        self.browser = TestClient(
            self.page.app(), base_url="http://127.0.0.1:8765", client=("127.0.0.1", 5000), raise_server_exceptions=False
        )
        self.path = f"/api/beds/{BED}/clips/{self.clip.name}"

    def get(self, path: str = "", code: int = 200) -> Any:
        answer = self.browser.get(f"{self.path}{path}")
        assert answer.status_code == code, answer.text
        return answer.json()

    def close(self) -> None:
        self.page.close()
        self.store.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.close()


def test_a_clip_is_listed_shown_and_downloaded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.page.review.routes.time.time", lambda: ONSET_UTC_S + 3600)
    listed = served.browser.get(f"/api/beds/{BED}/clips?hours=2").json()
    assert listed["why"] == f"there is no journal of this bed in {served.root}"
    [event] = listed["events"]
    assert (event["id"], event["onset_s"]) == ("abc1", ONSET_UTC_S)
    assert [clip["file"] for clip in event["clips"]] == [served.clip.name]
    assert served.browser.get(f"/api/beds/{BED}/clips?hours=0.5").json()["events"] == []
    facts = served.get()
    assert (facts["derivations"], facts["onset_s"]) == ([*NAMES], 60.0)
    assert served.get("/eeg?from_s=55&length_s=15")["n"] == 15 * 256
    answer = served.browser.get(f"{served.path}/edf")
    assert answer.headers["content-disposition"] == f'attachment; filename="{served.clip.name}"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == served.clip.read_bytes()
    edf = edfio.read_edf(io.BytesIO(answer.content))
    assert HOSTILE in [one.text for one in edf.annotations]


def test_with_a_word_nobody_sees_anything_before_it_was_given(tmp_path: Path) -> None:
    served = Served(tmp_path, word=WORD)
    paths = [
        f"/api/beds/{BED}/clips",
        served.path,
        f"{served.path}/eeg",
        f"{served.path}/edf",
        f"/api/beds/{BED}/report",
    ]
    for path in paths:
        answer = served.browser.get(path)
        assert (answer.status_code, answer.json()) == (401, {"error": "log in first"}), path
    assert served.browser.post(f"/api/beds/{BED}/report", headers=OWN).status_code == 401
    served.close()


def test_another_site_has_no_report_made(served: Served) -> None:
    assert served.browser.post(f"/api/beds/{BED}/report", json={}).status_code == 403


@pytest.mark.parametrize("query", ["from_s=nan", "from_s=x", "length_s=inf", "hours=nan"])
def test_a_number_that_is_none_is_refused(served: Served, query: str) -> None:
    path = f"/api/beds/{BED}/clips" if query.startswith("hours") else f"{served.path}/eeg"
    assert served.browser.get(f"{path}?{query}").status_code == 400


def test_what_cannot_be_shown_is_told_in_words_and_logged_once(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    content = served.clip.read_bytes()
    assert served.get()["duration_s"] == 120
    served.clip.write_bytes(content[:300_000])
    with caplog.at_level(logging.WARNING):
        for path in ("", "/eeg", "/eeg", ""):
            assert re.match(rf"{served.clip.name} is truncated", served.get(path, 422)["error"])
    assert [record.getMessage().count("truncated") for record in caplog.records if "trunc" in record.getMessage()] == [
        1
    ]
    served.clip.write_bytes(content)
    assert served.get()["duration_s"] == 120, "a file that was written anew is read anew"
    served.clip.unlink()
    assert served.get("", 404)["error"] == f"{served.clip.name} is not there any more"
    assert served.get("/edf", 404)["error"] == f"{served.clip.name} is not there any more"


_PIECES = ["..", "/", "%2f", "%2e", "%00", "\\", "bed1", "clips", "page.sqlite", "%252f", "etc/passwd", ".edf", "%0a"]


@deterministic(300)
@given(st.lists(st.sampled_from(_PIECES), max_size=8).map("".join), st.sampled_from(["", "/eeg", "/edf"]))
def test_no_address_leads_to_another_file(tmp_path_factory: pytest.TempPathFactory, name: str, what: str) -> None:
    if not _SHARED:
        _SHARED.append(Served(tmp_path_factory.mktemp("served")))
    served = _SHARED[0]
    for bed, file in ((BED, f"{name}x"), (f"{name}x", served.clip.name)):
        raw = f"/api/beds/{bed}/clips/{file}{what}"
        code, content = asyncio.run(answered(served, raw))
        assert code == 404, (raw, content)
        assert b"SQLite" not in content


async def answered(served: Served, raw: str) -> tuple[int, bytes]:
    """Ask for an address as it is; a client would tidy it up."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": unquote(raw), "raw_path": raw.encode(), "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8765")], "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8765),
        "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    await served.page.app()(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


_SHARED: list[Served] = []


@pytest.fixture(scope="module", autouse=True)
def _end() -> Iterator[None]:
    yield
    for served in _SHARED:
        served.close()


def test_a_disk_that_does_not_answer_keeps_no_alarm_waiting(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, answers = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        reads.set()
        answers.wait(30)
        raise MissingInputError("the disk")

    monkeypatch.setattr("detector.page.review.files.BedFiles.open_clip", hang)

    async def ask() -> list[int]:
        transport = httpx2.ASGITransport(app=served.browser.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
            waiting = [asyncio.create_task(client.get(served.path)) for _ in range(routes._MOST_WAITING)]
            while not reads.is_set():
                await asyncio.sleep(0.01)
            codes = [
                (await client.get("/api/ward")).status_code,
                (await client.post("/api/alarms/x/acknowledge", json={"who": "a"}, headers=OWN)).status_code,
                (await client.get(f"/api/beds/{BED}/history")).status_code,
                (await client.get(served.path)).status_code,
            ]
            answers.set()
            await asyncio.gather(*waiting)
            return codes

    assert asyncio.run(ask()) == [200, 200, 200, 503]


def test_a_report_is_made_on_request_and_can_run_and_fetch_nothing(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/beds/{BED}/report"
    assert "made from the bed's view" in served.browser.get(path).json()["error"]
    made = tmp_path / "made.html"
    made.write_text("<p>a night</p>")
    monkeypatch.setattr("detector.page.review.report.Reports.make", lambda _self, _bed: Report(made, 0.0, 12.5))
    monkeypatch.setattr("detector.page.review.report.Reports.open", lambda _self, _bed: made.open("rb"))
    answer = served.browser.post(path, headers=OWN)
    assert (answer.status_code, answer.json()) == (200, {"made_s": 12.5})
    answer = served.browser.get(path)
    assert (answer.text, answer.headers["content-type"]) == ("<p>a night</p>", "text/html; charset=utf-8")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert re.fullmatch(r"'sha256-\S+'", policy["style-src"])
    assert policy["img-src"] == "data:"
    assert policy["sandbox"] == ""
    assert answer.headers["cache-control"] == "no-store"


def test_one_report_is_made_at_a_time_and_who_asks_for_the_same_waits_for_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    makes, made, asked = threading.Event(), threading.Event(), []

    def make(_self: object, bed: str) -> Report:
        asked.append(bed)
        makes.set()
        made.wait(30)
        return Report(Path("x"), 0.0, 1.0)

    monkeypatch.setattr("detector.page.review.report.Reports.make", make)

    async def ask() -> list[tuple[int, Any]]:
        transport = httpx2.ASGITransport(app=served.browser.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765", headers=OWN) as client:
            both = [asyncio.create_task(client.post(f"/api/beds/{BED}/report")) for _ in range(2)]
            while not makes.is_set():
                await asyncio.sleep(0.01)
            other = await client.post("/api/beds/bed2/report")
            made.set()
            return [(one.status_code, one.json()) for one in (*await asyncio.gather(*both), other)]

    answers = asyncio.run(ask())
    assert answers[:2] == [(200, {"made_s": 1.0})] * 2
    assert answers[2][0] == 503
    assert "another bed is being made" in answers[2][1]["error"]
    assert asked == [BED]


def test_what_was_not_made_is_told_in_words(served: Served) -> None:
    answer = served.browser.post(f"/api/beds/{BED}/report", headers=OWN)
    assert answer.status_code == 503
    assert answer.json()["error"] == f"there is no journal of this bed in {served.root}"


def test_few_clips_are_kept_open(served: Served) -> None:
    for n in range(8):
        clip = write(served.root / "clips" / BED, f"more{n}", onset_utc_s=ONSET_UTC_S + 1000 * n + 1000)
        assert served.browser.get(f"/api/beds/{BED}/clips/{clip.name}").status_code == 200
    assert len(served.page._review._open) == 4
    until(lambda: served.page._review._n_waiting == 0, 5, "nothing waits")
