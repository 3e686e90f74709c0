"""A client of a bed: over real LSL, the detector being another process that is killed, frozen and restarted."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pylsl
import pytest

from detector.client.lsl import MAX_BLOCK_S, BedClient, Marker, Record, StatusSample
from detector.errors import NoStreamError, UsageError
from detector.messages import State
from tests.client.lsl_publisher import Publisher, publisher


def read_until(client: BedClient, enough: Callable[[list[Record]], bool], within_s: float = 10) -> list[Record]:
    records: list[Record] = []
    deadline_s = time.monotonic() + within_s
    while not enough(records):
        assert time.monotonic() < deadline_s, f"not within {within_s} s; so far {records[-3:]}"
        records.extend(client.read())
    return records


def statuses(records: list[Record]) -> list[StatusSample]:
    return [record for record in records if isinstance(record, StatusSample)]


def test_who_joins_late_knows_the_state_within_a_second() -> None:
    with publisher("late") as process:
        process.tell("shown.update(state=State.SEIZURE)")
        client = BedClient("late")
        begin_s = time.monotonic()
        sample = statuses(read_until(client, lambda got: bool(statuses(got))))[-1]
        assert time.monotonic() - begin_s < 1.0
        assert not client.dead
        client.close()
    assert sample.state is State.SEIZURE
    assert (sample.probability, sample.good_channels, sample.input_age_s) == (0.25, 21, 0.5)
    assert (sample.missing_samples, sample.burden) == (3, 0.125)


def test_markers_come_with_their_sample_time() -> None:
    with publisher("marks") as process:
        client = BedClient("marks")
        read_until(client, lambda got: bool(statuses(got)))
        process.tell("outlets.push_marker('seizure', 100.5)")
        records = read_until(client, lambda got: any(isinstance(one, Marker) for one in got))
        client.close()
    assert [one for one in records if isinstance(one, Marker)] == [Marker(100.5, "seizure")]


def test_a_read_asks_to_wait_no_longer_than_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def spied(method: Any) -> Any:
        def called(self: Any, *arguments: Any, timeout: float, **keys: Any) -> Any:
            waits.append(timeout)
            return method(self, *arguments, timeout=timeout, **keys)

        return called

    def waited_s(client: BedClient) -> float:
        waits.clear()
        client.read(timeout_s=60)
        return sum(waits)

    with publisher("blocks") as process:
        client = BedClient("blocks")
        for name in ("pull_chunk", "info", "time_correction"):
            monkeypatch.setattr(pylsl.StreamInlet, name, spied(getattr(pylsl.StreamInlet, name)))
        monkeypatch.setattr(
            "detector.client.lsl.time", SimpleNamespace(sleep=waits.append, monotonic=time.monotonic, time=time.time)
        )
        reads_s: list[float] = []

        def read_on_until(condition: Callable[[], object]) -> None:
            deadline_s = time.monotonic() + 10
            while not condition():
                assert time.monotonic() < deadline_s
                reads_s.append(waited_s(client))

        read_on_until(lambda: client.about is not None)
        process.end()
        read_on_until(lambda: client._connection is None)
        reads_s.append(waited_s(client))
        client.close()
    assert min(reads_s) > 0, "it does not spin either"
    assert max(reads_s) <= MAX_BLOCK_S


def test_the_only_bed_is_found_without_its_name_and_tells_about_itself() -> None:
    with publisher("only"):
        client = BedClient(None)
        assert client.bed == "only"
        read_until(client, lambda _: client.about is not None)
        assert client.about is not None
        assert (client.about.model_id, client.about.montage, client.about.n_derivations) == (
            "chb-lstm-2",
            "chb-mit-22",
            2,
        )
        now_s = time.time()
        assert client.clock_time(pylsl.local_clock()) == pytest.approx(now_s, abs=0.1)
        client.close()


def test_several_beds_and_none_named_is_refused_with_their_names() -> None:
    with publisher("b-1"), publisher("b-2"), pytest.raises(UsageError, match=r"2 beds.* b-1, b-2"):
        BedClient(None)


def test_a_bed_that_is_not_there_is_refused_with_those_that_are() -> None:
    with (
        publisher("b-10"),
        pytest.raises(NoStreamError, match=r"'b-11'.*in reach: b-10 \(did you mean 'b-10'"),
    ):
        BedClient("b-11", timeout_s=1.5)
    with pytest.raises(NoStreamError, match="no bed is in reach"):
        BedClient(None, timeout_s=0.5)


def test_looking_for_a_bed_can_be_given_up() -> None:
    begin_s = time.monotonic()
    with pytest.raises(NoStreamError):
        BedClient("nobody", timeout_s=60, keep_waiting=lambda: False)
    assert time.monotonic() - begin_s < 5


@pytest.mark.parametrize("bed", ["x' or 'a'='a", "", "bed 7", "bed\n"])
def test_a_name_that_no_bed_can_have_is_refused(bed: str) -> None:
    with pytest.raises(UsageError, match="cannot be a bed"):
        BedClient(bed)


def test_another_contract_version_or_form_is_not_read() -> None:
    outlets = []
    for kind, n, form, version in (("status", 7, "float32", "1"), ("events", 1, "string", "1")):
        info = pylsl.StreamInfo(f"odd-{kind}", "x", n, 0, form, f"seizure-detector:odd:{kind}")
        info.desc().append_child_value("contract_version", version)
        outlets.append(pylsl.StreamOutlet(info))
    for kind, n, form in (("status", 6, "float32"), ("events", 1, "string")):
        info = pylsl.StreamInfo(f"new-{kind}", "x", n, 0, form, f"seizure-detector:new:{kind}")
        info.desc().append_child_value("contract_version", "2")
        outlets.append(pylsl.StreamOutlet(info))
    assert len(pylsl.resolve_bypred("starts-with(source_id,'seizure-detector:')", 4, 5)) == 4
    with pytest.raises(NoStreamError, match=r"contract version 1.*no bed is in reach"):
        BedClient(None, timeout_s=1.5)


def test_a_killed_detector_is_dead_within_4_s_and_its_restart_is_followed() -> None:
    with publisher("phoenix") as process:
        client = BedClient("phoenix")
        read_until(client, lambda got: len(statuses(got)) > 2)
        process.end()
        killed_s = time.monotonic()
        read_until(client, lambda _: client.dead)
        assert time.monotonic() - killed_s < 4.0
        assert client.silence_s > 3
        assert client.connections == 1
    with publisher("phoenix") as again:
        again.tell("shown.update(state=State.SEIZURE)")
        read_until(client, lambda got: any(one.state is State.SEIZURE for one in statuses(got)))
        assert not client.dead
        assert client.connections == 2

        def told(got: list[Record]) -> bool:
            again.tell("outlets.push_marker('seizure', 7.0)")  # until the new subscription is there
            return Marker(7.0, "seizure") in got

        read_until(client, told)
        client.close()


def test_a_detector_that_takes_over_at_once_is_followed_without_a_death() -> None:
    with publisher("relay") as first:
        client = BedClient("relay")
        read_until(client, lambda got: bool(statuses(got)))
        with publisher("relay") as second:
            second.tell("shown.update(state=State.SEIZURE)")
            read_until(client, lambda got: len(statuses(got)) > 2)
            first.end()

            def followed(got: list[Record]) -> bool:
                assert not client.dead
                return any(one.state is State.SEIZURE for one in statuses(got))

            read_until(client, followed)
            client.close()


def test_a_frozen_detector_is_dead_and_alive_again_when_it_thaws() -> None:
    with publisher("frozen") as process:
        client = BedClient("frozen")
        read_until(client, lambda got: bool(statuses(got)))
        process.process.send_signal(signal.SIGSTOP)
        read_until(client, lambda _: client.dead)
        process.process.send_signal(signal.SIGCONT)
        read_until(client, lambda got: bool(statuses(got)))
        assert not client.dead
        client.close()


def test_a_frozen_detector_that_is_replaced_is_left_for_the_new_one() -> None:
    with publisher("replaced") as frozen:
        client = BedClient("replaced")
        read_until(client, lambda got: bool(statuses(got)))
        frozen.process.send_signal(signal.SIGSTOP)
        read_until(client, lambda _: client.dead)
        with publisher("replaced") as process:
            process.tell("shown.update(state=State.SEIZURE)")
            read_until(client, lambda got: any(one.state is State.SEIZURE for one in statuses(got)))
        assert client.connections == 2
        client.close()


def test_a_bed_that_is_there_and_silent_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.client.lsl.REOPEN_S", 0.5)
    with publisher("mute", auto=False):
        client = BedClient("mute")
        read_until(client, lambda _: client.connections > 1)
        assert client.dead
        client.close()


def test_a_bed_whose_events_are_lost_is_looked_for_again() -> None:
    with publisher("halved") as process:
        client = BedClient("halved")
        read_until(client, lambda got: bool(statuses(got)))
        process.tell("outlets._outlets.pop('events') and None")
        read_until(client, lambda _: client._connection is None)
        client.close()


def test_what_a_peer_sends_cannot_act_on_a_terminal() -> None:
    with publisher("hostile") as process:
        client = BedClient("hostile")
        read_until(client, lambda got: bool(statuses(got)))
        process.tell(r"outlets._outlets['events'].push_sample([b'\x1b[2J\x00\xff\xc2\x9b' + b'x' * 500], 1.0)")
        odd_values = "[7.0, 9.0, float('nan'), 0.0, float('inf'), 0.0]"
        process.tell(f"outlets._outlets['status'].push_sample({odd_values}, 2.0)")
        records = read_until(client, lambda got: any(isinstance(one, Marker) for one in got))
        records += read_until(client, lambda got: any(one.time_s == 2.0 for one in statuses(records + got)))
        client.close()
    [marker] = [one for one in records if isinstance(one, Marker)]
    assert marker.text.startswith(r"\x1b[2J\x00\xff\x9bx")
    assert marker.text.isprintable()
    assert len(marker.text) < 300
    [odd] = [one for one in statuses(records) if one.time_s == 2.0]
    assert odd.state is State.NOT_MONITORING
    assert (odd.good_channels, odd.missing_samples) == (0, 0)


def test_the_last_marker_of_a_detector_that_stops_is_read() -> None:
    with publisher("stopping") as process, ThreadPoolExecutor() as beside:
        client = BedClient("stopping")
        read_until(client, lambda got: bool(statuses(got)))
        last_words = "[ended.set(), pushing.join(), outlets.push_marker('monitoring-stop', 9.0), outlets.close()]"
        beside.submit(process.tell, last_words)
        read_until(client, lambda got: Marker(9.0, "monitoring-stop") in got)
        client.close()


def test_not_monitoring_comes_without_a_probability() -> None:
    with publisher("nan") as process:
        process.tell("shown.update(state=State.NOT_MONITORING)")
        client = BedClient("nan")
        records = read_until(client, lambda got: any(not one.state for one in statuses(got)))
        client.close()
    assert math.isnan(statuses(records)[-1].probability)


def test_a_publisher_can_be_started_and_ended() -> None:
    process = Publisher("short", auto=False)
    process.end()
    assert process.process.returncode == -signal.SIGKILL
