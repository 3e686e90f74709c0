"""A simulated amplifier and patient: EEG with seizures at known times, for demonstrations and tests.

The signal is made at the electrodes, against one common reference, and the derivations are differences of
it, as in a real amplifier: chains add up, and what is common to two electrodes cancels. It looks like EEG;
it is not evidence of how well anything detects seizures in patients.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from detector.errors import UsageError, nearest
from detector.messages import Chunk, Description, FloatArray, Gap, TimeArray
from detector.source.recording import Annotation

CHB_MIT_22 = tuple(
    "FP1-F7 F7-T7 T7-P7 P7-O1 FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2 FP2-F8 F8-T8 T8-P8 P8-O2 "
    "FZ-CZ CZ-PZ P7-T7 T7-FT9 FT9-FT10 FT10-T8".split()
)
SAMPLE_LABEL = "SAMPLE"
# The head from above, nose up, in head radii: the 10-20 system projected onto the plane.
_POSITIONS = {
    "FP1": (-0.31, 0.95), "FP2": (0.31, 0.95), "F7": (-0.81, 0.59), "F3": (-0.45, 0.55), "FZ": (0.0, 0.5),
    "F4": (0.45, 0.55), "F8": (0.81, 0.59), "FT9": (-1.14, 0.37), "FT10": (1.14, 0.37), "T7": (-1.0, 0.0),
    "C3": (-0.5, 0.0), "CZ": (0.0, 0.0), "C4": (0.5, 0.0), "T8": (1.0, 0.0), "P7": (-0.81, -0.59),
    "P3": (-0.45, -0.55), "PZ": (0.0, -0.5), "P4": (0.45, -0.55), "P8": (0.81, -0.59), "O1": (-0.31, -0.95),
    "O2": (0.31, -0.95), "A1": (-1.2, -0.1), "A2": (1.2, -0.1),
}  # fmt: skip
_ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8", "T1": "FT9", "T2": "FT10"}

_BLOCK_SAMPLES = 2048  # the signal is always made in these, so that the size of the chunks cannot matter
_CORNERS_HZ = (0.5, 2.0, 8.0, 32.0)  # first-order low passes of equal power add up to about 1/f
_BACKGROUND_UV = 30.0
_ALPHA_HZ, _ALPHA_BANDWIDTH_HZ, _ALPHA_UV = 9.5, 0.6, 14.0
_BLINK_S, _BLINK_UV, _BLINKS_PER_S = 0.35, 90.0, 1 / 12
_MUSCLE_S, _MUSCLE_UV, _MUSCLE_PER_S = 1.5, 14.0, 1 / 40
_SEIZURE_UV = 115.0
_POSTICTAL_S = 25.0


@dataclass(frozen=True, slots=True)
class SyntheticConfig:
    """What is simulated.

    Parameters
    ----------
    duration_s, rate_hz
        Seconds, and samples per second.
    seizures
        (start_s, end_s) of each seizure, in order, not overlapping.
    seed
        The same seed gives the same samples.
    labels
        Derivations of 10-20 electrodes, by default those of ``chb-mit-22``.
    referential
        Give the electrodes of those derivations instead, labelled like ``EEG FP1-REF``.
    sample_index
        Add a channel ``SAMPLE`` that counts the samples (exact in float32 up to 2^24, 18 h at 256 Hz), so
        that a test can prove that nothing was lost, doubled or reordered. It is declared in µV to pass
        unchanged.
    """

    duration_s: float = 60.0
    rate_hz: float = 256.0
    seizures: tuple[tuple[float, float], ...] = ()
    seed: int = 0
    labels: tuple[str, ...] = CHB_MIT_22
    referential: bool = False
    sample_index: bool = False


class SyntheticEeg:
    """Simulated EEG, with the interface of a recording.

    Raises
    ------
    UsageError
        A label is no derivation of known electrodes, or times and rates make no sense.
    """

    def __init__(self, config: SyntheticConfig) -> None:
        _check(config)
        self.config = config
        self._pairs = [tuple(_electrode(name, label) for name in label.split("-")) for label in config.labels]
        self._electrodes = tuple(dict.fromkeys(itertools.chain.from_iterable(self._pairs)))
        referential = tuple(f"EEG {name}-REF" for name in self._electrodes)
        labels = referential if config.referential else config.labels
        labels += (SAMPLE_LABEL,) * config.sample_index
        n = len(labels)
        units = ("microvolts",) * n
        self._description = Description(labels, config.rate_hz, (1.0,) * n, units, name="synthetic")
        self._n_samples = round(config.duration_s * config.rate_hz)

    @property
    def description(self) -> Description:
        """Labels, rate and units (all µV)."""
        return self._description

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the end of the last one."""
        return self._n_samples / self.config.rate_hz

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """The seizures that were asked for."""
        return tuple(Annotation(start_s, end_s - start_s, "seizure") for start_s, end_s in self.config.seizures)

    def messages(self, chunk_samples: int = 4096) -> Iterator[Chunk | Gap]:
        """Yield all samples in chunks of ``chunk_samples`` (the last may be shorter); there are no gaps.

        Yields
        ------
        Chunk
            (n_samples, n_channels), float32 µV, times in seconds from the first sample.
        """
        if chunk_samples < 1:
            raise UsageError(f"a chunk has at least 1 sample, not {chunk_samples}")
        waiting: list[FloatArray] = []
        n_waiting = first = 0
        for block in self._blocks():
            waiting.append(block)
            n_waiting += len(block)
            if n_waiting < chunk_samples and first + n_waiting < self._n_samples:
                continue
            samples = np.concatenate(waiting)
            is_last = first + n_waiting == self._n_samples
            whole = n_waiting if is_last else n_waiting - n_waiting % chunk_samples
            for at in range(0, whole, chunk_samples):
                part = samples[at : min(at + chunk_samples, whole)]
                numbers: TimeArray = np.arange(first, first + len(part), dtype=np.float64)
                yield Chunk(part, numbers / self.config.rate_hz)
                first += len(part)
            waiting, n_waiting = [samples[whole:]], n_waiting - whole

    def _blocks(self) -> Iterator[FloatArray]:
        head = _Head(self.config, self._electrodes)
        index = {name: i for i, name in enumerate(self._electrodes)}
        plus, minus = (np.array([index[pair[side]] for pair in self._pairs]) for side in (0, 1))
        for first in range(0, self._n_samples, _BLOCK_SAMPLES):
            numbers = np.arange(first, first + _BLOCK_SAMPLES)
            potentials = head.potentials_uv(numbers / self.config.rate_hz)
            samples = potentials if self.config.referential else potentials[:, plus] - potentials[:, minus]
            if self.config.sample_index:
                samples = np.column_stack((samples, numbers))
            yield samples[: self._n_samples - first].astype(np.float32)


