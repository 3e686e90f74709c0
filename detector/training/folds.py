"""Folds of a cross-validation: persons are dealt, never recordings."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from detector.errors import BadDataError


def folds_of(persons: Iterable[str], n_folds: int, seed: int, sizes: dict[str, float]) -> list[tuple[str, ...]]:
    """Return the persons dealt to ``n_folds`` folds, each with about as much of ``sizes`` (seconds of seizures).

    Raises
    ------
    BadDataError
        When there are fewer persons than folds, or one is named twice.
    """
    names = sorted(persons)
    if len(set(names)) != len(names):
        raise BadDataError(f"a person is named twice: {', '.join(names)}; each must be in one fold only")
    if not 2 <= n_folds <= len(names):
        raise BadDataError(f"{n_folds} folds of {len(names)} persons: expected 2 to {len(names)}")
    shuffled = np.random.default_rng(seed).permutation(names).tolist()
    folds: list[list[str]] = [[] for _ in range(n_folds)]
    for name in sorted(shuffled, key=lambda name: -sizes.get(name, 0.0)):

        def load(fold: list[str], with_seizures: bool = sizes.get(name, 0.0) > 0) -> tuple[bool, float, int]:
            # Persons without a seizure are dealt by their number, but no fold stays empty.
            same = [other for other in fold if (sizes.get(other, 0.0) > 0) == with_seizures]
            return bool(fold), sum(sizes.get(other, 0.0) for other in same), len(same)

        smallest = min(folds, key=load)
        smallest.append(name)
    return [tuple(sorted(fold)) for fold in folds]
