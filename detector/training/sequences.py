"""Sequences: sessions as the network meets them, with a target for each step, by the live pipeline's own code."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.messages import BoolArray, Chunk, Description, Features, FloatArray, Probability, TimeArray
from detector.network.bundle import Card
from detector.pipeline import Conditioning
from detector.training.clips import Person
from detector.training.sessions import Session, compose, compose_plain, spoil

# A cached sequence is good only as long as the code that makes sequences is the same.
_MADE_BY = (
    "conditioning/*.py", "source/edf.py", "source/xdf.py", "source/recording.py", "pipeline.py",
    "training/clips.py", "training/sessions.py", "training/sequences.py", "training/recorded.py",
)  # fmt: skip


@dataclass(frozen=True)
class Sequence:
    """One session of features.

    Parameters
    ----------
    person
        Whose it is.
    duration_s
        Of the session.
    seizures
        (onset_s, offset_s) of each, from the session's start.
    values
        (n_steps, n_features), float32, as in `detector.messages.Features`.
    good
        (n_steps, n_derivations).
    end_s
        (n_steps,), when each step's frame ends.
    target, weight
        (n_steps,), float32: 1 in a seizure, and how much the step counts, see `detector.training.weighing`.
    """

    person: str
    duration_s: float
    seizures: tuple[tuple[float, float], ...]
    values: FloatArray
    good: BoolArray
    end_s: TimeArray
    target: FloatArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    @property
    def features(self) -> list[Features]:
        """The steps as the network's engine takes them."""
        steps = zip(self.values, self.good, self.end_s, strict=True)
        return [Features(values, good, float(end)) for values, good, end in steps]

    def with_probabilities(self, probabilities: FloatArray) -> list[Probability]:
        """Return (n_steps,) probabilities as the decision takes them."""
        steps = zip(probabilities, self.good, self.end_s, strict=True)
        return [Probability(float(value), good, float(end)) for value, good, end in steps]


def sequence_of(session: Session, card: Card) -> Sequence:
    """Return the session as the network of this card meets it, from a cold start."""
    n = session.samples.shape[1]
    description = Description(card.derivations, session.rate_hz, (1.0,) * n, ("uV",) * n)
    conditioning = Conditioning(card, description)
    times = np.arange(len(session.samples)) / session.rate_hz
    steps = conditioning.process(Chunk(session.samples, times))
    end_s = np.array([step.end_s for step in steps])
    target = session.ictal[np.minimum(np.round(end_s * session.rate_hz).astype(int), len(session.ictal) - 1)]
    return Sequence(
        person=session.person,
        duration_s=len(session.samples) / session.rate_hz,
        seizures=session.seizures,
        values=np.stack([step.values for step in steps]),
        good=np.stack([step.good for step in steps]),
        end_s=end_s,
        target=target.astype(np.float32),
        weight=np.ones(len(end_s), dtype=np.float32),
    )


def training_sequences(
    persons: Iterable[Person], card: Card, seed: int, on_progress: Callable[[str], None] = lambda _name: None
) -> list[Sequence]:
    """Return every person's sessions, composed at random and spoilt by artefacts, from the cache where they are."""
    return _cached(
        "training", persons, card, seed, lambda p, rng: [spoil(s, rng) for s in compose(p, rng)], on_progress
    )


def plain_sequences(
    persons: Iterable[Person], card: Card, seed: int, on_progress: Callable[[str], None] = lambda _name: None
) -> list[Sequence]:
    """Return every person's sessions to measure with: nothing is added and no seizure is cut."""
    return _cached("plain", persons, card, seed, compose_plain, on_progress)


def _cached(
    kind: str,
    persons: Iterable[Person],
    card: Card,
    seed: int,
    make: Callable[[Person, np.random.Generator], list[Session]],
    on_progress: Callable[[str], None],
) -> list[Sequence]:
    found: list[Sequence] = []
    for person in persons:
        # The person's own random numbers, so that who else is there changes nothing.
        digest = hashlib.sha256(f"{seed} {person.name}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        named = {
            "kind": kind,
            "seed": seed,
            "person": person.name,
            "clips": [seizure.clip for seizure in person.seizures],
            "background": [len(background) for background in person.background],
        }
        found += cached(named, card, functools.partial(_made, make, person, rng, card))
        on_progress(person.name)
    return found


def _made(
    make: Callable[[Person, np.random.Generator], list[Session]], person: Person, rng: np.random.Generator, card: Card
) -> list[Sequence]:
    return [sequence_of(session, card) for session in make(person, rng)]


def cached(named: dict[str, Any], card: Card, make: Callable[[], list[Sequence]]) -> list[Sequence]:
    """Return the sequences of this name for a card, from the cache where they are.

    Parameters
    ----------
    named
        What they are made of, as plain values: other values are other sequences.
    card
        How they are conditioned.
    make
        Makes them, at least one.
    """
    path = _cache_path(named, card)
    if path.exists():
        return read_sequences(path)
    made = make()
    write_sequences(path, made)
    return made


def _cache_path(named: dict[str, Any], card: Card) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    named = named | {
        "code": _code_digest(),
        "signal": [card.montage, card.min_derivations, card.rate_hz, card.frame_samples, card.hop_samples],
        "filters": card.filters.model_dump(),
        "features": card.features.model_dump(),
    }
    name = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:24]
    return cache / "seizure-detector" / "sequences" / f"{name}.npz"


@functools.cache
def _code_digest() -> str:
    package = Path(__file__).parents[1]
    files = [path for pattern in _MADE_BY for path in sorted(package.glob(pattern))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def write_sequences(path: Path, sequences: list[Sequence]) -> None:
    """Write them into one file, which is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.npz")
    arrays = {
        "person": np.array([s.person for s in sequences]),
        "duration_s": np.array([s.duration_s for s in sequences]),
        "lengths": np.array([len(s) for s in sequences]),
        "n_seizures": np.array([len(s.seizures) for s in sequences]),
        "seizures": np.array([pair for s in sequences for pair in s.seizures]).reshape(-1, 2),
    }
    for name in ("values", "good", "end_s", "target", "weight"):
        arrays[name] = np.concatenate([getattr(s, name) for s in sequences])
    np.savez(part, allow_pickle=False, **arrays)
    part.replace(path)


def read_sequences(path: Path) -> list[Sequence]:
    """Return what `write_sequences` wrote."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return list(_split(arrays))


def _split(arrays: dict[str, npt.NDArray[Any]]) -> Iterator[Sequence]:
    ends, seizure_ends = np.cumsum(arrays["lengths"]), np.cumsum(arrays["n_seizures"])
    for i, (end, seizure_end) in enumerate(zip(ends, seizure_ends, strict=True)):
        steps = slice(end - arrays["lengths"][i], end)
        pairs = arrays["seizures"][seizure_end - arrays["n_seizures"][i] : seizure_end]
        yield Sequence(
            str(arrays["person"][i]),
            float(arrays["duration_s"][i]),
            tuple((float(a), float(b)) for a, b in pairs),
            *(arrays[name][steps] for name in ("values", "good", "end_s", "target", "weight")),
        )
