"""The live source over real LSL: nothing lost, doubled or reordered; everything else noticed and named."""

from __future__ import annotations

import itertools
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pylsl
import pytest

from detector.config import Source, make_config
from detector.errors import BadDataError, ConfigError
from detector.messages import Cause, Chunk, Description, Gap, Reset
from detector.source.lsl import LslSource, Polled
from detector.source.lsl_identity import why_new
from detector.source.said import Opened
from tests.live import amplifier, synthetic_amplifier

RATE = 256.0
_ids = itertools.count()


class Watcher:
    """Polls a source and keeps what came."""

    def __init__(self, source_id: str, accept: Callable[[Description], None] = lambda _: None, **keys: Any) -> None:
        self.source = LslSource(_config(source_id, **keys), accept)
        self.polled: list[Polled] = []
        self.longest_s = 0.0

    def until(self, condition: Callable[[], object], within_s: float) -> float:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < within_s, f"not within {within_s} s; condition {self.source.obstacle}"
            self.poll()
        return time.monotonic() - began

    def poll(self) -> None:
        began = time.monotonic()
        self.polled += self.source.poll()
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    @property
    def cause(self) -> Cause | None:
        return self.source.obstacle.cause if self.source.obstacle else None

    @property
    def text(self) -> str:
        return self.source.obstacle.text if self.source.obstacle else ""

    @property
    def opened(self) -> list[Opened]:
        return [m for m in self.polled if isinstance(m, Opened)]

    @property
    def gaps(self) -> list[Gap]:
        return [m for m in self.polled if isinstance(m, Gap)]

    @property
    def chunks(self) -> list[Chunk]:
        return [m for m in self.polled if isinstance(m, Chunk)]

    def n_samples(self) -> int:
        return sum(len(chunk.samples) for chunk in self.chunks)


def _config(source_id: str, **keys: Any) -> Source:
    return make_config({"bed": {"name": "b"}, "source": {"source_id": source_id, **keys}}).source


@pytest.fixture
def source_id() -> str:
    return f"amp-{next(_ids)}"


@pytest.fixture
def watch() -> Iterator[Callable[..., Watcher]]:
    watchers: list[Watcher] = []

    def make(*arguments: Any, **keys: Any) -> Watcher:
        watchers.append(Watcher(*arguments, **keys))
        return watchers[-1]

    yield make
    for watcher in watchers:
        watcher.source.close()


def _outlet(
    source_id: str, *, rate_hz: float = RATE, form: str = "float32", kind: str = "EEG", unit: str = "microvolts"
) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo("amp", kind, 2, rate_hz, form, source_id)
    channels = info.desc().append_child("channels")
    for label in ("FP1-F7", "F7-T7"):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        if unit:
            channel.append_child_value("unit", unit)
    return pylsl.StreamOutlet(info)


def _push(outlet: pylsl.StreamOutlet, stamps: Any, value: float = 1.0) -> None:
    for stamp in stamps:
        outlet.push_sample([value, float(stamp % 1000)], float(stamp))


def _stamps(n: int) -> Any:
    return pylsl.local_clock() - n / RATE + np.arange(n) / RATE


def test_every_sample_of_another_process_comes_once_and_in_order(source_id: str, watch: Callable[..., Watcher]) -> None:
    with amplifier(synthetic_amplifier(source_id, speed=8, duration_s=40)):
        w = watch(source_id, replay=True)
        w.until(lambda: w.n_samples() >= 38 * 256, within_s=30)
    index = np.concatenate([chunk.samples[:, -1] for chunk in w.chunks])
    assert np.array_equal(index, np.arange(len(index)))
    stamps = np.concatenate([chunk.timestamps for chunk in w.chunks])
    np.testing.assert_allclose(np.diff(stamps), 1 / RATE, atol=1e-3)
    assert w.gaps == []
    assert [opened.reason for opened in w.opened] == [Reset.NEW_STREAM]
    assert w.longest_s < 0.5, "signals would wait"


