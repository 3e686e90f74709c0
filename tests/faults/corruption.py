"""What becomes of an amplifier's samples on their way to the outlet; each is a block in, a block out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tests.faults.outlet import Samples


@dataclass(frozen=True)
class Block:
    """Samples that are pushed together.

    Parameters
    ----------
    samples
        (n_samples, n_channels) in µV.
    stamps
        (n_samples,) in s.
    numbers
        (n_samples,), counted from 0 since the corruption began.
    rate_hz
        True rate.
    """

    samples: Samples
    stamps: Samples
    numbers: npt.NDArray[np.int64]
    rate_hz: float

    @property
    def since_s(self) -> Samples:
        """Return (n_samples, 1), the seconds since the corruption began."""
        return self.numbers[:, None] / self.rate_hz


class Corruption(Protocol):
    """Its ``repr`` is the Python that makes it again in another process."""

    def __call__(self, block: Block) -> Block:
        """Return what is pushed instead."""
        ...


@dataclass(frozen=True)
class Lost:
    """The first ``n`` samples never come."""

    n: int

    def __call__(self, block: Block) -> Block:
        kept = block.numbers >= self.n
        return replace(block, samples=block.samples[kept], stamps=block.stamps[kept], numbers=block.numbers[kept])


@dataclass(frozen=True)
class Standby:
    """The outlet stands and sends nothing."""

    def __call__(self, block: Block) -> Block:
        return Lost(2**62)(block)


@dataclass(frozen=True)
class Shifted:
    """Stamps are of a clock that has jumped."""

    by_s: float

    def __call__(self, block: Block) -> Block:
        return replace(block, stamps=block.stamps + self.by_s)


@dataclass(frozen=True)
class Stamped:
    """Stamps are no times."""

    value: float

    def __call__(self, block: Block) -> Block:
        return replace(block, stamps=np.full(len(block.stamps), self.value))


@dataclass(frozen=True)
class Doubled:
    """Every sample comes twice, as a sender does that is not sure that it has been heard."""

    def __call__(self, block: Block) -> Block:
        return replace(
            block,
            samples=np.repeat(block.samples, 2, axis=0),
            stamps=np.repeat(block.stamps, 2),
            numbers=np.repeat(block.numbers, 2),
        )


@dataclass(frozen=True)
class Disordered:
    """The two halves of each block change places."""

    def __call__(self, block: Block) -> Block:
        half = len(block.stamps) // 2
        return replace(block, samples=np.roll(block.samples, half, axis=0), stamps=np.roll(block.stamps, half))


@dataclass(frozen=True)
class Held:
    """Channels carry one value: not a number, infinity, nothing; for ``n`` samples, or for as long as it lasts."""

    value: float
    channels: tuple[int, ...]
    n: float = math.inf

    def __call__(self, block: Block) -> Block:
        samples = block.samples.copy()
        held = block.numbers < self.n
        for channel in self.channels:
            samples[held, channel] = self.value
        return replace(block, samples=samples)


@dataclass(frozen=True)
class Scaled:
    """A slip of the unit."""

    factor: float

    def __call__(self, block: Block) -> Block:
        return replace(block, samples=block.samples * self.factor)


@dataclass(frozen=True)
class Clipped:
    """The signal is amplified until it lies at the rails for the most part."""

    uv: float

    def __call__(self, block: Block) -> Block:
        return replace(block, samples=np.clip(block.samples * 100, -self.uv, self.uv))


@dataclass(frozen=True)
class Hum:
    """The line, root-mean-square."""

    hz: float
    uv: float

    def __call__(self, block: Block) -> Block:
        wave = np.sqrt(2) * self.uv * np.sin(2 * np.pi * self.hz * block.since_s)
        return replace(block, samples=block.samples + wave)


@dataclass(frozen=True)
class Offset:
    """A step, and a drift from there on."""

    uv: float
    uv_per_s: float = 0.0

    def __call__(self, block: Block) -> Block:
        return replace(block, samples=block.samples + self.uv + self.uv_per_s * block.since_s)


@dataclass(frozen=True)
class Calibration:
    """A square wave on every channel instead of EEG, on the amplifier's own noise."""

    hz: float
    uv: float

    def __call__(self, block: Block) -> Block:
        wave = self.uv * np.sign(np.sin(2 * np.pi * self.hz * block.since_s + 1e-6))
        return replace(block, samples=wave + 0.01 * block.samples)


@dataclass(frozen=True)
class Pops:
    """Electrodes lose contact for a moment: one channel after the other jumps and decays in 0.3 s."""

    per_s: float
    uv: float

    def __call__(self, block: Block) -> Block:
        samples = block.samples.copy()
        nth = np.floor(block.numbers / block.rate_hz * self.per_s)
        decay = self.uv * np.exp(-(block.numbers / block.rate_hz - nth / self.per_s) / 0.3)
        samples[np.arange(len(samples)), nth.astype(int) * 7 % samples.shape[1]] += decay
        return replace(block, samples=samples)


class Repeated:
    """A driver's buffer comes again and again; the stamps go on."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._buffer: list[Samples] = []

    def __repr__(self) -> str:
        return f"Repeated({self._n})"

    def __call__(self, block: Block) -> Block:
        if len(self._buffer) < self._n:
            self._buffer.extend(block.samples[: self._n - len(self._buffer)])
        at = block.numbers.astype(int) % self._n
        return replace(block, samples=np.array([self._buffer[i] for i in at]))
