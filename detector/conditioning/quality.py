"""Which channels can be trusted, sample by sample, judged on the derivations before any filter.

Every quarter second each channel is looked at over the last second. A channel is marked bad at once and good again only
after two clean seconds. Samples that are not finite are held, so that nothing behind this stage ever sees NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from detector.messages import BoolArray, Chunk, FloatArray


class Fault(StrEnum):
    """What is wrong with a channel."""

    MISSING = "missing"
    NAN = "nan"
    FLAT = "flat"
    RAILED = "railed"
    AMPLITUDE = "amplitude"
    MAINS = "mains"
    FROZEN = "frozen"


FAULTS = tuple(Fault)
_OK = -1


@dataclass(frozen=True)
class QualityConfig:
    """Limits of a trustworthy channel; amplitudes are peak-to-peak over ``window_s``.

    Parameters
    ----------
    rate_hz, n_channels
        Of the chunks that come.
    flat_uv
        Below this no amplifier on a living head goes: 0.5 µV is under the noise of one.
    huge_uv
        Above this it is no EEG: ictal EEG in children reaches 2 mV, a volt-for-millivolt slip 30 mV and more.
    railed_share, railed_uv
        Clipped: this share of the window lies exactly at its extremes, and they are this far apart.
    mains_uv
        Root-mean-square of the 50 or 60 Hz line above which an electrode has no contact.
    max_held
        Samples in a row that are held where they are not finite, before the channel is bad.
    """

    rate_hz: float
    n_channels: int
    block_s: float = 0.25
    window_s: float = 1.0
    recover_s: float = 2.0
    flat_uv: float = 0.5
    huge_uv: float = 6000.0
    railed_share: float = 0.2
    railed_uv: float = 100.0
    mains_uv: float = 150.0
    mains_hz: tuple[float, ...] = (50.0, 60.0)
    max_held: int = 3


# Rows of a block's summary; the mains' real and imaginary parts follow.
_LOW, _HIGH, _AT_LOW, _AT_HIGH, _FINITE, _LOST, _SIZE, _LINE = range(8)
_FEW = 8192  # values, for which one call is cheaper than several
_LIMIT_UV = np.float32(1e6)  # 1 V: 1e30 is a legal float, but no sum of its squares is


@dataclass
class _State:
    samples: FloatArray  # finite samples of the block that is being filled
    finite: BoolArray  # whether they were, after ``max_held`` earlier ones
    blocks: FloatArray  # (n_blocks, n_rows, n_channels), summaries of the last window less one block
    hashes: npt.NDArray[np.uint64]  # one for each sample of the last two windows, and of the block being filled
    last: FloatArray  # last finite sample of each channel, 0 before any
    judged: bool = False
    since_bad: npt.NDArray[np.int64] | None = None  # blocks since each channel was bad; None before the first verdict
    faults: npt.NDArray[np.int64] | None = None


class Quality:
    """Fills `Chunk.good` and makes every sample finite. Before the first verdict no channel is good.

    Each block is summed up once (extremes, how often they occur, line frequencies), and a window is judged on the
    summaries of its blocks: the samples are not looked at again with every block.
    """

    def __init__(self, config: QualityConfig) -> None:
        self._config = config
        self._block = max(round(config.block_s * config.rate_hz), 1)
        self._per_window = max(round(config.window_s / config.block_s), 1)
        self._window = self._per_window * self._block
        self._recover = round(config.recover_s / config.block_s)
        lines = np.array([hz for hz in config.mains_hz if hz < config.rate_hz / 2])
        # A Hann window over several blocks is a sum of three lines, each a sum over the blocks (Harris 1978).
        bins_hz = (lines[:, None] + np.array([0, -1, 1]) * config.rate_hz / self._window).ravel()
        weights = np.tile([0.5, -0.25, -0.25], len(lines)) * 2 * np.sqrt(2) / self._window
        self._line_weights = weights[:, None].astype(np.float32)
        waves = np.exp(-2j * np.pi * bins_hz[:, None] * np.arange(self._block) / config.rate_hz)
        self._waves = np.concatenate([waves.real, waves.imag]).astype(np.float32)
        turns = np.arange(self._per_window)[:, None] * self._block / config.rate_hz
        self._turns = np.exp(-2j * np.pi * turns * bins_hz).astype(np.complex64)[:, None, :, None]
        odd = np.random.default_rng(0).integers(0, 2**63, config.n_channels, dtype=np.uint64) * 2 + 1
        self._hash_weights = odd.astype(np.uint64)
        self.reset()

    def reset(self) -> None:
        """Forget the past: no channel is good until it has been looked at."""
        n, c = self._config.n_channels, self._config
        blocks = np.zeros((self._per_window - 1, _LINE + len(self._waves), n), dtype=np.float32)
        blocks[:, _LOW], blocks[:, _HIGH] = np.inf, -np.inf
        self._state = _State(
            samples=np.empty((0, n), dtype=np.float32),
            finite=np.ones((c.max_held, n), dtype=bool),
            blocks=blocks,
            hashes=np.empty(0, dtype=np.uint64),
            last=np.zeros(n, dtype=np.float32),
        )

    @property
    def faults(self) -> dict[int, Fault]:
        """What is wrong with which channel now (empty before the first verdict)."""
        if self._state.faults is None:
            return {}
        return {i: FAULTS[f] for i, f in enumerate(self._state.faults) if f != _OK}

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with finite samples, ``good`` set, and held samples counted in ``missing``."""
        if len(chunk.samples) == 0:
            return replace(chunk, good=np.zeros(chunk.samples.shape, dtype=bool))
        state = self._state
        samples, finite = self._hold(chunk.samples)
        pending = len(state.samples)
        joined = np.concatenate([state.samples, samples])
        joined_finite = np.concatenate([state.finite, finite])
        n_blocks = len(joined) // self._block
        verdicts = self._verdicts(joined, joined_finite, samples, n_blocks)
        # A verdict holds from the last sample of its block to the one before the last of the next.
        rest = len(joined) - n_blocks * self._block
        counts = np.full(n_blocks + 1, self._block)
        counts[0], counts[-1] = self._block - 1 - pending, rest + 1
        if not n_blocks:
            counts[0] = len(samples)
        good = np.repeat(verdicts, counts, axis=0)
        state.samples = joined[n_blocks * self._block :].copy()
        state.finite = joined_finite[n_blocks * self._block :].copy()
        held = 0 if finite.all() else int((~finite & good).any(axis=1).sum())
        return replace(chunk, samples=samples, good=good, missing=chunk.missing + held)

    def _hold(self, samples: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Replace what is not finite by the channel's last finite sample (0 before any); say what was finite."""
        state = self._state
        finite = np.isfinite(samples)
        # Comparisons with NaN are false, so this is true only where nothing is to be done.
        if not (samples.min() >= -_LIMIT_UV and samples.max() <= _LIMIT_UV):
            samples = np.clip(samples, -_LIMIT_UV, _LIMIT_UV)
            if not finite.all():
                index = np.where(finite, np.arange(1, len(samples) + 1)[:, None], 0)
                newest = np.maximum.accumulate(index, axis=0)
                samples = np.take_along_axis(np.concatenate([state.last[None], samples]), newest, axis=0)
        state.last = samples[-1].copy()
        return samples, finite

    def _verdicts(self, joined: FloatArray, finite: BoolArray, new: FloatArray, n_blocks: int) -> BoolArray:
        """Return (n_blocks + 1, n_channels): what was good before, and after each block."""
        state = self._state
        state.hashes = np.concatenate([state.hashes, self._hash(new)])
        n = self._config.n_channels
        before = np.zeros((1, n), dtype=bool) if state.since_bad is None else (state.since_bad >= self._recover)[None]
        if not n_blocks:
            return before
        summaries = self._summaries(joined, finite, n_blocks)
        blocks = np.concatenate([state.blocks, summaries])
        faults = self._judge(blocks, n_blocks)
        repeated = self._repeated(n_blocks, len(joined) - n_blocks * self._block)
        if repeated.any():
            faults[repeated] = np.where(faults[repeated] == _OK, FAULTS.index(Fault.FROZEN), faults[repeated])
        state.blocks = blocks[n_blocks:].copy()
        # A channel that is clean at the first verdict need not recover.
        since = np.full(n, self._recover - 1) if state.since_bad is None else state.since_bad
        old = np.full(n, _OK) if state.faults is None else state.faults
        bad = faults != _OK
        at = np.arange(n_blocks)[:, None]
        newest_bad = np.maximum.accumulate(np.where(bad, at, -1), axis=0)
        since_bad = np.where(newest_bad >= 0, at - newest_bad, since + at + 1)
        last = newest_bad[-1]
        old = np.where(last >= 0, faults[last, np.arange(n)], old)
        state.since_bad = np.minimum(since_bad[-1], self._recover)
        state.faults = np.where(state.since_bad >= self._recover, _OK, old)
        return np.concatenate([before, since_bad >= self._recover])

    def _summaries(self, joined: FloatArray, finite: BoolArray, n_blocks: int) -> FloatArray:
        """Return (n_blocks, n_rows, n_channels) of the whole blocks."""
        held, n = self._config.max_held, self._config.n_channels
        rows = joined[: n_blocks * self._block].reshape(n_blocks, self._block, n)
        out = np.empty((n_blocks, _LINE + len(self._waves), n), dtype=np.float32)
        low, high = _extreme(np.minimum, rows), _extreme(np.maximum, rows)
        out[:, _LOW], out[:, _HIGH] = low, high
        out[:, _AT_LOW] = _count(rows == low[:, None])
        out[:, _AT_HIGH] = _count(rows == high[:, None])
        out[:, _FINITE], out[:, _LOST], out[:, _SIZE] = self._block, 0, self._block
        if not finite.all():
            starts = np.arange(n_blocks)[:, None] * self._block
            # A run of samples that are not finite may have begun in the block before.
            out[:, _LOST] = _count(~finite[starts + np.arange(self._block + held)])
            out[:, _FINITE] = _count(finite[starts + held + np.arange(self._block)])
        out[:, _LINE:] = self._waves @ rows
        return out

    def _judge(self, blocks: FloatArray, n_blocks: int) -> npt.NDArray[np.int64]:
        """Return (n_blocks, n_channels) indices into `FAULTS`; the window of a block ends with the block."""
        c = self._config
        # (per_window, n_blocks, n_rows, n_channels), oldest first
        ago = np.stack([blocks[j : j + n_blocks] for j in range(self._per_window)])
        lows, highs = ago[:, :, _LOW], ago[:, :, _HIGH]
        low, high = lows.min(axis=0), highs.max(axis=0)
        spread = high - low
        size = ago[:, :, _SIZE].sum(axis=0)
        found = [
            (Fault.MISSING, ago[:, :, _FINITE].max(axis=0) == 0),
            (Fault.NAN, ago[-1, :, _LOST] > c.max_held),
            (Fault.FLAT, spread < c.flat_uv),
            (Fault.AMPLITUDE, spread > c.huge_uv),
        ]
        wide = spread >= c.railed_uv
        if wide.any():
            at_rails = ((lows == low) * ago[:, :, _AT_LOW] + (highs == high) * ago[:, :, _AT_HIGH]).sum(axis=0)
            found.append((Fault.RAILED, wide & (at_rails >= c.railed_share * size)))
        found.append((Fault.MAINS, (size == self._window) & (self._line_uv(ago) > c.mains_uv)))
        faults = np.full(spread.shape, _OK, dtype=np.int64)
        for fault, where in found:
            if where.any():
                faults[where & (faults == _OK)] = FAULTS.index(fault)
        return faults

    def _line_uv(self, ago: FloatArray) -> FloatArray:
        """Return (n_blocks, n_channels), the root-mean-square in µV of the stronger line frequency."""
        half = len(self._waves) // 2
        if not half:
            return np.zeros(ago[0, :, _LOW].shape, dtype=np.float32)
        window = ((ago[:, :, _LINE : _LINE + half] + 1j * ago[:, :, _LINE + half :]) * self._turns).sum(axis=0)
        weighted = (window * self._line_weights).reshape(len(window), -1, 3, window.shape[2])
        strongest: FloatArray = np.abs(weighted.sum(axis=2)).max(axis=1)
        return strongest

    def _hash(self, samples: FloatArray) -> npt.NDArray[np.uint64]:
        """Return one number for each sample of all channels: equal samples have equal numbers."""
        bits = np.ascontiguousarray(samples, dtype=np.float32).view(np.uint32)
        hashes: npt.NDArray[np.uint64] = bits @ self._hash_weights
        return hashes

    def _repeated(self, n_blocks: int, rest: int) -> BoolArray:
        """Return (n_blocks,), whether a block is an exact copy of what came up to two windows before its end.

        The stamps advance, the data do not: all channels of real EEG do not repeat to the last bit, a frozen driver's
        buffer does, whatever its length.
        """
        state, block = self._state, self._block
        repeated = np.zeros(n_blocks, dtype=bool)
        ends = len(state.hashes) - rest - np.arange(n_blocks)[::-1] * block  # after each block's last sample
        newest, ordered = state.hashes[ends - 1], np.sort(state.hashes)
        twice = np.searchsorted(ordered, newest, "right") - np.searchsorted(ordered, newest, "left") > 1
        for k in np.flatnonzero(twice):
            end = int(ends[k])
            history = state.hashes[max(end - 2 * self._window, 0) : end]
            candidates = np.flatnonzero(history[block - 1 : -1] == history[-1])
            repeated[k] = any(np.array_equal(history[i : i + block], history[-block:]) for i in candidates[::-1])
        state.hashes = state.hashes[max(len(state.hashes) - rest - 2 * self._window, 0) :].copy()
        return repeated


def _extreme(choose: np.ufunc, rows: FloatArray) -> FloatArray:
    """Reduce (n_blocks, n_samples, n_channels) over the samples; halving many is four times as fast as numpy's way."""
    while rows.shape[1] % 2 == 0 and rows.size > _FEW:
        half = rows.shape[1] // 2
        rows = choose(rows[:, :half], rows[:, half:])
    out: FloatArray = choose.reduce(rows, axis=1)
    return out


def _count(where: BoolArray) -> npt.NDArray[np.int64]:
    """Count over the samples of (n_blocks, n_samples, n_channels)."""
    counts: npt.NDArray[np.int64] = np.add.reduce(where.view(np.uint8), axis=1, dtype=np.uint16)
    return counts