class _Head:
    """The potentials at the electrodes against a common reference; keeps the state of its filters."""

    def __init__(self, config: SyntheticConfig, electrodes: tuple[str, ...]) -> None:
        self._config = config
        self._rng = np.random.default_rng(config.seed)
        self._at = np.array([_POSITIONS[name] for name in electrodes])
        n = len(electrodes)
        distance = np.linalg.norm(self._at[:, None] - self._at[None], axis=2)
        # Neighbours have much in common: the potential spreads through skull and scalp.
        self._mix = np.linalg.cholesky(np.exp(-((distance / 1.3) ** 1.5)) + 1e-6 * np.eye(n)).T
        self._low_poles = [float(np.exp(-2 * np.pi * hz / config.rate_hz)) for hz in _CORNERS_HZ]
        self._low_state = [np.zeros((1, n)) for _ in _CORNERS_HZ]
        radius = float(np.exp(-np.pi * _ALPHA_BANDWIDTH_HZ / config.rate_hz))
        self._alpha = [1.0, -2 * radius * np.cos(2 * np.pi * _ALPHA_HZ / config.rate_hz), radius**2]
        # The power of a resonator of two conjugate poles, for input of power 1.
        a1, a2 = self._alpha[1:]
        self._alpha_gain = float(np.sqrt((1 - a2) * ((1 + a2) ** 2 - a1**2) / (1 + a2)))
        self._alpha_state = np.zeros((2, 3))
        self._alpha_mix = np.stack([self._near(x, -1.0, 0.6) for x in (-0.4, 0.0, 0.4)])
        self._last_white = np.zeros((1, n))
        self._frontal = self._near(0.0, 1.25, 0.45)
        self._temporal = 1 - np.exp(-((np.abs(self._at[:, 0]) / 0.7) ** 4))
        self._blinks_s = self._times_of(_BLINKS_PER_S)
        self._bursts_s = self._times_of(_MUSCLE_PER_S)
        self._bursts_left = self._rng.random(len(self._bursts_s)) < 0.5
        # Temporal lobe, left or right, and where in its cycle each electrode is when the seizure travels.
        self._focus = self._near(-1.15, 0.05, 0.6)
        self._whole = 0.3 + 0.7 * self._near(1.1, 0.1, 0.65)
        self._lag_rad = 1.1 * np.linalg.norm(self._at - np.array([-1.0, 0.0]), axis=1)

    def _near(self, x: float, y: float, width: float) -> TimeArray:
        weights: TimeArray = np.exp(-np.sum((self._at - np.array([x, y])) ** 2, axis=1) / width**2)
        return weights

    def _times_of(self, per_s: float) -> TimeArray:
        n = int(self._rng.poisson(per_s * self._config.duration_s))
        return np.sort(self._rng.uniform(0, self._config.duration_s, n))

    def potentials_uv(self, times: TimeArray) -> TimeArray:
        """Return the next block: (n_samples, n_electrodes), float64 µV; blocks must come in order."""
        n, n_electrodes = len(times), len(self._at)
        suppression, slowing = self._postictal(times)
        background = np.zeros((n, n_electrodes))
        for i, pole in enumerate(self._low_poles):
            power = (1 - pole**2) / len(self._low_poles)
            white = self._rng.standard_normal((n, n_electrodes)) * np.sqrt(power)
            part, state = lfilter([1.0], [1.0, -pole], white, axis=0, zi=self._low_state[i])
            self._low_state[i] = state
            # The slowest part carries the post-ictal delta.
            background += part * slowing[:, None] if _CORNERS_HZ[i] == _CORNERS_HZ[1] else part
        white = self._rng.standard_normal((n, 3)) * self._alpha_gain
        alpha, self._alpha_state = lfilter([1.0], self._alpha, white, axis=0, zi=self._alpha_state)
        ongoing = _BACKGROUND_UV * background @ self._mix + _ALPHA_UV * alpha @ self._alpha_mix
        potentials: TimeArray = ongoing * suppression[:, None]
        potentials += self._artefacts_uv(times)
        for start_s, end_s in self._config.seizures:
            inside = (times >= start_s) & (times < end_s)
            if inside.any():
                potentials[inside] += self._seizure_uv(times[inside] - start_s, end_s - start_s)
        return potentials

    def _artefacts_uv(self, times: TimeArray) -> TimeArray:
        blink, left, right = np.zeros(len(times)), np.zeros(len(times)), np.zeros(len(times))
        for start_s in self._blinks_s[_overlap(self._blinks_s, times, _BLINK_S)]:
            inside = (times >= start_s) & (times < start_s + _BLINK_S)
            blink[inside] += np.sin(np.pi * (times[inside] - start_s) / _BLINK_S) ** 2
        bursts = _overlap(self._bursts_s, times, _MUSCLE_S)
        for start_s, is_left in zip(self._bursts_s[bursts], self._bursts_left[bursts], strict=True):
            inside = (times >= start_s) & (times < start_s + _MUSCLE_S)
            side = left if is_left else right
            side[inside] += np.sin(np.pi * (times[inside] - start_s) / _MUSCLE_S) ** 2
        # The difference of white noise has its power at high frequencies, as muscle has.
        white = self._rng.standard_normal((len(times), len(self._at)))
        muscle = np.diff(np.vstack((self._last_white, white)), axis=0)
        self._last_white = white[-1:]
        envelope = np.where(self._at[:, 0] < 0, left[:, None], right[:, None]) * self._temporal
        artefacts: TimeArray = _BLINK_UV * np.outer(blink, self._frontal) + _MUSCLE_UV * muscle * envelope
        return artefacts

    def _seizure_uv(self, since_s: TimeArray, duration_s: float) -> TimeArray:
        """Return what a seizure adds: 6.5 Hz at the focus, slowing to 3, growing, sharper, everywhere."""
        share = since_s / duration_s
        cycles = 6.5 * since_s - 3.5 * since_s * share / 2
        wander = 0.5 * np.sin(2 * np.pi * 0.13 * since_s)
        phase = (2 * np.pi * cycles + wander)[:, None] - self._lag_rad
        amplitude = _SEIZURE_UV * (0.3 + 0.7 * _rise(share, 0.1, 0.75)) * _rise(since_s, 0.0, 1.0)
        sharp = _rise(share, 0.25, 0.8)[:, None]
        spike = np.exp(9 * (np.cos(phase + 1.2) - 1)) - 0.13  # its mean taken off
        wave = np.sin(phase) + 0.35 * sharp * np.sin(2 * phase + 0.6) - 1.1 * sharp * spike
        where = self._focus + np.outer(_rise(share, 0.35, 0.75), self._whole)
        seizure: TimeArray = amplitude[:, None] * wave * where
        return seizure

    def _postictal(self, times: TimeArray) -> tuple[TimeArray, TimeArray]:
        """Return factors of the background and of its delta: weak and slow for a while after a seizure."""
        suppression, slowing = np.ones(len(times)), np.ones(len(times))
        for _, end_s in self._config.seizures:
            after_s = times - end_s
            weight = (after_s >= 0) * (1 - _rise(after_s, _POSTICTAL_S / 3, _POSTICTAL_S))
            suppression *= 1 - 0.6 * weight
            slowing += 1.5 * weight
        return suppression, slowing