def test_a_killed_source_is_lost_within_a_second_and_found_again(source_id: str, watch: Callable[..., Watcher]) -> None:
    with amplifier(synthetic_amplifier(source_id)) as process:
        w = watch(source_id)
        w.until(lambda: w.n_samples() > 0, within_s=20)
        process.kill()
        assert w.until(lambda: any(gap.reason is Reset.LOST for gap in w.gaps), within_s=5) < 1.0
    assert w.cause is Cause.LOST
    with amplifier(synthetic_amplifier(source_id)):
        w.until(lambda: len(w.opened) == 2, within_s=20)
    assert w.opened[1].reason is Reset.NEW_STREAM


def test_a_frozen_source_is_lost_within_the_stall_time_and_its_backlog_is_whole(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    with amplifier(synthetic_amplifier(source_id)) as process:
        w = watch(source_id)
        w.until(lambda: w.n_samples() > 100, within_s=20)
        process.send_signal(signal.SIGSTOP)
        assert w.until(lambda: w.cause is Cause.LOST, within_s=5) < 2.6
        before = w.n_samples()
        process.send_signal(signal.SIGCONT)
        w.until(lambda: w.n_samples() > before + 600, within_s=10)
    assert w.cause is None
    assert w.gaps == []
    index = np.concatenate([chunk.samples[:, -1] for chunk in w.chunks])
    assert np.array_equal(index, np.arange(len(index)))


def test_a_frozen_source_that_is_replaced_is_left_for_the_new_one(
    source_id: str, watch: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.source.lsl._REOPEN_AFTER_S", 1000.0)
    with amplifier(synthetic_amplifier(source_id)) as frozen:
        w = watch(source_id)
        w.until(lambda: w.n_samples() > 0, within_s=20)
        frozen.send_signal(signal.SIGSTOP)
        w.until(lambda: w.cause is Cause.LOST, within_s=10)
        with amplifier(synthetic_amplifier(source_id)):
            w.until(lambda: len(w.opened) == 2, within_s=20)
    assert w.opened[1].reason is Reset.NEW_STREAM


def test_a_source_that_stays_frozen_is_given_up_and_begins_a_session_when_it_thaws(
    source_id: str, watch: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.source.lsl._GIVE_UP_S", 3.0)
    with amplifier(synthetic_amplifier(source_id)) as frozen:
        w = watch(source_id)
        w.until(lambda: w.n_samples() > 0, within_s=20)
        frozen.send_signal(signal.SIGSTOP)
        w.until(lambda: w.gaps, within_s=15)
        assert [gap.reason for gap in w.gaps] == [Reset.LOST]
        assert w.cause is Cause.LOST
        assert w.text.startswith("no new samples for")
        frozen.send_signal(signal.SIGCONT)
        w.until(lambda: len(w.opened) == 2, within_s=15)
    assert w.opened[1].reason is Reset.RECONNECT
    assert w.cause is None


def test_a_stream_that_has_given_nothing_yet_has_no_newest_sample(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    _push(outlet, _stamps(50))
    w.until(lambda: w.n_samples() == 50, within_s=5)
    assert math.isfinite(w.source.newest_s)
    del outlet
    w.until(lambda: w.gaps, within_s=10)
    again = _outlet(source_id)
    w.until(lambda: len(w.opened) == 2, within_s=20)
    assert math.isnan(w.source.newest_s)
    del again


BEFORE = Description(("a", "b"), RATE, (1.0, 1.0), ("uV", "uV"), uid="one")


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (None, BEFORE, Reset.NEW_STREAM),
        (BEFORE, BEFORE, Reset.RECONNECT),
        (BEFORE, replace(BEFORE, uid="two"), Reset.NEW_STREAM),
        (BEFORE, replace(BEFORE, rate_hz=512.0), Reset.RATE),
        (BEFORE, replace(BEFORE, labels=("b", "a"), uid="two"), Reset.LABELS),
        (BEFORE, replace(BEFORE, scales_uv=(1.0, 1000.0), uid="two"), Reset.LABELS),
    ],
)
def test_why_a_session_begins_is_told_by_what_has_changed(
    before: Description | None, now: Description, reason: Reset
) -> None:
    assert why_new(before, now) is reason


def test_a_source_that_comes_back_at_another_rate_is_asked_about_again(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    def only_256(description: Description) -> None:
        if description.rate_hz != RATE:
            raise BadDataError(f"rate {description.rate_hz:g} Hz")

    with amplifier(synthetic_amplifier(source_id)):
        w = watch(source_id, only_256)
        w.until(lambda: w.n_samples() > 0, within_s=20)
    w.until(lambda: w.gaps, within_s=5)
    with amplifier(synthetic_amplifier(source_id, rate_hz=500)):
        before = w.n_samples()
        w.until(lambda: w.cause is Cause.REFUSED, within_s=20)
        assert "rate 500 Hz" in w.text
        assert w.n_samples() == before


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"form": "string"}, "its samples are text; expected numbers"),
        ({"rate_hz": 0.0}, r"its rate is irregular"),
        ({"kind": "Accelerometer"}, "its type is 'Accelerometer', expected 'EEG'"),
    ],
)
def test_a_stream_that_is_no_eeg_is_refused_with_the_reason(
    keys: dict[str, Any], said: str, source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet = _outlet(source_id, **keys)
    w = watch(source_id)
    w.until(lambda: w.cause is Cause.REFUSED, within_s=10)
    assert said in w.text
    assert not w.opened
    del outlet


def test_another_type_is_let_in_by_a_predicate(source_id: str, watch: Callable[..., Watcher]) -> None:
    outlet = _outlet(source_id, kind="Accelerometer")
    w = watch(source_id, predicate=f"source_id='{source_id}'")
    w.until(lambda: w.opened, within_s=10)
    del outlet


def test_two_streams_that_match_are_refused_and_both_listed(source_id: str, watch: Callable[..., Watcher]) -> None:
    first, second = _outlet(source_id), _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.cause is Cause.REFUSED, within_s=20)
    assert "2 streams match" in w.text
    assert w.text.count("'amp' on") == 2
    assert not w.opened
    del second
    w.until(lambda: w.opened, within_s=20)
    del first


