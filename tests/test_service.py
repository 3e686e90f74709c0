"""The daemon's life, seen from outside: every session boundary is said and resets; nothing false is said between."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pylsl
import pytest

from detector.client.lsl import BedClient, Marker, StatusSample
from detector.conditioning.montage import MONTAGES
from detector.config import Config, load_config
from detector.errors import ConfigError, StateError
from detector.messages import Chunk, Features, FloatArray, Gap, Probability, State
from detector.monitor import Monitor
from detector.network.bundle import Bundle, Card, CardDecision, CardFeatures, CardFilters, load_bundle
from detector.pipeline import Conditioning
from detector.sd_notify import Notifier
from detector.service import Service
from detector.sinks.lsl import LslOutlets

RATE = 256
LABELS = MONTAGES["chb-mit-22"]
_ids = itertools.count()

CARD = Card(
    format=1,
    id="stub",
    created="2026-01-01",
    direction="causal",
    parameters=1,
    montage="chb-mit-22",
    min_derivations=18,
    rate_hz=256,
    frame_samples=512,
    hop_samples=128,
    files={"model.keras": "0" * 64},
    filters=CardFilters(highpass_hz=0.5, clip_uv=2000),
    features=CardFeatures(bands_hz=((1, 8), (8, 30)), baseline_s=60),
    decision=CardDecision(
        smoothing_s=0,
        onset_threshold=0.5,
        offset_threshold=0.5,
        onset_hold_s=1,
        offset_hold_s=1,
        refractory_s=0,
        warm_up_s=2,
    ),
    data=(),
    figures={},
    limits=(),
)


class LoudIsSeizure:
    """A network that is sure of a seizure where the absolute power is high; counts what is done to it."""

    def __init__(self) -> None:
        self.resets = 0
        self.fail_once = False

    def process(self, features: list[Features]) -> list[Probability]:
        if features and self.fail_once:
            self.fail_once = False
            raise StateError("not finite")
        return [
            Probability(float(f.values.reshape(22, -1)[:, 0].mean() > 2.5), f.good, f.end_s, f.missing)
            for f in features
        ]

    def reset(self) -> None:
        self.resets += 1

    def get_state(self) -> list[FloatArray]:
        return []

    def set_state(self, state: object) -> None:
        assert state == []


class Amplifier:
    """An outlet of this process; pushes seconds of noise at once, stamped as if it had been live."""

    def __init__(self, source_id: str, labels: tuple[str, ...] = LABELS) -> None:
        info = pylsl.StreamInfo("amp", "EEG", len(labels), RATE, "float32", source_id)
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "uV")
        self.outlet: Any = pylsl.StreamOutlet(info)
        self._rng = np.random.default_rng(0)
        self._next_s: float | None = None
        self._n = len(labels)

    def push(self, seconds: float, uv: float = 20.0, skip_s: float = 0.0) -> tuple[float, float]:
        """Push ``seconds`` of noise behind ``skip_s`` of nothing; return the first and last stamp."""
        n = round(seconds * RATE)
        if self._next_s is None:
            self._next_s = pylsl.local_clock()
        stamps = self._next_s + skip_s + np.arange(n) / RATE
        samples = self._rng.normal(size=(n, self._n)).astype(np.float32) * uv
        for start in range(0, n, 64):
            self.outlet.push_chunk(samples[start : start + 64].tolist(), stamps[start : start + 64].tolist())
        self._next_s = float(stamps[-1]) + 1 / RATE
        return float(stamps[0]), float(stamps[-1])


def engine_bundle(name: str, folder: Path) -> Bundle:
    if name != "stub":
        raise ConfigError("no such bundle")
    return Bundle(folder, CARD)


class World:
    """A service in a thread, its amplifier, and a client that remembers what it was told."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notifier: Notifier | None = None) -> None:
        number = next(_ids)
        self.bed, self.source_id, self.control = f"ward{number}", f"svc-{number}", f"control-{number}"
        self.path = tmp_path / "bed.toml"
        self.write()
        self.network = LoudIsSeizure()

        def engine(config: Config) -> tuple[Bundle, LoudIsSeizure]:
            return engine_bundle(config.model.bundle, tmp_path), self.network

        monkeypatch.setattr("detector.loading.load_engine", engine)
        monkeypatch.setattr("detector.loading.load_bundle", lambda name: engine_bundle(name, tmp_path))
        self.service = Service(load_config(self.path), self.path, notifier)
        self._thread = threading.Thread(target=self.service.run, daemon=True)
        self._thread.start()
        try:
            self.client = BedClient(self.bed, 10)
        except BaseException:
            self.service.stop()
            raise
        self.markers: list[str] = []
        self.stamps: list[float] = []
        self.statuses: list[StatusSample] = []
        self.amplifier = Amplifier(self.source_id)

    def write(self, extra: str = "") -> None:
        self.path.write_text(
            f'[bed]\nname = "{self.bed}"\n[source]\nsource_id = "{self.source_id}"\nreplay = true\n'
            '[model]\nbundle = "stub"\n'
            f'[outlets]\ndetail = true\n[session]\ncontrol_stream = "{self.control}"\n{extra}'
        )

    def read(self) -> None:
        for record in self.client.read():
            if isinstance(record, Marker):
                self.markers.append(record.text)
                self.stamps.append(record.time_s)
            else:
                self.statuses.append(record)

    def until(self, condition: Callable[[], object], within_s: float = 15) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {within_s} s; markers {self.markers}"
            self.read()

    def until_marker(self, text: str, within_s: float = 15) -> None:
        """Wait for a marker that has not been waited for yet."""
        self.until(lambda: text in self.markers, within_s)
        position = self.markers.index(text)
        self.markers, self.stamps = self.markers[position + 1 :], self.stamps[position + 1 :]

    def monitored(self) -> None:
        self.until(lambda: "not-monitoring/warmup" in self.markers)
        self.amplifier.push(12)
        self.until_marker("non-seizure")

    def close(self) -> None:
        self.service.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.client.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path, monkeypatch)
    yield world
    world.close()


