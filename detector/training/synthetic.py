"""Simulated EEG to train on beside the real: a little, so that the demonstration's amplifier is no stranger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from detector.messages import Chunk
from detector.network.bundle import Card
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from detector.training.sequences import Sequence, sequence_of
from detector.training.sessions import Session

# Every step of it counts this much of a step of real EEG.
WEIGHT = 0.3
_SESSIONS = 8
# Far from any seed that a demonstration or a test uses.
_FIRST_SEED = 700_000


def synthetic_sequences(
    card: Card, version: int, on_progress: Callable[[str], None] = lambda _name: None
) -> list[Sequence]:
    """Return sessions of three minutes; half of them have two seizures each, of 15 to 50 s."""
    rng = np.random.default_rng(version)
    found = []
    for i in range(_SESSIONS):
        first, second = rng.uniform(12, 45), rng.uniform(105, 125)
        spans = ((first, first + rng.uniform(15, 50)), (second, second + rng.uniform(15, 50))) if i % 2 else ()
        seed = _FIRST_SEED + version * _SESSIONS + i
        eeg = SyntheticEeg(SyntheticConfig(duration_s=180.0, seizures=spans, seed=seed))
        samples = np.concatenate([m.samples for m in eeg.messages() if isinstance(m, Chunk)])
        times = np.arange(len(samples)) / eeg.config.rate_hz
        ictal = np.zeros(len(samples), dtype=bool)
        for start_s, end_s in spans:
            ictal |= (times >= start_s) & (times < end_s)
        sequence = sequence_of(Session("synthetic", eeg.config.rate_hz, samples, ictal), card)
        found.append(replace(sequence, weight=(sequence.weight * WEIGHT).astype(np.float32)))
    on_progress("simulated EEG")
    return found
