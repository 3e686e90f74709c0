"""Every bed on a real LSL network is followed, and what happens to its detector is an alarm in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pylsl
import pytest

from detector.errors import UsageError
from detector.page.config import load_page_config
from detector.page.lsl_ward import Ward
from detector.page.store import Store
from tests.client.lsl_publisher import Publisher, publisher


class Live:
    """A ward that is turned by hand, and its file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begin()

    def begin(self) -> None:
        self.store = Store(self.path)
        self.ward = Ward(load_page_config(None), self.store)

    def end(self) -> None:
        self.store.close()

    def bed(self, name: str) -> dict[str, Any]:
        return next((bed for bed in self.ward.facts()["beds"] if bed["bed"] == name), {"state": "not there"})

    def alarms(self, bed: str) -> list[str]:
        return [alarm["kind"] for alarm in self.ward.facts()["alarms"] if alarm["bed"] == bed]

    def until(self, condition: Any, what: str, within_s: float = 15.0) -> float:
        began_s = time.monotonic()
        while not condition():
            assert time.monotonic() - began_s < within_s, f"not within {within_s} s: {what}; {self.ward.facts()}"
            self.ward.turn()
            time.sleep(0.02)
        return time.monotonic() - began_s


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    live = Live(tmp_path / "page.sqlite")
    yield live
    live.end()


def state(process: Publisher, name: str) -> None:
    process.tell(f"shown.update(state=State.{name})")


def test_a_seizure_is_an_alarm_and_outlives_its_detector_and_the_page(live: Live) -> None:
    with publisher("ward-a") as process:
        live.until(lambda: live.bed("ward-a")["state"] == "non-seizure", "it is found and read")
        assert live.bed("ward-a")["derivations"] == 2
        state(process, "SEIZURE")
        live.until(lambda: live.alarms("ward-a") == ["seizure"], "the seizure is an alarm", 5)
    live.until(lambda: live.alarms("ward-a") == ["seizure", "dead"], "the detector is dead", 6)
    assert live.bed("ward-a")["state"] == "dead"
    live.end()
    live.begin()
    live.until(lambda: live.alarms("ward-a") == ["seizure", "dead"], "both are known after a restart", 6)
    with publisher("ward-a"):
        live.until(lambda: live.bed("ward-a")["state"] == "non-seizure", "another detector watches the bed")
        [seizure] = [one for one in live.ward.facts()["alarms"] if one["physiological"]]
        assert seizure["over_s"] is not None
        assert live.ward.acknowledge(seizure["id"], "Joy")
        assert "seizure" not in live.alarms("ward-a")
    actions = [
        (row["action"], row["who"]) for row in live.store.alarm_log("ward-a", 0.0) if row["alarm"]["physiological"]
    ]
    assert actions[::-1] == [("raised", ""), ("outcome-unknown", ""), ("over", ""), ("acknowledged", "Joy")]


def test_a_detector_that_says_nothing_is_dead_within_three_seconds(live: Live) -> None:
    with publisher("ward-b", auto=False) as process:
        process.tell("outlets.push_status(status(now()), 0.1)")
        live.until(lambda: live.bed("ward-b")["state"] in ("connecting", "non-seizure"), "it is found")
        for _ in range(40):
            process.tell("outlets.push_status(status(now()), 0.1)")
            live.ward.turn()
            time.sleep(0.05)
        live.until(lambda: live.alarms("ward-b") == ["dead"], "it is dead", 4.0)
        assert live.bed("ward-b")["state"] == "dead"


def test_what_a_bed_said_is_kept(live: Live) -> None:
    with publisher("ward-c") as process:
        live.until(lambda: live.bed("ward-c")["state"] == "non-seizure", "it is found and read")
        process.tell("outlets.push_marker('seizure', now())")
        live.until(lambda: live.store.markers("ward-c", 0.0), "the marker came")
        live.until(lambda: live.store.trends("ward-c", 0.0), "ten seconds are over")
        [marker] = live.store.markers("ward-c", 0.0)
    assert marker["text"] == "seizure"
    assert abs(marker["time_s"] - time.time()) < 60
    assert live.store.trends("ward-c", 0.0)[0]["good_channels"] == 21
    assert "ward-c" in live.store.beds()


def outlet(bed: str, kind: str, channels: int, version: str, form: str) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo(f"{bed}-{kind}", "x", channels, 0.0, form, f"seizure-detector:{bed}:{kind}")
    info.desc().append_child_value("contract_version", version)
    return pylsl.StreamOutlet(info)


