"""The last seconds of all channels as they came, in memory of a fixed size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.messages import BoolArray, FloatArray, TimeArray


@dataclass(frozen=True, slots=True)
class Block:
    """Samples that follow each other.

    Parameters
    ----------
    samples
        (n_samples, n_channels), float32 µV, as received; NaN where nothing was.
    stamps
        (n_samples,), float64 s on this machine's LSL clock.
    filled
        (n_samples,), whether the sample was never received and only keeps the place of one.
    """

    samples: FloatArray
    stamps: TimeArray
    filled: BoolArray

    def __len__(self) -> int:
        return len(self.stamps)

    def part(self, start: int, stop: int) -> Block:
        """Return a view of some of its samples."""
        return Block(self.samples[start:stop], self.stamps[start:stop], self.filled[start:stop])


def received(samples: FloatArray, stamps: TimeArray) -> Block:
    """Return samples that came."""
    return Block(samples, stamps, np.zeros(len(stamps), np.bool_))


def not_received(n_samples: int, n_channels: int, after_s: float, period_s: float) -> Block:
    """Return what keeps the place of samples that did not come behind the one at ``after_s``."""
    samples: FloatArray = np.full((n_samples, n_channels), np.nan, np.float32)
    stamps: TimeArray = after_s + period_s * np.arange(1, n_samples + 1, dtype=np.float64)
    return Block(samples, stamps, np.ones(n_samples, np.bool_))


def split(blocks: Sequence[Block], n_samples: int) -> tuple[list[Block], list[Block]]:
    """Return the first ``n_samples`` of blocks, and the rest; both are views."""
    first: list[Block] = []
    rest: list[Block] = []
    for block in blocks:
        n = min(max(n_samples, 0), len(block))
        n_samples -= len(block)
        if n:
            first.append(block.part(0, n))
        if n < len(block):
            rest.append(block.part(n, len(block)))
    return first, rest


class Tape:
    """A ring of samples; what is put takes the place of the oldest.

    Parameters
    ----------
    n_channels, rate_hz
        Of the stream.
    seconds
        How much it should hold.
    max_bytes
        How large it may be at most, whatever it should hold.
    """

    def __init__(self, n_channels: int, rate_hz: float, seconds: float, max_bytes: int) -> None:
        sample_bytes = 4 * n_channels + 8 + 1
        self.capacity = max(min(math.ceil(seconds * rate_hz), max_bytes // sample_bytes), 1)
        # Taken now, so that it is not missing at the moment of a seizure.
        self._ring = Block(
            np.zeros((self.capacity, n_channels), np.float32),
            np.zeros(self.capacity, np.float64),
            np.zeros(self.capacity, np.bool_),
        )
        self._at = self._held = 0

    @property
    def last_s(self) -> float | None:
        """Stamp of the newest sample; ``None`` before any."""
        return float(self._ring.stamps[self._at - 1]) if self._held else None

    def put(self, block: Block) -> None:
        """Copy samples into the ring."""
        n = len(block)
        if n > self.capacity:
            block, n = block.part(n - self.capacity, n), self.capacity
        room = self.capacity - self._at
        for start, stop, at in ((0, min(n, room), self._at), (room, n, 0)):
            if start < stop:
                place = self._ring.part(at, at + stop - start)
                source = block.part(start, stop)
                place.samples[:], place.stamps[:], place.filled[:] = source.samples, source.stamps, source.filled
        self._at = (self._at + n) % self.capacity
        self._held = min(self._held + n, self.capacity)

    def clear(self) -> None:
        """Forget all samples."""
        self._at = self._held = 0

    def since(self, time_s: float) -> Block:
        """Return a copy of all samples behind the last one that is older than this."""
        order = (np.arange(self._held) + self._at - self._held) % self.capacity
        older = np.flatnonzero(self._ring.stamps[order] < time_s)
        order = order[older[-1] + 1 if len(older) else 0 :]
        return Block(self._ring.samples[order], self._ring.stamps[order], self._ring.filled[order])
