"""Sessions: clips of one person put together to what a bed might see in tens of minutes, and what may spoil it.

The pieces are cross-faded, also where no seizure begins, so that a joint says nothing about what follows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detector.messages import BoolArray, FloatArray
from detector.training.clips import Person, Seizure

FADE_S = 0.5
_SEIZURES_IN_A_SESSION = 8
_BLINK_S = 0.4


@dataclass(frozen=True)
class Session:
    """EEG from one reset to the next and the truth about it.

    Parameters
    ----------
    person
        Whose it is.
    rate_hz
        Of ``samples``.
    samples
        (n_samples, n_derivations), float32 µV, NaN where there is no derivation.
    ictal
        (n_samples,), whether a seizure is going on.
    """

    person: str
    rate_hz: float
    samples: FloatArray
    ictal: BoolArray

    @property
    def seizures(self) -> tuple[tuple[float, float], ...]:
        """(onset_s, offset_s) of every seizure, from the session's start."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.ictal, [False]]).astype(np.int8)))
        return tuple((float(a) / self.rate_hz, float(b) / self.rate_hz) for a, b in edges.reshape(-1, 2))


@dataclass(frozen=True)
class _Piece:
    samples: FloatArray
    ictal: bool
    gapless: bool = False  # follows the piece before without a joint