def _rise(x: TimeArray, start: float, stop: float) -> TimeArray:
    """Return 0 before ``start``, 1 after ``stop`` and half a cosine between."""
    risen: TimeArray = 0.5 - 0.5 * np.cos(np.pi * np.clip((x - start) / (stop - start), 0, 1))
    return risen


def _overlap(starts_s: TimeArray, times: TimeArray, length_s: float) -> slice:
    first, stop = np.searchsorted(starts_s, [times[0] - length_s, times[-1] + 1e-9])
    return slice(int(first), int(stop))


def _electrode(name: str, label: str) -> str:
    known = _ALIASES.get(name.upper(), name.upper())
    if known not in _POSITIONS:
        raise UsageError(
            f"{label!r} names the electrode {name!r}, expected one of {', '.join(_POSITIONS)}"
            + nearest(known, _POSITIONS)
        )
    return known


def _check(config: SyntheticConfig) -> None:
    for label in config.labels:
        if label.count("-") != 1:
            raise UsageError(f"{label!r} is no derivation, expected two electrodes like 'FP1-F7'")
    if not config.labels or not config.rate_hz > 0 or round(config.duration_s * config.rate_hz) < 1:
        raise UsageError(
            f"{len(config.labels)} derivations, {config.duration_s:g} s, {config.rate_hz:g} Hz: nothing to simulate"
        )
    edges = tuple(itertools.chain.from_iterable(config.seizures))
    if any(not 0 <= edge <= config.duration_s for edge in edges) or any(b <= a for a, b in itertools.pairwise(edges)):
        raise UsageError(
            f"seizures are (start_s, end_s) in order, not overlapping, within the {config.duration_s:g} s that are "
            f"simulated; got {config.seizures}"
        )