def test_non_seizure_waits_for_the_warm_up_and_for_the_rate_to_be_known(world: World) -> None:
    world.until(lambda: "not-monitoring/warmup" in world.markers)
    # The warm-up ends after 4 s, 2 s after the first frame is whole; the rate takes 8 s of samples.
    world.until_marker("not-monitoring/warmup")
    first_s, last_s = world.amplifier.push(6)
    world.until_marker("not-monitoring/validating")
    # The second half comes once the last step of the first has been said: pulled with it, it would tell the rate.
    world.until(lambda: any(abs(status.time_s - last_s) < 0.5 / RATE for status in world.statuses))
    assert "non-seizure" not in world.markers, "6 s are not enough to know a rate by"
    world.amplifier.push(6)
    world.until(lambda: "non-seizure" in world.markers)
    stamp = world.stamps[world.markers.index("non-seizure")]
    assert 6 < stamp - first_s < 9
    steps = (stamp - first_s + 1 / RATE) / CARD.step_s
    assert steps == pytest.approx(round(steps), abs=0.02), "stamped with the sample time at which a step ends"
    said = [status for status in world.statuses if status.state is State.NOT_MONITORING]
    assert said
    assert all(np.isnan(status.probability) for status in said)


def test_what_stands_is_said_before_each_chunk_of_a_backlog(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    tick, process = Monitor.tick, Conditioning.process

    def said(monitor: Monitor, *arguments: Any) -> None:
        done.append("said")
        tick(monitor, *arguments)

    def made(conditioning: Conditioning, message: Chunk | Gap) -> list[Features]:
        if isinstance(message, Chunk):
            done.append("made")
        return process(conditioning, message)

    monkeypatch.setattr("detector.monitor.Monitor.tick", said)
    monkeypatch.setattr("detector.pipeline.Conditioning.process", made)
    world.monitored()
    world.amplifier.push(30)
    world.until(lambda: done.count("made") > 4)
    assert ("made", "made") not in itertools.pairwise(done)


def test_what_is_said_late_is_given_time_to_be_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    push = LslOutlets.push_status

    def said(outlets: LslOutlets, *arguments: Any) -> None:
        push(outlets, *arguments)
        done.append("said")

    world.monitored()
    clocks = {"monotonic": time.monotonic, "sleep": lambda _: done.append("rested")}
    monkeypatch.setattr("detector.sinks.lsl.LslOutlets.push_status", said)
    monkeypatch.setattr("detector.service.time", SimpleNamespace(**clocks))
    world.until_marker("not-monitoring/lost")
    world.until(lambda: done.count("rested") > 2)
    before = [one for one, other in itertools.pairwise(done) if other == "rested"]
    assert {*before} == {"said"}


def test_a_gap_is_a_boundary(world: World) -> None:
    world.monitored()
    resets = world.network.resets
    world.amplifier.push(12, skip_s=0.5)
    world.until_marker("session-reset/gap")
    world.until_marker("not-monitoring/warmup")
    world.until_marker("non-seizure")
    assert world.network.resets == resets + 1
    assert world.statuses[-1].missing_samples == 128


def test_stamps_that_go_back_are_a_boundary(world: World) -> None:
    world.monitored()
    world.amplifier.push(12, skip_s=-3)
    world.until_marker("session-reset/timestamps-backwards")
    world.until_marker("not-monitoring/warmup")


def test_an_operator_begins_a_session_by_signal(world: World) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)}
    world.service.handle_signals()
    try:
        world.monitored()
        os.kill(os.getpid(), signal.SIGUSR1)
        world.until_marker("session-reset/operator")
        world.until_marker("not-monitoring/warmup")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_what_is_asked_for_ends_the_rest_before_the_next_samples(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.monitored()
    rests: list[float] = []

    def rest_s(_stream: object, _wanted: int) -> float:
        rests.append(3600.0)
        return rests[-1]

    monkeypatch.setattr("detector.source.lsl_stream.Stream.rest_s", rest_s)
    world.until(lambda: rests)
    world.service.begin_session()
    world.until_marker("session-reset/operator")
    world.until(lambda: len(rests) > 1)
    world.service.read_again()
    world.until(lambda: len(rests) > 2)


def test_an_operator_begins_a_session_by_a_marker(world: World) -> None:
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(world.control, "Markers", 1, 0, "string", world.control))
    world.monitored()
    world.until(outlet.have_consumers)
    outlet.push_sample(["something else"])
    outlet.push_sample(["session/start"])
    world.until_marker("session-reset/operator")
    world.until_marker("not-monitoring/warmup")


