"""What the simulator pushes from another process arrives whole, in order, described, and with true stamps."""

from __future__ import annotations

import multiprocessing
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pylsl
import pytest

from detector.errors import UsageError
from detector.messages import Chunk, Description, Gap, Reset
from detector.source.lsl_simulator import simulate
from detector.source.recording import Annotation
from detector.source.synthetic import CHB_MIT_22, SyntheticConfig, SyntheticEeg

RATE_HZ = 256
CONFIG = SyntheticConfig(duration_s=4.0, seizures=((1.0, 2.503),), sample_index=True)


def push(name: str, config: SyntheticConfig, speed: float, chunk: int) -> None:
    simulate(
        SyntheticEeg(config),
        name=name,
        source_id=f"{name}:id",
        stop=lambda: False,
        speed=speed,
        chunk=chunk,
        wait_for_consumer_s=20,
    )


@contextmanager
def simulator(config: SyntheticConfig, speed: float = 4.0, chunk: int = 32) -> Iterator[str]:
    name = f"sim-{uuid.uuid4().hex[:8]}"
    child = multiprocessing.get_context("spawn").Process(target=push, args=(name, config, speed, chunk))
    child.start()
    try:
        yield name
        child.join(10)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()


def open_inlet(name: str) -> pylsl.StreamInlet:
    found = pylsl.resolve_byprop("name", name, 1, 60)  # another process, which imports all that it needs first
    assert found, f"no stream {name}"
    inlet = pylsl.StreamInlet(found[0], recover=False)
    inlet.open_stream(10)
    return inlet


