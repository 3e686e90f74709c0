"""Conditioning, network and decision in one row, without I/O and without a clock.

Live, replay, offline scoring, training features and every test use this; there is no second implementation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from detector.conditioning.bands import Bands, BandsConfig
from detector.conditioning.filters import Filters, FiltersConfig
from detector.conditioning.framer import Framer, FramerConfig
from detector.conditioning.montage import Montage, MontageConfig
from detector.conditioning.quality import Fault, Quality, QualityConfig
from detector.conditioning.resampler import Resampler, ResamplerConfig
from detector.conditioning.rhythm import RhythmConfig
from detector.decision import Decision, DecisionConfig
from detector.errors import StateError
from detector.messages import Chunk, Decided, Description, Features, FloatArray, Gap, Probability
from detector.network.bundle import Card
from detector.plain_state import Plain

# Longer chunks are taken in pieces, so that a whole night in one chunk needs no more memory than a minute.
_PIECE_S = 30.0


@dataclass(frozen=True)
class SourceConfig:
    """What the operator says about the source, beyond what the model's card asks for."""

    match: Literal["labels", "order"] = "labels"
    stand_ins: bool = False


class Conditioning:
    """Chunks of one source become features for one model.

    Chunks wait until they complete a frame: the stages' work on a few samples costs as much as on a second of them.

    Raises
    ------
    BadDataError
        At construction when the source does not fit the card's montage, unit or rate.
    """

    def __init__(self, card: Card, description: Description, source: SourceConfig | None = None) -> None:
        source = source or SourceConfig()
        rate_hz, n = description.rate_hz, len(card.derivations)
        self.resampler = Resampler(ResamplerConfig(rate_hz, card.rate_hz))
        self.montage = Montage(
            MontageConfig(card.montage, card.min_derivations, source.match, source.stand_ins), description
        )
        self.quality = Quality(QualityConfig(rate_hz, n))
        f = card.filters
        self.filters = Filters(FiltersConfig(rate_hz, f.highpass_hz, f.clip_uv, f.lowpass_hz, f.notch_hz))
        self.framer = Framer(FramerConfig(card.frame_samples, card.hop_samples))
        self.bands = Bands(bands_config(card))
        self._piece = int(_PIECE_S * rate_hz)
        self._waiting: list[Chunk] = []
        self._n_waiting = 0
        self._n_needed = self.resampler.needed(self.framer.needed)

    def process(self, message: Chunk | Gap) -> list[Features]:
        """Return the features of the frames that the message completes; a gap completes none and resets."""
        if isinstance(message, Gap):
            self.reset()
            return []
        self._waiting.append(message)
        self._n_waiting += len(message.samples)
        if self._n_waiting < self._n_needed:
            return []
        whole = _join(self._waiting)
        self._waiting, self._n_waiting = [], 0
        features: list[Features] = []
        for start in range(0, len(whole.samples), self._piece):
            piece = Chunk(
                whole.samples[start : start + self._piece],
                whole.timestamps[start : start + self._piece],
                missing=whole.missing if start == 0 else 0,
            )
            chunk = self.filters.process(self.quality.process(self.montage.process(piece)))
            features.extend(self.bands.process(self.framer.process(self.resampler.process(chunk))))
        self._n_needed = self.resampler.needed(self.framer.needed)
        return features

    def reset(self) -> None:
        """Forget everything: the next sample begins a session."""
        for stage in (self.montage, self.quality, self.filters, self.resampler, self.framer, self.bands):
            stage.reset()
        self._waiting, self._n_waiting = [], 0
        self._n_needed = self.resampler.needed(self.framer.needed)

    def get_state(self) -> Plain:
        """Return what has been learned of the person, as plain values.

        Samples, and what filters and windows hold of them, are not in it: a checkpoint must hold nobody's EEG, and
        behind a hole they would make frames of what does not belong together (measured by ``benchmarks/resume.py``).
        """
        return {"bands": self.bands.get_state()}

    def set_state(self, state: object) -> None:
        """Begin with the next sample, knowing what `get_state` returned.

        Raises
        ------
        StateError
            When it is no such state; then everything is forgotten.
        """
        self.reset()
        if not isinstance(state, dict) or set(state) != {"bands"}:
            raise StateError("conditioning: expected the state of the bands")
        self.bands.set_state(state["bands"])

    @property
    def needed(self) -> int:
        """How many more samples of the source complete the next frame, at least 1."""
        return self._n_needed - self._n_waiting

    @property
    def delay_s(self) -> float:
        """Algorithmic delay between a sample and its place in the network's input."""
        return self.resampler.delay_s

    @property
    def faults(self) -> dict[str, Fault]:
        """What was wrong with which derivation when the last frame was complete."""
        return {self.montage.names[i]: fault for i, fault in self.quality.faults.items()}


