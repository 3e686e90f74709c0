"""A network whose output stands still while its input moves does not watch, however finite its output is."""

from __future__ import annotations

from detector.errors import StateError
from detector.messages import Features, FloatArray, Probability

# Steps of which no two neighbours differ by a bit: rounding alone moves a live network's output at every step.
_MOST_SAME = 120


class FrozenCheck:
    """Told of every step. A session's end does not reset it: a dead network is dead in the next session, too."""

    def __init__(self) -> None:
        self._input: FloatArray | None = None
        self._output: float | None = None
        self._same = 0

    def check(self, features: list[Features], probabilities: list[Probability]) -> None:
        """Take some steps.

        Raises
        ------
        StateError
            When the output has not moved for `_MOST_SAME` steps while the input has. A full 1 is let through: it raises
            an alarm by itself, and no check of ours may end a seizure.
        """
        for step, probability in zip(features, probabilities, strict=True):
            if probability.value != self._output or probability.value == 1.0:
                self._same = 0
            elif self._input is None or (step.values != self._input).any():
                self._same += 1
            self._input, self._output = step.values, probability.value
            if self._same >= _MOST_SAME:
                raise StateError(
                    f"the network's output has been {probability.value:.9g} to the bit for {self._same} steps while "
                    "its input moved; expected an output that follows the input"
                )