def pull(inlet: pylsl.StreamInlet, n_samples: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    samples: list[list[float]] = []
    stamps: list[float] = []
    deadline = time.monotonic() + 15
    while len(stamps) < n_samples and time.monotonic() < deadline:
        values, times = inlet.pull_chunk(timeout=0.2, max_samples=1024)
        samples += values
        stamps += times
    return np.array(samples, np.float32), np.array(stamps)


@pytest.mark.parametrize(("speed", "chunk"), [(4.0, 32), (20.0, 1), (1.0, 333)])
def test_no_sample_is_lost_doubled_or_reordered_and_every_stamp_is_true(speed: float, chunk: int) -> None:
    with simulator(CONFIG, speed, chunk) as name:
        inlet = open_inlet(name)
        samples, stamps = pull(inlet, 4 * RATE_HZ)
        inlet.close_stream()
    np.testing.assert_array_equal(samples[:, -1], np.arange(4 * RATE_HZ))
    np.testing.assert_allclose(stamps - stamps[0], np.arange(4 * RATE_HZ) / RATE_HZ, atol=1e-6)
    expected = np.concatenate([m.samples for m in SyntheticEeg(CONFIG).messages() if isinstance(m, Chunk)])
    np.testing.assert_array_equal(samples, expected)


def test_labels_units_and_rate_are_described() -> None:
    with simulator(SyntheticConfig(duration_s=0.5)) as name:
        inlet = open_inlet(name)
        info = inlet.info(5)
        pull(inlet, RATE_HZ // 2)
        inlet.close_stream()
    assert (info.type(), info.nominal_srate(), info.channel_count()) == ("EEG", RATE_HZ, 22)
    assert info.source_id() == f"{name}:id"
    assert tuple(info.get_channel_labels()) == CHB_MIT_22
    assert info.get_channel_units() == ["microvolts"] * 22
    assert info.get_channel_types() == ["EEG"] * 22
    assert info.desc().child_value("manufacturer") == "seizure-detector simulator"


def test_the_truth_has_the_stamps_of_the_first_samples_of_its_edges() -> None:
    with simulator(CONFIG) as name:
        truth = open_inlet(f"{name}-truth")
        eeg = open_inlet(name)
        _, stamps = pull(eeg, 4 * RATE_HZ)
        marks = [truth.pull_sample(timeout=5) for _ in range(2)]
        source_id = truth.info(5).source_id()
        eeg.close_stream()
    assert [text for text, _ in marks] == [["seizure/onset"], ["seizure/offset"]]
    onset, offset = RATE_HZ, int(np.ceil(2.503 * RATE_HZ))
    assert [stamp for _, stamp in marks] == pytest.approx([stamps[onset], stamps[offset]], abs=1e-6)
    assert source_id == f"{name}:id:truth"


@dataclass
class Ramp:
    """Counts samples, with a gap of 5 s after the first 64."""

    description = Description(("A", "B"), 64.0, (1.0, None), ("uV", "furlong"))
    duration_s = 7.0
    annotations = (Annotation(0.5, 0.0, "eyes open"), Annotation(3.0, 99.0, "seizure"))

    def messages(self, chunk_samples: int = 4096) -> Iterator[Chunk | Gap]:
        for first, begin_s in ((0, 0.0), (64, 6.0)):
            if first:
                yield Gap(63 / 64, 6.0, Reset.GAP)
            for at in range(0, 64, chunk_samples):
                count = np.arange(at, min(at + chunk_samples, 64))
                samples = np.column_stack((first + count, np.full(len(count), np.nan))).astype(np.float32)
                yield Chunk(samples, begin_s + count / 64)


@contextmanager
def in_thread(speed: float = 50.0, loop: bool = False) -> Iterator[tuple[str, list[float], Callable[[], int]]]:
    name = f"sim-{uuid.uuid4().hex[:8]}"
    stop = threading.Event()
    starts: list[float] = []
    pushed: list[int] = []

    def target() -> None:
        pushed.append(
            simulate(
                Ramp(),
                name=name,
                source_id=name,
                stop=stop.is_set,
                speed=speed,
                loop=loop,
                on_start=starts.append,
                wait_for_consumer_s=20,
            )
        )

    def end() -> int:
        stop.set()
        thread.join(10)
        return pushed[0]

    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield name, starts, end
    finally:
        stop.set()
        thread.join(10)


def test_a_gap_in_the_recording_is_a_gap_in_the_stamps() -> None:
    with in_thread() as (name, starts, _):
        truth, inlet = open_inlet(f"{name}-truth"), open_inlet(name)
        samples, stamps = pull(inlet, 128)
        marks = [truth.pull_sample(timeout=5) for _ in range(3)]
        units = inlet.info(5).get_channel_units()
        inlet.close_stream()
    np.testing.assert_array_equal(samples[:, 0], np.arange(128))
    assert np.isnan(samples[:, 1]).all()
    assert units == ["microvolts", "furlong"]
    expected = np.concatenate((np.arange(64) / 64, 6 + np.arange(64) / 64))
    np.testing.assert_allclose(stamps - starts[0], expected, atol=1e-6)
    # What is true in the gap or after the end is stamped with the nearest sample that there is.
    assert marks[0] == (["eyes open"], pytest.approx(starts[0] + 0.5, abs=1e-6))
    assert marks[1] == (["seizure/onset"], pytest.approx(starts[0] + 6.0, abs=1e-6))
    assert marks[2] == (["seizure/offset"], pytest.approx(starts[0] + 6 + 63 / 64, abs=1e-6))


def test_a_loop_begins_anew_after_a_hole_of_one_second() -> None:
    with in_thread(loop=True) as (name, _, end):
        inlet = open_inlet(name)
        samples, stamps = pull(inlet, 300)
        assert end() >= 300
        inlet.close_stream()
    np.testing.assert_array_equal(samples[:256, 0], np.tile(np.arange(128), 2))
    assert stamps[128] - stamps[127] == pytest.approx(1 + 1 / 64, abs=1e-6)


def test_it_stops_at_once_when_asked() -> None:
    with in_thread(speed=0.01) as (name, _, end):
        inlet = open_inlet(name)
        begin = time.monotonic()
        assert end() < 128
        assert time.monotonic() - begin < 1
        inlet.close_stream()


def test_real_time_is_kept_without_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_s = now_s = 1000.0

    def oversleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds + 0.007

    monkeypatch.setattr("detector.source.lsl_simulator.pylsl.local_clock", lambda: now_s)
    monkeypatch.setattr("detector.source.lsl_simulator.time", SimpleNamespace(sleep=oversleep))
    name = f"sim-{uuid.uuid4().hex[:8]}"
    source = SyntheticEeg(SyntheticConfig(duration_s=2))
    pushed = simulate(source, name=name, source_id=name, stop=lambda: False, chunk=8)
    assert pushed == 2 * RATE_HZ
    # 64 pushes that are each woken up 7 ms late: the last one is late by one of them and not by all.
    assert 1.99 <= now_s - begin_s < 2.01


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="expected more than 0"):
        simulate(Ramp(), name="x", source_id="x", stop=lambda: True, speed=0)
