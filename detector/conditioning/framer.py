"""Framer: conditioned samples become overlapping frames of a fixed length, one every hop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.messages import BoolArray, Chunk, FloatArray, Frame


@dataclass(frozen=True)
class FramerConfig:
    """Frame length and hop in samples at the model's rate."""

    frame_samples: int
    hop_samples: int


@dataclass
class _State:
    samples: FloatArray | None = None
    missing: int = 0


class Framer:
    """Yields a frame as soon as its last sample is there; the first needs ``frame_samples``, each next one a hop."""

    def __init__(self, config: FramerConfig) -> None:
        self._config = config
        self._state = _State()

    def process(self, chunk: Chunk) -> list[Frame]:
        """Return the frames that the chunk completes; a frame is good where its last sample is."""
        state, c = self._state, self._config
        good: BoolArray = np.ones(chunk.samples.shape, dtype=bool) if chunk.good is None else chunk.good
        before = 0 if state.samples is None else len(state.samples)
        joined = chunk.samples if state.samples is None else np.concatenate([state.samples, chunk.samples])
        state.missing += chunk.missing
        frames = []
        start = 0
        while start + c.frame_samples <= len(joined):
            newest = start + c.frame_samples - 1 - before
            frames.append(
                Frame(
                    samples=joined[start : start + c.frame_samples],
                    good=good[newest],
                    end_s=float(chunk.timestamps[newest]),
                    missing=state.missing,
                )
            )
            state.missing = 0
            start += c.hop_samples
        state.samples = joined[start:].copy()
        return frames

    @property
    def needed(self) -> int:
        """How many samples complete the next frame."""
        return self._config.frame_samples - (0 if self._state.samples is None else len(self._state.samples))

    def reset(self) -> None:
        """Forget the samples of a frame that is not complete."""
        self._state = _State()
