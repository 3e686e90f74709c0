"""The method `windowed`: look-back windows without a memory, the baseline that everybody writes first.

Step i is labelled by the window of L steps that ends in it, so N sessions of M steps give N (M - L + 1) windows. Each
step is computed again for every window that it is in: L times the work of the other methods for the same steps, see
``benchmarks/methods.py``. What is trained is served with a memory all the same, by the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from detector.errors import BadDataError
from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.training.augmenting import Augment
from detector.training.keras_backend import keras
from detector.training.methods.method import Update, take_step
from detector.training.methods.stateful import logits_of, validation_loss
from detector.training.networks import Scale, build
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence

__all__ = ["Windows", "logits_of", "network", "one_pass", "updates_of", "validation_loss"]


class Windows:
    """All windows of ``look_back`` steps; they are views, and copied only for the batch that is asked for.

    Parameters
    ----------
    sequences
        Those shorter than a window have none.
    values
        What augmentation made of each sequence's, (n_steps, n_features).

    Raises
    ------
    BadDataError
        When there is no window at all.
    """

    def __init__(self, sequences: list[Sequence], values: list[FloatArray], look_back: int) -> None:
        # (n_windows, n_features, look_back) each
        self._views = [
            np.lib.stride_tricks.sliding_window_view(of_one, look_back, axis=0) if len(of_one) >= look_back else None
            for of_one in values
        ]
        self._sequences, self._look_back = sequences, look_back
        self._ends = np.cumsum([0 if view is None else len(view) for view in self._views])
        if not len(self):
            raise BadDataError(
                f"look_back is {look_back} steps, and the longest session has {max(map(len, values), default=0)}: "
                "no window fits; choose a shorter one with --set look_back=N"
            )

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batch(self, chosen: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray, FloatArray, tuple[int, ...]]:
        """Return (n, look_back, n_features), (n, look_back), (n, look_back): values, target and weight; and whose.

        Only the last step has a weight, so large that the mean over all steps is that over the windows: what
        ``return_sequences=False`` would give, of the network that all methods share.
        """
        owners = np.searchsorted(self._ends, chosen, side="right")
        target, weight = np.zeros((2, len(chosen), self._look_back), dtype=np.float32)
        values = []
        for row, (owner, number) in enumerate(zip(owners.tolist(), chosen.tolist(), strict=True)):
            view, sequence = self._views[owner], self._sequences[owner]
            assert view is not None
            at = number - int(self._ends[owner]) + len(view)
            values.append(view[at].T)
            last = at + self._look_back - 1
            target[row, -1], weight[row, -1] = sequence.target[last], sequence.weight[last] * self._look_back
        return np.stack(values), target, weight, tuple(sorted(set(owners.tolist())))


def network(recipe: Recipe, card: Card, scale: Scale) -> keras.Model:
    """Return the network without a memory, for any number of windows."""
    return build(None, recipe, card, scale, stateful=False)


def updates_of(sequences: list[Sequence], recipe: Recipe) -> int:
    """Return the number of batches of windows."""
    windows = Windows(sequences, [sequence.values for sequence in sequences], recipe.look_back)
    return -(-len(windows) // recipe.batch_windows)


def one_pass(
    model: keras.Model, sequences: list[Sequence], recipe: Recipe, rng: np.random.Generator, augment: Augment
) -> Iterator[Update]:
    """Update the weights after every batch of windows, drawn from all sessions."""
    windows = Windows(sequences, [augment(sequence.values, rng) for sequence in sequences], recipe.look_back)
    order = rng.permutation(len(windows))
    for first in range(0, len(order), recipe.batch_windows):
        values, target, weight, owners = windows.batch(order[first : first + recipe.batch_windows])
        yield Update(take_step(model, values, target, weight), owners)
