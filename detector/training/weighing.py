"""How much each step counts in the loss: what nobody can know counts less, a seizure's first seconds count more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detector.messages import FloatArray, TimeArray
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence

# Nobody marks an onset or an offset to the second, so steps near one count less; so do those before the network can
# have seen much, and the seconds before an onset, which may already hold the seizure.
_EDGE_S, _EDGE_WEIGHT = 1.5, 0.3
_COLD_S, _COLD_WEIGHT = 5.0, 0.2
_BEFORE_S, _BEFORE_WEIGHT = 10.0, 0.5
# What is detected late was hardly worth detecting.
_EARLY_S = 10.0


def weigh(sequences: list[Sequence], recipe: Recipe) -> list[Sequence]:
    """Return the sequences with other weights: those of rare persons raised, and those of early ictal steps."""
    steps: dict[str, int] = {}
    for sequence in sequences:
        steps[sequence.person] = steps.get(sequence.person, 0) + len(sequence)
    mean = float(np.mean(list(steps.values())))
    found = []
    for sequence in sequences:
        share = (mean / steps[sequence.person]) ** recipe.balance
        weight = share * step_weights(sequence.end_s, sequence.seizures, recipe.early_weight)
        # What came in with less (simulated EEG) keeps its proportion.
        found.append(replace(sequence, weight=(weight * sequence.weight).astype(np.float32)))
    return found


def step_weights(end_s: TimeArray, seizures: tuple[tuple[float, float], ...], early_weight: float) -> FloatArray:
    """Return (n_steps,) weights of the steps that end at ``end_s``."""
    weight = np.ones(len(end_s), dtype=np.float32)
    for onset, offset in seizures:
        weight[(end_s >= onset - _BEFORE_S) & (end_s < onset)] *= _BEFORE_WEIGHT
        weight[(end_s >= onset + _EDGE_S) & (end_s < min(onset + _EARLY_S, offset))] *= early_weight
        for edge in (onset, offset):
            weight[np.abs(end_s - edge) < _EDGE_S] *= _EDGE_WEIGHT
    weight[end_s < _COLD_S] *= _COLD_WEIGHT
    return weight