def test_an_operator_who_asks_once_gets_one_session(world: World) -> None:
    world.monitored()
    world.service._reset_asked = True
    world.until_marker("session-reset/operator")
    n = len(world.statuses)
    world.until(lambda: len(world.statuses) >= n + 4)
    assert "session-reset/operator" not in world.markers


def test_a_good_file_is_taken_over_at_a_boundary_and_a_bad_one_is_not(world: World) -> None:
    before = signal.getsignal(signal.SIGHUP)
    others = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    world.service.handle_signals()
    try:
        world.monitored()
        world.path.write_text("[bed]\nname = 3\n")
        os.kill(os.getpid(), signal.SIGHUP)
        _, last_s = world.amplifier.push(12)
        world.until(lambda: world.statuses[-1].time_s > last_s - 1)
        assert not [text for text in world.markers if "reset" in text]

        world.write("[decision]\nonset_threshold = 1.0\nwarm_up_s = 3.0\n")
        os.kill(os.getpid(), signal.SIGHUP)
        world.until_marker("session-reset/reload")
        world.amplifier.push(12)
        world.until(lambda: "non-seizure" in world.markers)
        assert "monitoring-start" not in world.markers, "the detector has not been started again"
        assert not [text for text in world.markers if "reset" in text], "the stream is the same"
    finally:
        for number, handler in {signal.SIGHUP: before, **others}.items():
            signal.signal(number, handler)


