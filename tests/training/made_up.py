"""Small sequences and persons that are made up, for tests that are about the machinery and not about EEG."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from detector.messages import FloatArray
from detector.pipeline import bands_config
from detector.training.clips import Person, Seizure
from detector.training.networks import Scale, build, deployable
from detector.training.recipe import Recipe, card_of
from detector.training.sequences import Sequence
from detector.training.writing import write_bundle

RECIPE = Recipe(members=2, channel_units=4, recurrent_units=5, dropout=0.0, lanes=3, chunk_steps=7, versions=1)
CARD = card_of(RECIPE)
BANDS = bands_config(CARD)
SCALE = Scale((0.0,) * (BANDS.per_derivation - 1), (1.0,) * (BANDS.per_derivation - 1))


def made_up_sequence(n_steps: int, seed: int) -> Sequence:
    """Return random features with every derivation good, the second half ictal."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_steps, BANDS.n_derivations, BANDS.per_derivation)).astype(np.float32)
    values[:, :, -1] = 1
    end_s = np.linspace(2.0, 2.0 + (n_steps - 1) * 0.5, n_steps)
    target = (np.arange(n_steps) >= n_steps // 2).astype(np.float32)
    return Sequence(
        person=f"person{seed}",
        duration_s=float(end_s[-1]),
        seizures=((float(end_s[n_steps // 2]), float(end_s[-1])),),
        values=values.reshape(n_steps, -1),
        good=np.ones((n_steps, BANDS.n_derivations), dtype=bool),
        end_s=end_s,
        target=target,
        weight=np.ones(n_steps, dtype=np.float32),
    )


def made_up_person(n_seizures: int = 3, rate_hz: float = 256.0, seed: int = 0) -> Person:
    """Return a person whose EEG is 1 µV when it is not ictal and 100 µV when it is, times noise."""
    rng = np.random.default_rng(seed)

    def eeg(seconds: float, size_uv: float) -> FloatArray:
        return (rng.choice([-1, 1], (round(seconds * rate_hz), 22)) * size_uv).astype(np.float32)

    seizures = tuple(
        Seizure(f"clip{i}", eeg(10 if i == 0 else 0, 1), eeg(20 + i, 100), eeg(60, 1), gap_s=0.0 if i % 2 else 30.0)
        for i in range(n_seizures)
    )
    return Person("somebody", rate_hz, seizures, () if seizures else (eeg(60, 1), eeg(40, 1)))


def write_untrained(folder: Path, bundle_id: str, **training: object) -> None:
    """Write a bundle of a network that has learnt nothing; ``training`` is what its card says of how it was built."""
    network = deployable(build(1, RECIPE, CARD, SCALE), RECIPE, CARD, SCALE)
    write_bundle(network, CARD.model_copy(update={"id": bundle_id, "training": training}), folder)


def write_parent(folder: Path, bundle_id: str) -> None:
    """Write one that can go on learning."""
    write_untrained(folder, bundle_id, recipe=asdict(RECIPE))
