"""Trends of the EEG of each hemisphere: its spectrum and its amplitude-integrated EEG, in bins. No LSL and no clock.

Both come of one Fourier transform of 4 s, taken every 2 s: its power by Welch's method (1967, IEEE Transactions on
Audio and Electroacoustics 15:70-73), and by overlap-save the filter of the amplitude-integrated EEG. A bin that has not
enough good EEG has nothing for that hemisphere; nothing is ever interpolated.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.messages import Chunk, FloatArray
from detector.page.bed import BIN_S

#: The bands are centred at ``STEP_HZ``, 2 ``STEP_HZ`` ...
STEP_HZ, N_BANDS = 0.5, 40
#: The bytes of a packed band: 0 is nothing, n is ``FLOOR_DB + STEP_DB * n`` dB re 1 µV²/Hz.
FLOOR_DB, STEP_DB = -40.0, 0.5
#: The numbers of a packed margin: ``STEP_UV * n`` µV, the largest one is nothing.
STEP_UV, NO_MARGIN = 0.1, 0xFFFF
#: Left and right, each its bands and its two margins.
PACKED_BYTES = 2 * (N_BANDS + 2 * 2)

_HOP_S = 2.0
_LINE_HZ = 1 / (2 * _HOP_S)
_LINES = 101  # up to 25 Hz, where the filter has ended
_ENVELOPE_S = 0.5  # Maynard's time constant
_RATE_HZ = 256  # of the filtered EEG, whatever the source's: 17 samples or more in each cycle
_SLOPE_DB = 12.0  # a decade
_MARGINS = 0.1, 0.9


@dataclass(frozen=True)
class Hemisphere:
    """What one hemisphere was like in a bin.

    Parameters
    ----------
    power_db
        (`N_BANDS`,) mean power spectral density of its derivations, dB re 1 µV²/Hz.
    lower_uv, upper_uv
        Margins of the amplitude-integrated EEG, µV peak to peak.
    """

    power_db: FloatArray
    lower_uv: float
    upper_uv: float


@dataclass(frozen=True)
class EegBin:
    """`BIN_S` seconds from ``bin_s`` (UNIX) on; ``None`` for a hemisphere of which there was not enough good EEG.

    ``n_good`` counts what it is made of: of two parts of a bin that with more stands.
    """

    bin_s: int
    n_good: int
    left: Hemisphere | None
    right: Hemisphere | None

    def pack(self) -> bytes:
        """Return it in `PACKED_BYTES` bytes."""
        return b"".join(_packed(side) for side in (self.left, self.right))


@dataclass
class _Bin:
    """A bin that is being filled, for each derivation."""

    bin_s: int
    power: npt.NDArray[np.float64]  # (n_derivations, N_BANDS), sums of µV²/Hz
    counts: npt.NDArray[np.int64]  # segments that were good
    envelopes: list[npt.NDArray[np.float32]]  # (n_derivations, 4) each, NaN where it was not


class Spectrum:
    """Sums the EEG up; the same samples in other chunks give the same bins.

    Amplitude-integrated EEG is as Maynard, Prior and Scott (1969, British Medical Journal 4:545-546) have it, by the
    steps of Zhang and Ding (2013, Health 5:885-891): an asymmetric filter that passes 2 to 15 Hz and gains 12 dB a
    decade, rectification, and the envelope. The filter's gain is 1 at 10 Hz. The envelope is the mean over half a
    second times pi, which of a sine is its amplitude peak to peak. Margins are its 10th and 90th centile in the bin, of
    the derivation in the middle (the median) of the hemisphere's.

    Parameters
    ----------
    derivations
        Names of the columns; those between two odd electrodes are left, between two even ones right, others neither.
    rate_hz
        Of the samples, 100 or more.
    """

    def __init__(self, derivations: tuple[str, ...], rate_hz: float) -> None:
        self._hop = round(_HOP_S * rate_hz)
        reversed_names = ["-".join(name.split("-")[::-1]) for name in derivations]
        # CHB-MIT's montage has one derivation in both directions, which is no second one.
        sides = ["" if reversed_names[i] in derivations[:i] else side_of(name) for i, name in enumerate(derivations)]
        self._columns = [i for i, side in enumerate(sides) if side]
        self._sides = [
            np.array([k for k, i in enumerate(self._columns) if sides[i] == side], dtype=int)
            for side in ("left", "right")
        ]
        n = len(self._columns)
        self._samples = np.zeros((n, 2 * self._hop), dtype=np.float32)
        self._good = np.ones((2, n), dtype=bool)  # of each half
        self._filled = 0
        self._middle_s = math.nan
        # A Hann window is three lines of the transform, and the sum of its squares 3/8 (Harris 1978).
        self._density = 2 / (rate_hz * 2 * self._hop * 3 / 8)
        self._scale = np.float32(2 * _HOP_S * _RATE_HZ / (2 * self._hop) * math.pi)
        self._bin: _Bin | None = None

    def process(self, chunk: Chunk, ahead_s: float) -> list[EegBin]:
        """Return the bins that are over.

        Parameters
        ----------
        chunk
            Derivations, with ``good`` set; what is good is finite.
        ahead_s
            What to add to its timestamps for UNIX time.
        """
        assert chunk.good is not None
        done: list[EegBin] = []
        at, n = 0, len(chunk.samples)
        while at < n:
            half = self._filled // self._hop
            if self._filled == self._hop:
                self._middle_s = float(chunk.timestamps[at]) + ahead_s
            if self._filled % self._hop == 0:
                self._good[half] = True
            end = min(n, at + (half + 1) * self._hop - self._filled)
            filled = self._filled + end - at
            self._samples[:, self._filled : filled] = chunk.samples[at:end, self._columns].T
            self._good[half] &= chunk.good[at:end, self._columns].all(axis=0)
            self._filled, at = filled, end
            if filled == 2 * self._hop:
                done += self._segment()
                self._samples[:, : self._hop] = self._samples[:, self._hop :]
                self._good[0] = self._good[1]
                self._filled = self._hop
        return done

    def reset(self) -> None:
        """Join nothing over a gap; what the bin has stays."""
        self._filled = 0

    def close(self, before_s: float) -> list[EegBin]:
        """Return the bin that was over before a UNIX time, though no EEG has come since."""
        is_over = self._bin is not None and self._bin.bin_s + BIN_S <= before_s
        return self._closed() if is_over else []

    def _segment(self) -> list[EegBin]:
        bin_s = math.floor(self._middle_s / BIN_S) * BIN_S
        done: list[EegBin] = []
        if self._bin is None or bin_s != self._bin.bin_s:
            done = self._closed()
            n = len(self._columns)
            self._bin = _Bin(bin_s, np.zeros((n, N_BANDS)), np.zeros(n, dtype=np.int64), [])
        good = self._good[0] & self._good[1]
        samples = self._samples if good.all() else np.where(good[:, None], self._samples, np.float32(0))
        lines = np.fft.rfft(samples, axis=1)[:, :_LINES]
        lines[:, 0] = 0.0  # an electrode's potential
        windowed = lines[:, 1:-1] / 2 - (lines[:, :-2] + lines[:, 2:]) / 4
        density = (windowed.real**2 + windowed.imag**2) * self._density  # from the first line on
        # The mean over each band, by trapezoids: one line on either side of the one in its middle.
        power = (density[:, 0::2] / 4)[:, :N_BANDS] + (density[:, 1::2] / 2)[:, :N_BANDS]
        power += (density[:, 2::2] / 4)[:, :N_BANDS]
        filtered = np.fft.irfft(lines * _gains(), n=round(2 * _HOP_S * _RATE_HZ), axis=1)
        quarter = round(_HOP_S / 2 * _RATE_HZ)  # before and behind, the filter has seen what is not there
        rectified = np.abs(filtered[:, quarter : 3 * quarter]).reshape(len(good), round(_HOP_S / _ENVELOPE_S), -1)
        envelope = (rectified.mean(axis=2) * self._scale).astype(np.float32)
        self._bin.power[good] += power[good]
        self._bin.counts += good
        self._bin.envelopes.append(np.where(good[:, None], envelope, np.float32(np.nan)))
        return done

    def _closed(self) -> list[EegBin]:
        one, self._bin = self._bin, None
        if one is None:
            return []
        left, right = (self._hemisphere(one, side) for side in self._sides)
        if left is None and right is None:
            return []
        return [EegBin(one.bin_s, int(one.counts.sum()), left, right)]

    def _hemisphere(self, one: _Bin, side: npt.NDArray[np.int64]) -> Hemisphere | None:
        """Half of its derivations have to have been good for half of the bin."""
        known = side[2 * one.counts[side] * _HOP_S >= BIN_S]
        if not len(known) or 2 * len(known) < len(side):
            return None
        power = one.power[known].sum(axis=0) / one.counts[known].sum()
        envelopes = np.sort(np.concatenate([part[known] for part in one.envelopes], axis=1), axis=1)  # NaN are last
        n = one.counts[known] * round(_HOP_S / _ENVELOPE_S)
        ranks = np.rint(np.outer(n - 1, _MARGINS)).astype(int)
        lower, upper = np.median(np.take_along_axis(envelopes, ranks, axis=1), axis=0)
        power_db = 10 * np.log10(np.maximum(power, 1e-30)).astype(np.float32)
        return Hemisphere(power_db, float(lower), float(upper))


def told(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return bins as they are stored for JSON, with how to read them: each its time, 4 bytes, and what was packed."""
    packed = b"".join(row["bin_s"].to_bytes(4, "little") + row["packed"] for row in rows)
    return {
        "bin_s": BIN_S,
        "step_hz": STEP_HZ,
        "n_bands": N_BANDS,
        "floor_db": FLOOR_DB,
        "step_db": STEP_DB,
        "step_uv": STEP_UV,
        "no_margin": NO_MARGIN,
        "bins": base64.b64encode(packed).decode(),
    }