def test_the_unit_is_converted_once_and_never_guessed(source_id: str, watch: Callable[..., Watcher]) -> None:
    outlet = _outlet(source_id, unit="mV")
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    _push(outlet, _stamps(50), value=0.25)
    w.until(lambda: w.n_samples() == 50, within_s=5)
    assert w.chunks[0].samples[0, 0] == pytest.approx(250)
    assert w.chunks[0].samples.dtype == np.float32

    undeclared = _outlet(source_id + "x", unit="")
    asked: list[Description] = []
    x = watch(source_id + "x", asked.append)
    x.until(lambda: x.opened, within_s=10)
    assert asked[0].scales_uv == (None, None)
    given = watch(source_id + "x", asked.append, unit="uV")
    given.until(lambda: given.opened, within_s=10)
    assert asked[1].scales_uv == (1.0, 1.0)
    del outlet, undeclared


def test_an_operators_unit_that_contradicts_the_stream_is_refused(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet = _outlet(source_id, unit="mV")
    w = watch(source_id, unit="uV")
    w.until(lambda: w.cause is Cause.REFUSED, within_s=10)
    assert "declares the unit 'mV'" in w.text
    del outlet


@pytest.mark.parametrize("form", ["int16", "int32", "double64"])
def test_any_numeric_format_becomes_float32(form: str, source_id: str, watch: Callable[..., Watcher]) -> None:
    outlet = _outlet(source_id, form=form)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    for k, stamp in enumerate(_stamps(20)):
        outlet.push_sample([k, -k], float(stamp))
    w.until(lambda: w.n_samples() == 20, within_s=5)
    samples = np.concatenate([chunk.samples for chunk in w.chunks])
    assert samples.dtype == np.float32
    assert np.array_equal(samples[:, 1], -np.arange(20, dtype=np.float32))
    del outlet


def test_short_losses_are_held_and_counted_and_long_ones_are_gaps(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    stamps = _stamps(600)
    _push(outlet, stamps[:100], value=5)
    _push(outlet, stamps[102:200], value=7)  # 2 lost
    _push(outlet, stamps[300:], value=9)  # 100 lost
    w.until(lambda: w.n_samples() == 500, within_s=5)
    assert sum(chunk.missing for chunk in w.chunks) == 2
    before = np.concatenate([c.samples[:, 0] for c in w.chunks])
    assert (before[:102] == 5).all(), "the last sample is held"
    assert [(gap.reason, gap.missing) for gap in w.gaps] == [(Reset.GAP, 100)]
    times = np.concatenate([chunk.timestamps for chunk in w.chunks])
    np.testing.assert_allclose(times[:200], stamps[:200], atol=2e-3)
    del outlet


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -5.0, 1e300])
def test_stamps_that_are_no_times_do_not_stop_the_samples(
    wrong: float, source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    stamps = _stamps(200)
    sent = stamps.copy()
    sent[50:60] = wrong
    for stamp in sent:
        outlet.push_sample([1.0, 2.0], float(stamp))
    w.until(lambda: w.n_samples() == 200, within_s=5)
    times = np.concatenate([chunk.timestamps for chunk in w.chunks])
    np.testing.assert_allclose(times, stamps, atol=2e-3)
    assert w.gaps == []
    del outlet


def test_stamps_from_the_future_are_not_taken_for_fresh(source_id: str, watch: Callable[..., Watcher]) -> None:
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    stamps = _stamps(100) + 600
    _push(outlet, stamps)
    w.until(lambda: w.n_samples() == 100, within_s=5)
    assert abs(w.source.newest_s - pylsl.local_clock()) < 1
    # The same clock goes on, and its samples follow one another.
    _push(outlet, stamps + 100 / RATE)
    w.until(lambda: w.n_samples() == 200, within_s=5)
    assert abs(w.source.newest_s - pylsl.local_clock()) < 2
    assert w.gaps == []
    del outlet


def test_a_clock_that_jumps_is_a_boundary_at_true_times(source_id: str, watch: Callable[..., Watcher]) -> None:
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    before_s = pylsl.local_clock()
    _push(outlet, _stamps(100))
    w.until(lambda: w.n_samples() == 100, within_s=5)
    _push(outlet, _stamps(100) + 200000)
    w.until(lambda: w.n_samples() == 200, within_s=5)
    [gap] = w.gaps
    assert (gap.reason, gap.missing) == (Reset.CLOCK, 0)
    assert before_s - 1 < gap.start_s < pylsl.local_clock()
    assert before_s - 1 < gap.end_s <= pylsl.local_clock()
    del outlet


def test_a_refused_stream_is_asked_once_and_leaves_nothing_behind(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    def never(_: Description) -> None:
        raise BadDataError("no unit")

    outlet = _outlet(source_id)
    w = watch(source_id, never)
    w.until(lambda: w.cause is Cause.REFUSED, within_s=10)
    process = psutil.Process()
    began = time.monotonic()
    threads, files = process.num_threads(), process.num_fds()
    w.until(lambda: time.monotonic() - began > 5, within_s=6)
    assert w.cause is Cause.REFUSED
    assert "no unit" in w.text
    assert process.num_threads() <= threads + 1
    assert process.num_fds() <= files + 2
    del outlet


def test_a_refused_stream_is_not_measured_any_more(source_id: str, watch: Callable[..., Watcher]) -> None:
    def never(_: Description) -> None:
        raise BadDataError("no unit")

    before = set(threading.enumerate())

    def measuring() -> list[threading.Thread]:
        return [thread for thread in set(threading.enumerate()) - before if thread.name == "lsl-correction"]

    outlet = _outlet(source_id)
    w = watch(source_id, never)
    w.until(lambda: w.cause is Cause.REFUSED, within_s=10)
    w.until(lambda: not measuring(), within_s=10)
    del outlet


def test_stamps_that_stand_still_are_no_samples(source_id: str, watch: Callable[..., Watcher]) -> None:
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    _push(outlet, stamps := _stamps(100))
    w.until(lambda: w.n_samples() == 100, within_s=5)

    def lost() -> bool:
        _push(outlet, [stamps[-1]] * 10)
        return w.cause is Cause.LOST

    w.until(lost, within_s=10)
    assert w.n_samples() == 100


def _drifted(watcher: Watcher) -> None:
    watcher.until(lambda: watcher.source.connected is not None, 15)
    assert watcher.source._stream is not None
    watcher.source._stream._correction.drift_s = 3.0


def test_another_connection_to_the_same_outlet_knows_how_far_its_stamps_have_drifted(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet, watcher = _outlet(source_id), watch(source_id)
    _drifted(watcher)
    watcher.source._let_go()
    watcher.until(lambda: watcher.source.connected is not None, 15)
    assert watcher.source._stream is not None
    assert watcher.source._stream._correction._expected_drift_s == 3.0
    del outlet


def test_an_outlet_that_was_restarted_has_drifted_by_nothing(source_id: str, watch: Callable[..., Watcher]) -> None:
    outlet, watcher = _outlet(source_id), watch(source_id)
    _drifted(watcher)
    del outlet
    watcher.until(lambda: watcher.source.connected is None, 15)
    outlet = _outlet(source_id)
    watcher.until(lambda: watcher.source.connected is not None, 15)
    assert watcher.source._stream is not None
    assert watcher.source._stream._correction._expected_drift_s == 0.0
    del outlet


def test_an_amplifier_on_standby_is_lost_once_and_comes_back_as_one(
    source_id: str, watch: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.source.lsl._REOPEN_AFTER_S", 1.0)
    monkeypatch.setattr("detector.source.lsl._GIVE_UP_S", 5.0)
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    _push(outlet, _stamps(100))
    w.until(lambda: w.n_samples() == 100, within_s=5)
    w.until(lambda: w.cause is Cause.LOST, within_s=5)
    streams = {id(w.source._stream)}
    causes = set()

    def reopened_twice() -> bool:
        streams.add(id(w.source._stream))
        causes.add(w.cause)
        return len(streams) > 2 and bool(w.gaps)

    w.until(reopened_twice, within_s=20)
    assert causes == {Cause.LOST}
    assert [gap.reason for gap in w.gaps] == [Reset.LOST]
    assert len(w.opened) == 1

    def samples() -> bool:
        _push(outlet, _stamps(10))
        return len(w.opened) == 2

    w.until(samples, within_s=10)
    assert w.opened[1].reason is Reset.RECONNECT
    assert w.cause is None


@pytest.mark.parametrize("rate_hz", [1e308, 1e6, 2049.0])
def test_a_rate_that_nobody_can_record_is_refused_before_anything_is_allocated(
    rate_hz: float, source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet = _outlet(source_id, rate_hz=rate_hz)
    w = watch(source_id)
    w.until(lambda: w.cause is Cause.REFUSED, within_s=10)
    assert "expected at most 1024 channels and 2048 Hz" in w.text
    del outlet


@pytest.mark.parametrize("predicate", ["starts-with(name,'EEG'", "name='x", "foo("])
def test_a_predicate_that_is_no_xpath_is_refused_at_once(predicate: str, source_id: str) -> None:
    with pytest.raises(ConfigError, match="is no XPath predicate"):
        LslSource(_config(source_id, predicate=predicate), lambda _: None)


def test_a_source_whose_stamps_belie_its_rate_is_refused_for_good(
    source_id: str, watch: Callable[..., Watcher]
) -> None:
    outlet = _outlet(source_id)
    w = watch(source_id)
    w.until(lambda: w.opened, within_s=10)
    _push(outlet, pylsl.local_clock() - 27 + np.arange(25 * 256) / RATE * 1.03)
    w.until(lambda: w.cause is Cause.REFUSED, within_s=10)
    assert "it delivers 248.54 Hz by its stamps and declares 256 Hz" in w.text
    assert w.gaps[-1].reason is Reset.RATE
    began = time.monotonic()
    w.until(lambda: time.monotonic() - began > 3, within_s=5)
    assert len(w.opened) == 1, "the same outlet is not tried again"
    del outlet
