"""All that is trained on and measured with, by person."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from detector.training.folds import folds_of
from detector.training.sequences import Sequence


@dataclass(frozen=True)
class Data:
    """Sequences of all persons: compositions to train on, and plain ones to measure with."""

    versions: list[list[Sequence]]
    plain: list[Sequence]

    @property
    def names(self) -> list[str]:
        """Everybody."""
        return sorted({sequence.person for sequence in self.plain})

    def with_seizures(self) -> set[str]:
        """Return who has seizures."""
        return {sequence.person for sequence in self.plain if sequence.seizures}

    def folds(self, n_folds: int, seed: int = 0) -> list[tuple[str, ...]]:
        """Return the persons dealt to folds: the same for every seed of a cross-validation."""
        sizes = dict.fromkeys(self.names, 0.0)
        for sequence in self.plain:
            sizes[sequence.person] += sum(offset - onset for onset, offset in sequence.seizures)
        return folds_of(self.names, n_folds, seed, sizes)

    def without(self, persons: Collection[str]) -> Data:
        """Return the data of everybody else."""
        versions = [[s for s in version if s.person not in persons] for version in self.versions]
        return Data(versions, [s for s in self.plain if s.person not in persons])

    def of(self, persons: Collection[str]) -> list[Sequence]:
        """Return the plain sequences of these persons."""
        return [s for s in self.plain if s.person in persons]

    def digest(self) -> str:
        """Return what differs when any of it does."""
        found = hashlib.sha256()
        for sequence in (s for sequences in (*self.versions, self.plain) for s in sequences):
            found.update(f"{sequence.person} {sequence.values.shape} {sequence.seizures}\n".encode())
            for array in (sequence.values, sequence.target, sequence.weight):
                found.update(array.tobytes())
        return found.hexdigest()[:24]