class Network(Protocol):
    """What the pipeline asks of an engine."""

    def process(self, features: list[Features]) -> list[Probability]:
        """Return one probability for each step, keeping the recurrent state."""
        ...

    def reset(self) -> None:
        """Forget the recurrent state."""
        ...


@runtime_checkable
class LiveNetwork(Network, Protocol):
    """An engine whose state can outlive its process."""

    def get_state(self) -> list[FloatArray]:
        """Return copies of the recurrent state."""
        ...

    def set_state(self, state: object) -> None:
        """Go on with what `get_state` returned; raises StateError where it is of another network."""
        ...


class Pipeline:
    """``process`` a `Chunk` or a `Gap`; yields statuses, events and session resets in order."""

    def __init__(self, conditioning: Conditioning, network: Network, decision: Decision) -> None:
        self.conditioning, self.network, self.decision = conditioning, network, decision
        self.last_s = math.nan
        self.reset()

    def process(self, message: Chunk | Gap) -> Iterator[Decided]:
        """Yield what is to be said.

        Raises
        ------
        StateError
            When the network's state or output is not finite; call `reset` and go on.
        """
        if isinstance(message, Gap):
            if math.isnan(message.start_s):
                message = replace(message, start_s=self.last_s)
            self.conditioning.reset()
            self.network.reset()
            yield from self.decision.process(message)  # says what becomes of a seizure, and resets itself
            return
        if len(message.timestamps):
            self.last_s = float(message.timestamps[-1])
        for probability in self.network.process(self.conditioning.process(message)):
            yield from self.decision.process(probability)

    def reset(self) -> None:
        """Forget everything that belongs to a session, without a word (send a `Gap` to have it said)."""
        self.conditioning.reset()
        self.network.reset()
        self.decision.reset()

    def get_state(self) -> Plain:
        """Return what must be known to go on with the session in another process, as plain values."""
        assert isinstance(self.network, LiveNetwork)
        return {
            "conditioning": self.conditioning.get_state(),
            "network": self.network.get_state(),
            "decision": self.decision.get_state(),
        }

    def set_state(self, state: object) -> None:
        """Know what `get_state` returned; `resume` goes on with it.

        Raises
        ------
        StateError
            When it is not the state of such a pipeline; then everything is forgotten.
        """
        assert isinstance(self.network, LiveNetwork)
        try:
            if not isinstance(state, dict) or set(state) != {"conditioning", "network", "decision"}:
                raise StateError("pipeline: expected the states of conditioning, network and decision")
            self.conditioning.set_state(state["conditioning"])
            self.network.set_state(state["network"])
            self.decision.set_state(state["decision"])
        except StateError:
            self.reset()
            raise

    def resume(self, gap: Gap) -> list[Decided]:
        """Go on with the state that was set, behind a gap in the samples; return what is to be said at once."""
        self.last_s = gap.end_s
        return self.decision.resume(gap)


def _join(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    return Chunk(
        np.concatenate([chunk.samples for chunk in chunks]),
        np.concatenate([chunk.timestamps for chunk in chunks]),
        missing=sum(chunk.missing for chunk in chunks),
    )


def bands_config(card: Card) -> BandsConfig:
    """Return the features of a card."""
    rhythm = card.features.rhythm
    return BandsConfig(
        card.rate_hz,
        card.frame_samples,
        card.hop_samples,
        len(card.derivations),
        card.features.bands_hz,
        card.features.baseline_s,
        card.features.power_samples,
        None if rhythm is None else RhythmConfig(rhythm.band_hz, rhythm.repeats_hz),
        card.features.from_level,
    )


def decision_config(card: Card, overrides: dict[str, float] | None = None) -> DecisionConfig:
    """Return the card's decision with the operator's changes."""
    values = card.decision.model_dump() | (overrides or {})
    return DecisionConfig(step_s=card.step_s, min_good=card.min_derivations, **values)
