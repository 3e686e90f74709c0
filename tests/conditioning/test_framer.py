"""Every sample is seen once by each frame that covers it, whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.conditioning.framer import Framer, FramerConfig
from detector.messages import Chunk, Frame
from tests.signals import cut, deterministic, whole

COUNT = np.arange(1000, dtype=np.float32)[:, None]


def frames_of(framer: Framer, sizes: int | list[int], n: int = 1000) -> list[Frame]:
    return [frame for chunk in cut(whole(COUNT[:n], rate_hz=1.0), sizes) for frame in framer.process(chunk)]


@deterministic(60)
@given(st.integers(1, 60), st.integers(1, 60), st.lists(st.integers(1, 200), min_size=1, max_size=6))
def test_frames_begin_at_every_hop_and_end_with_their_last_sample(frame: int, hop: int, sizes: list[int]) -> None:
    hop = min(hop, frame)
    frames = frames_of(Framer(FramerConfig(frame, hop)), sizes)
    assert len(frames) == (1000 - frame) // hop + 1
    for i, made in enumerate(frames):
        np.testing.assert_array_equal(made.samples, COUNT[i * hop : i * hop + frame])
        assert made.end_s == i * hop + frame - 1


def test_a_frame_is_good_where_its_last_sample_is() -> None:
    good = np.ones((20, 2), dtype=bool)
    good[9, 0] = good[5, 1] = False
    frames = Framer(FramerConfig(10, 10)).process(Chunk(np.zeros((20, 2), np.float32), np.arange(20.0), good))
    assert [frame.good.tolist() for frame in frames] == [[False, True], [True, True]]


def test_missing_samples_are_counted_once() -> None:
    framer = Framer(FramerConfig(10, 5))
    parts = [Chunk(COUNT[i : i + 4], np.arange(4.0) + i, missing=1) for i in range(0, 20, 4)]
    frames = [frame for part in parts for frame in framer.process(part)]
    assert [frame.missing for frame in frames] == [3, 1, 1]


def test_reset_forgets_the_frame_that_is_not_complete() -> None:
    framer = Framer(FramerConfig(10, 5))
    framer.process(Chunk(np.ones((7, 1), np.float32), np.arange(7.0), missing=2))
    framer.reset()
    assert framer.needed == 10
    [frame] = framer.process(Chunk(np.zeros((10, 1), np.float32), np.arange(10.0)))
    assert not frame.samples.any()
    assert frame.missing == 0


@pytest.mark.parametrize("size", [1, 7, 64])
def test_needed_is_what_completes_the_next_frame(size: int) -> None:
    framer = Framer(FramerConfig(50, 20))
    seen = 0
    for chunk in cut(whole(COUNT, rate_hz=1.0), size):
        needed = framer.needed
        frames = framer.process(chunk)
        assert bool(frames) == (len(chunk.samples) >= needed)
        seen += len(frames)
    assert seen > 10