def test_thresholds_are_told_where_they_change_by_outlets_that_stay(world: World) -> None:
    inlet = _details(world.bed)
    uids = {info.uid() for info in pylsl.resolve_bypred(f"starts-with(name,'{world.bed}-')", 3, 10)}
    world.monitored()
    world.write("[decision]\nonset_threshold = 0.75\noffset_threshold = 0.25\n")
    world.service._reloading.ask()
    world.until_marker("session-reset/reload")
    told: list[dict[str, Any]] = []

    def settings() -> list[dict[str, Any]]:
        told.extend(json.loads(values[0]) for values in inlet.pull_chunk(timeout=0.0)[0])
        return [one["decision"] for one in told if one["kind"] == "settings"]

    world.until(settings)
    assert settings()[-1] == dataclasses.asdict(world.service._decision.config)
    assert (settings()[-1]["onset_threshold"], settings()[-1]["offset_threshold"]) == (0.75, 0.25)
    assert {info.uid() for info in pylsl.resolve_bypred(f"starts-with(name,'{world.bed}-')", 3, 10)} == uids
    assert world.client.connections == 1


def test_a_reload_of_the_source_looks_for_it_anew(world: World) -> None:
    world.monitored()
    world.path.write_text(world.path.read_text().replace("replay = true", "replay = true\nstall_s = 3.0"))
    world.service._reloading.ask()
    world.until_marker("session-reset/reload")
    world.until_marker("session-reset/new-stream")
    world.amplifier.push(12)
    world.until_marker("non-seizure")


