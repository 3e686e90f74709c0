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


# Of a block's summary: its lowest and highest value, and how many samples lie at each.
_EXTREME, _COUNT = range(2)
_FEW = 8192  # values, for which one call is cheaper than several
_LIMIT_UV = np.float32(1e6)  # 1 V: 1e30 is a legal float, but no sum of its squares is


@dataclass
class _State:
    samples: FloatArray  # finite; of the last window less one block (0 before any), and of the block being filled
    blocks: FloatArray  # (n_blocks, 2, 2, n_channels), summaries of the last window less one block
    hashes: npt.NDArray[np.uint64]  # one for each sample of the last two windows, and of the block being filled
    finite: BoolArray | None = None  # whether ``samples`` were finite when they came; ``None`` where all were
    n_blocks: int = 0  # since the start, as far as a window has them
    is_clean: bool = False  # no channel is bad or recovers
    since_bad: npt.NDArray[np.int64] | None = None  # blocks since each channel was bad; None before the first verdict
    faults: npt.NDArray[np.int64] | None = None


class Quality:
    """Fills `Chunk.good` and makes every sample finite. Before the first verdict no channel is good.

    Each block is summed up once (extremes, how often they occur), and a window is judged on the summaries of its
    blocks. Live, where a call costs more than what it computes, most is done only where a limit is reached at all.
    """

    def __init__(self, config: QualityConfig) -> None:
        self._config = config
        self._block = max(round(config.block_s * config.rate_hz), 1)
        self._per_window = max(round(config.window_s / config.block_s), 1)
        self._window = self._per_window * self._block
        self._history = self._window - self._block
        self._recover = round(config.recover_s / config.block_s)
        lines = np.array([hz for hz in config.mains_hz if hz < config.rate_hz / 2])
        at = np.arange(self._window)
        hann = (1 - np.cos(2 * np.pi * at / self._window)) * np.sqrt(2) / self._window
        waves = hann * np.exp(-2j * np.pi * lines[:, None] * at / config.rate_hz)
        self._waves = np.concatenate([waves.real, waves.imag]).astype(np.float32)
        odd = np.random.default_rng(0).integers(0, 2**63, config.n_channels, dtype=np.uint64) * 2 + 1
        self._hash_weights = odd.astype(np.uint64)
        self.reset()

    def reset(self) -> None:
        """Forget the past: no channel is good until it has been looked at."""
        n = self._config.n_channels
        blocks = np.zeros((self._per_window - 1, 2, 2, n), dtype=np.float32)
        blocks[:, _EXTREME, 0], blocks[:, _EXTREME, 1] = np.inf, -np.inf
        samples = np.zeros((self._history, n), dtype=np.float32)
        self._state = _State(samples, blocks, hashes=np.empty(0, dtype=np.uint64))

    @property
    def faults(self) -> dict[int, Fault]:
        """What is wrong with which channel now (empty before the first verdict)."""
        if self._state.faults is None or self._state.is_clean:
            return {}
        return {i: FAULTS[f] for i, f in enumerate(self._state.faults) if f != _OK}

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with finite samples, ``good`` set, and held samples counted in ``missing``."""
        if len(chunk.samples) == 0:
            return replace(chunk, good=np.zeros(chunk.samples.shape, dtype=bool))
        state = self._state
        samples, finite = self._hold(chunk.samples)
        pending, n_new = len(state.samples) - self._history, len(samples)
        n_blocks, rest = divmod(pending + n_new, self._block)
        joined = np.concatenate([state.samples, samples])
        # One number for each sample of all channels: equal samples have equal numbers.
        state.hashes = np.concatenate([state.hashes, samples.view(np.uint32) @ self._hash_weights])
        if finite is not None or state.finite is not None:
            pairs = ((state.samples, state.finite), (samples, finite))
            state.finite = np.concatenate([np.ones(x.shape, dtype=bool) if of is None else of for x, of in pairs])
        verdicts = self._verdicts(joined, n_blocks, rest)
        if verdicts is None:
            good = np.ones(samples.shape, dtype=bool)
        else:
            # A verdict holds from the last sample of its block to the one before the last of the next.
            counts = np.full(n_blocks + 1, self._block)
            counts[-1] = rest + 1
            counts[0] = self._block - 1 - pending if n_blocks else n_new
            good = np.repeat(verdicts, counts, axis=0)
        state.samples = joined[n_blocks * self._block :]
        if state.finite is not None:
            kept = state.finite[n_blocks * self._block :]
            state.finite = None if kept.all() else kept
        held = 0 if finite is None else int((~finite & good).any(axis=1).sum())
        return Chunk(samples, chunk.timestamps, good, chunk.missing + held)

    def _hold(self, samples: FloatArray) -> tuple[FloatArray, BoolArray | None]:
        """Replace what is not finite by the channel's last finite sample (0 before any).

        Return also which samples were finite, or ``None`` where all were.
        """
        # Comparisons with NaN are false, so this is true only where nothing is to be done.
        if samples.min() >= -_LIMIT_UV and samples.max() <= _LIMIT_UV:
            return samples, None
        finite = np.isfinite(samples)
        samples = np.clip(samples, -_LIMIT_UV, _LIMIT_UV)
        if finite.all():
            return samples, None
        index = np.where(finite, np.arange(1, len(samples) + 1)[:, None], 0)
        newest = np.maximum.accumulate(index, axis=0)
        return np.take_along_axis(np.concatenate([self._state.samples[-1:], samples]), newest, axis=0), finite

    def _verdicts(self, joined: FloatArray, n_blocks: int, rest: int) -> BoolArray | None:
        """Return (n_blocks + 1, n_channels): what was good before, and after each block; ``None`` where all was."""
        state, n = self._state, self._config.n_channels
        faults = self._judge(joined, n_blocks, rest) if n_blocks else None
        if state.is_clean and faults is None:
            return None
        before = np.zeros((1, n), dtype=bool) if state.since_bad is None else (state.since_bad >= self._recover)[None]
        if not n_blocks:
            return before
        if faults is None:
            faults = np.full((n_blocks, n), _OK)
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
        state.is_clean = bool((state.since_bad >= self._recover).all())
        return np.concatenate([before, since_bad >= self._recover])

    def _judge(self, joined: FloatArray, n_blocks: int, rest: int) -> npt.NDArray[np.int64] | None:
        """Return (n_blocks, n_channels) indices into `FAULTS`; ``None`` where nothing is wrong.

        The window of a block ends with the block. Where a session has just begun it has fewer samples.
        """
        c, state = self._config, self._state
        sizes, least = np.array(self._window), min(state.n_blocks + 1, self._per_window) * self._block
        if least < self._window:
            sizes = np.minimum(np.arange(1, n_blocks + 1) + state.n_blocks, self._per_window)[:, None] * self._block
        state.n_blocks = min(state.n_blocks + n_blocks, self._per_window)
        windows = _overlapping(self._summed(joined, n_blocks), self._per_window, 1)
        extremes = _extremes(windows[:, :, _EXTREME, 0], windows[:, :, _EXTREME, 1])
        spread = extremes[:, 1] - extremes[:, 0]
        found = [] if state.finite is None else self._lost(state.finite, n_blocks, sizes)
        if spread.min() < c.flat_uv:
            found.append((Fault.FLAT, spread < c.flat_uv))
        if (widest := spread.max()) > c.huge_uv:
            found.append((Fault.AMPLITUDE, spread > c.huge_uv))
        if widest >= c.railed_uv:
            at_rails = ((windows[:, :, _EXTREME] == extremes[:, None]) * windows[:, :, _COUNT]).sum(axis=(1, 2))
            if at_rails.max() >= c.railed_share * least:
                found.append((Fault.RAILED, (at_rails >= c.railed_share * sizes) & (spread >= c.railed_uv)))
        if widest > c.mains_uv:  # as a line of so much is, by 2.8 times
            # The line frequencies of each window, under a Hann window (Harris 1978).
            lines = np.square(self._waves @ _overlapping(joined[: len(joined) - rest], self._window, self._block))
            if lines.max(initial=0) > c.mains_uv**2 / 2:
                half = lines.shape[1] // 2
                strongest = (lines[:, :half] + lines[:, half:]).max(axis=1)
                found.append((Fault.MAINS, (strongest > c.mains_uv**2) & (sizes == self._window)))
        if (repeated := self._repeated(n_blocks, rest)) is not None:
            found.append((Fault.FROZEN, np.broadcast_to(repeated[:, None], spread.shape)))
        found = [(fault, where) for fault, where in found if where.any()]
        if not found:
            return None
        faults = np.full(spread.shape, _OK)
        for fault, where in found:
            faults[where & (faults == _OK)] = FAULTS.index(fault)
        return faults

    def _summed(self, joined: FloatArray, n_blocks: int) -> FloatArray:
        """Return the summaries of the last window less one block, and of the new blocks."""
        rows = joined[self._history : self._history + n_blocks * self._block].reshape(n_blocks, self._block, -1)
        summed = np.empty((self._per_window - 1 + n_blocks, *self._state.blocks.shape[1:]), dtype=np.float32)
        summed[:-n_blocks], new = self._state.blocks, summed[-n_blocks:]
        new[:, _EXTREME] = extremes = _extremes(rows, rows)
        at_extremes = (rows[:, None] == extremes[:, :, None]).view(np.uint8)
        new[:, _COUNT] = np.add.reduce(at_extremes, axis=2, dtype=np.uint16)
        self._state.blocks = summed[n_blocks:]
        return summed

    def _lost(self, finite: BoolArray, n_blocks: int, sizes: npt.NDArray[np.int64]) -> list[tuple[Fault, BoolArray]]:
        """Return where a whole window, or more samples in a row than can be held, were not finite."""
        held = self._config.max_held
        lost = np.zeros((len(finite) + 1, finite.shape[1]), dtype=np.int64)
        np.cumsum(~finite, axis=0, out=lost[1:])
        ends = self._window + np.arange(n_blocks) * self._block
        return [
            (Fault.MISSING, lost[ends] - lost[ends - self._window] == sizes),
            # A run of samples that are not finite may have begun in the block before.
            (Fault.NAN, lost[ends] - lost[ends - self._block - held] > held),
        ]

    def _repeated(self, n_blocks: int, rest: int) -> BoolArray | None:
        """Return (n_blocks,), whether a block is an exact copy of what came up to two windows before its end.

        The stamps advance, the data do not: all channels of real EEG do not repeat to the last bit, a frozen driver's
        buffer does, whatever its length. ``None`` where not even a sample has come twice.
        """
        state, block = self._state, self._block
        hashes, ordered = state.hashes, np.sort(state.hashes)
        state.hashes = hashes[max(len(hashes) - rest - 2 * self._window, 0) :]
        if not (ordered[1:] == ordered[:-1]).any():
            return None
        repeated = np.zeros(n_blocks, dtype=bool)
        ends = len(hashes) - rest - np.arange(n_blocks)[::-1] * block  # after each block's last sample
        newest = hashes[ends - 1]
        twice = np.searchsorted(ordered, newest, "right") - np.searchsorted(ordered, newest, "left") > 1
        for k in np.flatnonzero(twice):
            end = int(ends[k])
            history = hashes[max(end - 2 * self._window, 0) : end]
            candidates = np.flatnonzero(history[block - 1 : -1] == history[-1])
            repeated[k] = any(np.array_equal(history[i : i + block], history[-block:]) for i in candidates[::-1])
        return repeated


def _overlapping(rows: FloatArray, length: int, hop: int) -> FloatArray:
    """Return a view, (n, length, ...), of all that are so long; numpy's own takes longer than what is done with it."""
    n, every = (len(rows) - length) // hop + 1, rows.strides[0]
    return np.ndarray((n, length, *rows.shape[1:]), rows.dtype, rows, strides=(hop * every, *rows.strides))


def _extremes(lows: FloatArray, highs: FloatArray) -> FloatArray:
    """Return (n, 2, n_channels), the lowest and the highest over the samples of (n, n_samples, n_channels)."""
    extremes = np.empty((len(lows), 2, lows.shape[2]), dtype=np.float32)
    _reduce(np.minimum, lows, extremes[:, 0])
    _reduce(np.maximum, highs, extremes[:, 1])
    return extremes


def _reduce(choose: np.ufunc, rows: FloatArray, out: FloatArray) -> None:
    """Reduce over the samples; halving many is four times as fast as numpy's way."""
    while rows.shape[1] % 2 == 0 and rows.size > _FEW:
        half = rows.shape[1] // 2
        rows = choose(rows[:, :half], rows[:, half:])
    choose.reduce(rows, axis=1, out=out)