def test_another_contract_is_shown_as_unknown_with_the_reason_and_its_seizures_are_not_believed(live: Live) -> None:
    kept = [outlet("ward-d", "status", 6, "7<script>", "float32"), outlet("ward-d", "events", 1, "7", "string")]

    def unknown() -> bool:
        kept[0].push_sample([0.9, 2.0, 22.0, 0.0, 0.0, 0.0])
        return bool(live.bed("ward-d")["state"] == "unknown")

    live.until(unknown, "it is shown as unknown")
    assert "it speaks contract 7<script>; this page reads contract 1" in live.bed("ward-d")["words"]
    assert live.alarms("ward-d") == ["problem"]


def test_a_stream_of_our_name_and_ten_thousand_channels_disturbs_no_other_bed(live: Live) -> None:
    kept = [outlet("ward-e", "status", 10_000, "1", "float32"), outlet("ward-e", "events", 1, "1", "string")]
    with publisher("ward-f"):
        live.until(lambda: live.bed("ward-f")["state"] == "non-seizure", "the other is read")
        live.until(lambda: live.bed("ward-e").get("problem"), "it is told what is wrong")
        assert "its status stream has 10000 channels" in live.bed("ward-e")["problem"]
        assert live.bed("ward-f")["state"] == "non-seizure"
    del kept


def test_numbers_that_are_none_and_a_flood_of_markers_are_bounded(live: Live) -> None:
    with publisher("ward-g", auto=False) as process:
        process.tell("outlets.push_status(status(now()), 0.1)")
        live.until(lambda: live.bed("ward-g")["state"] != "not there", "it is found")

        def push() -> bool:
            process.tell(
                "outlets.push_status(dataclasses.replace("
                "status(now(), State.SEIZURE, 1e9), good_channels=10**30, missing_samples=10**30), 1e30)"
            )
            process.tell("[*map(outlets.push_marker, ['<b>' * 500] * 50, [float('nan')] * 50)]")
            return bool(live.bed("ward-g")["state"] == "seizure")

        live.until(push, "a seizure is shown whatever else comes")
        facts = live.bed("ward-g")
        live.until(lambda: live.store.markers("ward-g", 0.0), "markers came")
        assert all(len(one["text"]) <= 200 for one in live.store.markers("ward-g", 0.0))
        live.until(lambda: live.store.trends("ward-g", 0.0), "what cannot be stored as it came is stored as it can")
        assert live.ward.acknowledge(live.ward.facts()["alarms"][0]["id"], "Joy")
    assert facts["probability"] == 1e9
    assert live.ward.facts()["notices"] == []
    assert len(live.store.markers("ward-g", 0.0)) <= 300


def test_a_bed_that_is_back_is_not_forgotten(live: Live) -> None:
    with publisher("ward-i"):
        live.until(lambda: live.bed("ward-i")["state"] == "non-seizure", "it is read")
    live.until(lambda: live.alarms("ward-i") == ["dead"], "it is dead")
    with publisher("ward-i"):
        live.until(lambda: live.bed("ward-i")["state"] == "non-seizure", "it is back")
        with pytest.raises(UsageError, match="this bed is back"):
            live.ward.forget("ward-i", "Joy")
    live.until(lambda: live.bed("ward-i")["state"] == "dead", "it is dead again")
    assert live.ward.forget("ward-i", "Joy")
    assert live.bed("ward-i")["state"] == "not there"


def test_a_page_whose_file_is_gone_goes_on(live: Live) -> None:
    live.path.rename(live.path.with_suffix(".gone"))
    live.ward._dropped_at = -1e9
    with publisher("ward-j") as process:
        state(process, "SEIZURE")
        live.until(lambda: live.alarms("ward-j") == ["seizure"], "the seizure is an alarm")


def test_two_detectors_of_one_name_are_told(live: Live) -> None:
    with publisher("ward-h"), publisher("ward-h"):
        live.until(
            lambda: "2 detectors say that they are ward-h" in live.bed("ward-h").get("problem", ""), "it is told"
        )
        assert live.bed("ward-h")["state"] == "non-seizure"
        assert live.alarms("ward-h") == ["problem"]


def test_what_is_told_to_others_is_never_old(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with publisher("ward-states"):
        live.until(lambda: live.ward.states().get("ward-states", ("",))[0] == "non-seizure", "it is watched")
        stopped_s = time.monotonic() + 3.1
        monkeypatch.setattr("detector.page.lsl_ward.time.monotonic", lambda: stopped_s)
        assert live.ward.states()["ward-states"] == ("unknown", "the page has stopped reading: nothing is known")