def test_a_file_that_changes_while_another_is_loaded_is_read_too(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow(name: str) -> Bundle:
        loading.set()
        assert go_on.wait(10)
        return engine_bundle(name, tmp_path)

    monkeypatch.setattr("detector.loading.load_bundle", slow)
    world.write("[decision]\nonset_hold_s = 2.0\n")
    world.service._reloading.ask()
    assert loading.wait(10)
    world.write("[decision]\nonset_hold_s = 9.0\n")
    world.service._reloading.ask()
    go_on.set()
    world.until(lambda: world.service._decision.config.onset_hold_s == 9.0)


def test_a_file_that_everybody_may_write_is_not_taken_over(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.write("[decision]\nonset_hold_s = 9.0\n")
    world.path.chmod(0o666)
    world.service._reloading.ask()
    world.until(lambda: "kept as it was" in caplog.text)
    assert "may be written by everybody (mode 0666)" in caplog.text
    assert world.service._decision.config.onset_hold_s == 1.0


def test_whatever_goes_wrong_in_a_reload_the_bed_goes_on_being_watched(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str) -> Bundle:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("detector.loading.load_bundle", fail)
    world.service._reloading.ask()
    world.until(lambda: "kept as it was: internal error ZeroDivisionError('a mistake of ours')" in caplog.text)
    world.monitored()


def test_a_file_that_renames_the_bed_is_not_taken_over(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.monitored()
    world.path.write_text(world.path.read_text().replace(f'"{world.bed}"', f'"{world.bed}x"'))
    world.service._reloading.ask()
    world.until(lambda: "restart for that" in caplog.text)
    assert not [text for text in world.markers if "reset" in text or "start" in text]
    assert not pylsl.resolve_byprop("name", f"{world.bed}x-status", 1, 0.5)


def test_the_delay_that_the_metadata_tell_has_the_frame_and_the_smoothing(world: World) -> None:
    world.write("[decision]\nsmoothing_s = 3.0\n")
    world.service._reloading.ask()
    world.until_marker("session-reset/reload")
    [found] = pylsl.resolve_bypred(f"name='{world.bed}-status' and desc/synchronization/offset_mean='4'", 1, 5)
    assert found.name() == f"{world.bed}-status"


def test_the_operators_word_on_the_order_of_the_channels_is_heard(world: World) -> None:
    world.path.write_text(world.path.read_text().replace("replay = true", 'replay = true\nmatch = "order"'))
    world.service._reloading.ask()
    world.until_marker("session-reset/reload")
    world.amplifier.outlet = None
    world.amplifier = Amplifier(world.source_id, tuple(f"channel {i}" for i in range(22)))
    world.until_marker("not-monitoring/warmup")
    world.amplifier.push(12)
    world.until_marker("non-seizure")


def test_a_model_whose_steps_are_too_slow_for_the_outlets_is_not_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Bundle(tmp_path, CARD.model_copy(update={"hop_samples": 512, "id": "slow"}))
    monkeypatch.setattr("detector.loading.load_engine", lambda _: (slow, world.network))
    world.path.write_text(world.path.read_text().replace('"stub"', '"slow"'))
    world.service._reloading.ask()
    world.until(lambda: "the configuration is kept as it was: the model steps every 2 s" in caplog.text)
    world.monitored()


def test_a_bundle_that_cannot_be_looked_at_is_not_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = "/opt/" + "y" * 300 + "/x"
    monkeypatch.setattr("detector.loading.load_engine", lambda config: (load_bundle(config.model.bundle), None))
    world.path.write_text(world.path.read_text().replace('"stub"', f'"{name}"'))
    world.service._reloading.ask()
    world.until(lambda: "cannot be looked at" in caplog.text)
    world.monitored()


def test_too_few_good_channels_are_named_with_what_is_wrong(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.monitored()
    world.amplifier.push(3, uv=0.0)
    world.until_marker("not-monitoring/poor")
    world.until(
        lambda: "0 of 22 derivations can be trusted, expected at least 18 (FP1-F7 flat, F7-T7 flat" in caplog.text
    )


def _details(bed: str) -> Any:
    [found] = pylsl.resolve_byprop("name", f"{bed}-detail", 1, 5)
    inlet = pylsl.StreamInlet(found, recover=False)
    inlet.open_stream(5)
    return inlet


def _detail(inlet: Any, kind: str) -> tuple[dict[str, Any], float]:
    while True:
        text, stamp = inlet.pull_sample(timeout=15)
        assert text is not None, f"no {kind} was told"
        detail: dict[str, Any] = json.loads(text[0])
        if detail["kind"] == kind:
            return detail, stamp


def _condition(inlet: Any) -> dict[str, Any]:
    return _detail(inlet, "condition")[0]


def test_a_technical_condition_is_told_when_it_comes_with_what_to_do(world: World) -> None:
    inlet = _details(world.bed)
    world.monitored()
    world.amplifier.outlet = None
    told = _condition(inlet)
    assert (told["condition"], told["priority"], told["count"], told["cleared"]) == ("lost", "high", 1, None)
    assert "waiting for" in told["text"]
    assert world.service.standing[0].kind == "lost"


def test_a_condition_in_a_seizure_neither_hides_nor_ends_it(world: World) -> None:
    inlet = _details(world.bed)
    world.monitored()
    world.amplifier.push(4, uv=200)
    world.until_marker("seizure")
    world.path.write_text("this is no TOML")
    world.service._reloading.ask()
    told = _condition(inlet)
    assert (told["condition"], told["priority"]) == ("config-refused", "low")
    assert "the configuration of before goes on" in told["text"]
    world.amplifier.push(2, uv=200)
    # The two outlets are read one after the other: the steps that came before the marker may still be on their way.
    world.until(lambda: world.statuses[-1].state is State.SEIZURE)
    n = len(world.statuses)
    world.until(lambda: len(world.statuses) > n + 2)
    assert [text for text in world.markers if "seizure" in text or "not-monitoring" in text] == []
    assert {status.state for status in world.statuses[n:]} == {State.SEIZURE}


def test_systemd_hears_of_a_service_that_watches_and_no_sign_of_life_from_one_whose_network_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        heard: list[str] = []

        def listen() -> list[str]:
            while True:
                try:
                    heard.append(manager.recv(4096).decode())
                except BlockingIOError:
                    return heard

        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        world = World(tmp_path, monkeypatch, Notifier(environment))
        try:
            world.monitored()
            world.until(lambda: {"WATCHDOG=1", "STATUS=non-seizure, 22 of 22 derivations"} <= set(listen()))
            assert heard[0] == "READY=1"

            def fails(features: list[Features]) -> list[Probability]:
                if features:
                    raise StateError("not finite")
                return []

            monkeypatch.setattr(world.network, "process", fails)
            world.amplifier.push(15)
            world.until_marker("not-monitoring/fault")

            def no_sign_of_life_for_four_seconds() -> bool:
                listen()
                heard.clear()
                n = len(world.statuses)
                world.until(lambda: len(world.statuses) > n + 8)
                return "WATCHDOG=1" not in listen()

            assert any(no_sign_of_life_for_four_seconds() for _ in range(3))
        finally:
            world.close()
        assert "STOPPING=1" in listen()


def test_a_network_that_fails_in_its_warm_up_is_a_fault_and_not_a_warm_up(world: World) -> None:
    world.until(lambda: "not-monitoring/warmup" in world.markers)
    world.network.fail_once = True
    world.amplifier.push(3)
    world.until_marker("session-reset/fault")
    world.until_marker("not-monitoring/fault")


def test_a_source_that_comes_back_with_other_labels_is_read_by_them(world: World) -> None:
    world.monitored()
    world.amplifier.outlet = None
    world.until_marker("session-reset/lost")
    world.until_marker("not-monitoring/lost")
    world.amplifier = Amplifier(world.source_id, (*reversed(LABELS), "ECG"))
    world.until_marker("session-reset/label-change")
    world.amplifier.push(12)
    world.until_marker("non-seizure")


def test_a_source_that_does_not_fit_any_more_is_not_used(world: World) -> None:
    world.monitored()
    world.amplifier.outlet = None
    world.until_marker("not-monitoring/lost")
    world.amplifier = Amplifier(world.source_id, MONTAGES["tuh-tcp-22"])
    world.until_marker("not-monitoring/refused")
    world.amplifier.push(12)
    world.until(lambda: len(world.statuses) > 20)
    assert "non-seizure" not in world.markers


def test_a_seizure_whose_signal_is_lost_has_an_unknown_outcome(world: World) -> None:
    found = pylsl.resolve_byprop("name", f"{world.bed}-detail", 1, 5)
    inlet = pylsl.StreamInlet(found[0], recover=False)
    inlet.open_stream(5)
    world.monitored()
    world.amplifier.push(4, uv=200)
    world.until_marker("seizure")
    world.amplifier.outlet = None
    world.until_marker("not-monitoring/lost")
    details = [_detail(inlet, "seizure")[0] for _ in range(2)]
    assert [d["outcome"] for d in details] == ["ongoing", "unknown"]
    assert details[0]["event_id"] == details[1]["event_id"]
    assert details[1]["offset"] is None
    assert details[0]["onset"] < details[0]["declared"]
    assert details[1]["emitted"] > details[0]["emitted"]


def test_the_end_of_a_seizure_is_stamped_with_its_offset(world: World) -> None:
    [found] = pylsl.resolve_byprop("name", f"{world.bed}-detail", 1, 5)
    inlet = pylsl.StreamInlet(found, recover=False)
    inlet.open_stream(5)
    world.monitored()
    world.amplifier.push(4, uv=200)
    world.amplifier.push(8)
    (began, began_s), (ended, ended_s) = [_detail(inlet, "seizure") for _ in range(2)]
    assert (began["outcome"], ended["outcome"]) == ("ongoing", "ended")
    # The inlet does not correct clocks, and both are this machine's.
    assert began_s == pytest.approx(began["declared"], abs=1e-6)
    assert ended_s == pytest.approx(ended["offset"], abs=1e-6)
    assert ended["offset"] > began["declared"]


def test_a_fault_of_the_network_is_said_reset_and_recovered_from(world: World) -> None:
    world.monitored()
    world.network.fail_once = True
    world.amplifier.push(1)
    world.until_marker("session-reset/fault")
    world.until_marker("not-monitoring/fault")
    world.amplifier.push(12)
    world.until_marker("non-seizure")


def test_two_channels_of_one_name_with_different_samples_are_refused(world: World) -> None:
    world.amplifier.outlet = None
    world.amplifier = Amplifier(world.source_id, (*LABELS, "FP1-F7"))
    world.until(lambda: "not-monitoring/warmup" in world.markers)
    world.amplifier.push(12)
    world.until_marker("session-reset/fault")
    world.until_marker("not-monitoring/refused")
    assert "non-seizure" not in world.markers


def test_stopping_is_the_last_word(world: World) -> None:
    world.monitored()
    world.service.stop()
    world.until_marker("session-reset/end")
    world.until_marker("not-monitoring/stopping")
    world.until_marker("monitoring-stop")