def compose(person: Person, rng: np.random.Generator) -> list[Session]:
    """Return sessions that hold each seizure of the person once, in random order, with other EEG between.

    Sessions begin anywhere: in other EEG, in the aftermath of a seizure, or within one.
    """
    if not person.seizures:
        return [_quiet(person, rng)]
    order = [person.seizures[i] for i in rng.permutation(len(person.seizures))]
    n = -(-len(order) // _SEIZURES_IN_A_SESSION)
    return [_session(person, order[i::n], rng) for i in range(n)]


def compose_plain(person: Person, rng: np.random.Generator) -> list[Session]:
    """Return sessions to measure with: each begins with at least a minute of other EEG, and no seizure is cut."""
    if not person.seizures:
        return [Session(person.name, person.rate_hz, b, np.zeros(len(b), dtype=bool)) for b in person.background]
    order = [person.seizures[i] for i in rng.permutation(len(person.seizures))]
    n = -(-len(order) // _SEIZURES_IN_A_SESSION)
    sessions = []
    for i in range(n):
        pieces: list[_Piece] = []
        for seizure in order[i::n]:
            pieces += _others(person, seizure, 60.0, rng) + _whole(seizure)
        sessions.append(_join(person, pieces))
    return sessions


def compose_each(person: Person, rng: np.random.Generator) -> list[Session]:
    """Return a session for each seizure, in their order: a minute and more of other EEG, the seizure, its aftermath."""
    return [_join(person, _others(person, seizure, 60.0, rng) + _whole(seizure)) for seizure in person.seizures]


def _session(person: Person, seizures: list[Seizure], rng: np.random.Generator) -> Session:
    pieces: list[_Piece] = []
    for i, seizure in enumerate(seizures):
        if i == 0 and rng.random() < 0.4:
            # The session begins within a seizure, or right after one.
            cut = int(rng.uniform(0.2, 1.0) * len(seizure.ictal)) if rng.random() < 0.6 else len(seizure.ictal)
            whole = _whole(replace(seizure, before=seizure.before[:0], ictal=seizure.ictal[cut:]))
            pieces += [piece for piece in whole if len(piece.samples) > person.rate_hz]
        else:
            pieces += _others(person, seizure, rng.choice([15.0, 40.0, 80.0, 150.0]), rng) + _whole(seizure)
    return _join(person, pieces)


def _quiet(person: Person, rng: np.random.Generator) -> Session:
    pieces = []
    for background in person.background:
        n = int(rng.integers(1, 5))
        cuts = np.sort(rng.integers(0, len(background), n - 1)).tolist()
        pieces += [_Piece(part, False) for part in np.split(background, cuts) if len(part) > 3 * person.rate_hz]
    return _join(person, [pieces[i] for i in rng.permutation(len(pieces))])


def _whole(seizure: Seizure) -> list[_Piece]:
    pieces = [_Piece(seizure.before, False), _Piece(seizure.ictal, True, gapless=True)]
    pieces.append(_Piece(seizure.after, False, gapless=seizure.gap_s == 0))
    return [piece for piece in pieces if len(piece.samples)]


def _others(person: Person, but: Seizure, at_least_s: float, rng: np.random.Generator) -> list[_Piece]:
    """Return non-ictal EEG from around other seizures of the person (their own where there is one seizure only)."""
    others = [s for s in person.seizures if s.clip != but.clip] or [but]
    pieces: list[_Piece] = []
    length = 0
    while length < at_least_s * person.rate_hz:
        after = others[int(rng.integers(len(others)))].after
        # The later half of an aftermath is nearer to what a bed sees all day.
        start = int(rng.uniform(0, 0.5) * len(after))
        pieces.append(_Piece(after[start:], False))
        length += len(after) - start
    return pieces


def _join(person: Person, pieces: list[_Piece]) -> Session:
    fade = round(FADE_S * person.rate_hz)
    total = sum(len(piece.samples) for piece in pieces)
    samples = np.empty((total, pieces[0].samples.shape[1]), dtype=np.float32)
    ictal = np.zeros(total, dtype=bool)
    end = 0
    for piece in pieces:
        n = len(piece.samples)
        joint = 0 if piece.gapless else min(fade, end, n)
        ramp = np.linspace(0, 1, joint, dtype=np.float32)[:, None]
        old, new = samples[end - joint : end], piece.samples[:joint]
        # A derivation that only one side has stays absent during the fade.
        samples[end - joint : end] = old * (1 - ramp) + new * ramp
        samples[end : end + n - joint] = piece.samples[joint:]
        # The seizure counts from where it is the louder half.
        ictal[end - joint // 2 : end + n - joint] = piece.ictal
        end += n - joint
    return Session(person.name, person.rate_hz, samples[:end], ictal[:end])


def spoil(session: Session, rng: np.random.Generator) -> Session:
    """Return the session with what no seizure is: blinks, muscle, pops, mains, short flat and bad stretches."""
    samples, rate = session.samples.copy(), session.rate_hz
    minutes = len(samples) / rate / 60
    for kind, per_minute in ((_blink, 2.0), (_muscle, 0.5), (_pop, 0.3), (_sway, 0.2), (_lost, 0.1)):
        if rng.random() < 0.5:
            for _ in range(rng.poisson(per_minute * minutes)):
                kind(samples, rate, rng)
    if rng.random() < 0.3:
        _mains(samples, rate, rng)
    return replace(session, samples=samples)


def _somewhere(
    samples: FloatArray, seconds: float, rate: float, rng: np.random.Generator
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Return a random stretch of the samples, as a view, and its time in seconds."""
    n = min(round(seconds * rate), len(samples))
    start = int(rng.integers(0, len(samples) - n + 1))
    return samples[start : start + n], np.arange(n) / rate


def _blink(samples: FloatArray, rate: float, rng: np.random.Generator) -> None:
    part, t = _somewhere(samples, _BLINK_S, rate, rng)
    frontal = [0, 4, 8, 12]  # FP1-F7, FP1-F3, FP2-F4, FP2-F8
    part[:, frontal] += (rng.uniform(40, 250) * np.sin(np.pi * t / _BLINK_S) ** 2)[:, None].astype(np.float32)


def _muscle(samples: FloatArray, rate: float, rng: np.random.Generator) -> None:
    part, t = _somewhere(samples, rng.uniform(0.5, 12), rate, rng)
    chosen = rng.random(samples.shape[1]) < rng.uniform(0.1, 0.9)
    noise = np.diff(rng.standard_normal((len(t) + 1, samples.shape[1])), axis=0) * rng.uniform(3, 60)
    part += (noise * chosen * np.sin(np.pi * t / t[-1])[:, None]).astype(np.float32)


def _pop(samples: FloatArray, rate: float, rng: np.random.Generator) -> None:
    part, t = _somewhere(samples, 4.0, rate, rng)
    size = rng.uniform(100, 1500) * rng.choice([-1, 1])
    chosen = rng.integers(0, samples.shape[1], 2)
    part[:, chosen] += (size * np.exp(-t / 0.5))[:, None].astype(np.float32)


def _sway(samples: FloatArray, rate: float, rng: np.random.Generator) -> None:
    """Add slow movement of some electrodes: rhythmic, as patting or sweating, but of no seizure's shape."""
    part, t = _somewhere(samples, rng.uniform(3, 20), rate, rng)
    wave = np.sin(2 * np.pi * rng.uniform(0.3, 1.5) * t + rng.uniform(0, 6)) * np.sin(np.pi * t / t[-1])
    chosen = rng.random(samples.shape[1]) < rng.uniform(0.1, 0.6)
    part += (np.outer(wave, chosen) * rng.uniform(30, 200)).astype(np.float32)


def _lost(samples: FloatArray, rate: float, rng: np.random.Generator) -> None:
    part, _ = _somewhere(samples, rng.uniform(0.5, 6), rate, rng)
    chosen = np.ones(samples.shape[1], bool) if rng.random() < 0.3 else rng.random(samples.shape[1]) < 0.4
    part[:, chosen] = rng.choice([0.0, np.nan])


def _mains(samples: FloatArray, rate: float, rng: np.random.Generator) -> None:
    t = np.arange(len(samples)) / rate
    hum = np.sin(2 * np.pi * rng.choice([50.0, 60.0]) * t)
    samples += np.outer(hum, rng.uniform(0, 40) * rng.random(samples.shape[1])).astype(np.float32)