def side_of(derivation: str) -> str:
    """Return ``left`` or ``right`` where both electrodes are of that hemisphere, else an empty text."""
    numbers = [int(digits) % 2 for digits in re.findall(r"\d+", derivation)]
    if len(numbers) != 2 or numbers[0] != numbers[1]:
        return ""
    return "left" if numbers[0] else "right"


@cache
def _gains() -> npt.NDArray[np.float32]:
    """Return (`_LINES`,), the gain of the filter of the amplitude-integrated EEG at each line.

    The ideal one made as long as what it is let see, 1 s on either side, by a Hann window over its response.
    """
    n = round(2 * _HOP_S * _RATE_HZ)
    hz = np.arange(n // 2 + 1) * _LINE_HZ
    ideal = np.where((hz >= 2) & (hz <= 15), (np.maximum(hz, _LINE_HZ) / 10) ** (_SLOPE_DB / 20), 0.0)
    response = np.fft.irfft(ideal, n)
    away_s = np.minimum(np.arange(n), n - np.arange(n)) / _RATE_HZ
    window = np.where(away_s <= _HOP_S / 2, np.cos(np.pi * away_s / _HOP_S) ** 2, 0.0)
    gains = np.fft.rfft(response * window).real
    at_10_hz = gains[round(10 / _LINE_HZ)]
    made: npt.NDArray[np.float32] = (gains / at_10_hz)[:_LINES].astype(np.float32)
    return made


def _packed(side: Hemisphere | None) -> bytes:
    if side is None:
        return bytes(N_BANDS) + np.full(2, NO_MARGIN, dtype="<u2").tobytes()
    bands = np.clip(np.rint((side.power_db - FLOOR_DB) / STEP_DB), 1, 255).astype(np.uint8)
    margins = np.clip(np.rint(np.array([side.lower_uv, side.upper_uv]) / STEP_UV), 0, NO_MARGIN - 1)
    packed: bytes = bands.tobytes() + margins.astype("<u2").tobytes()
    return packed
