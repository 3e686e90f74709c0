"""Proof that the loop watches: samples that come must become steps, and what is true must be said.

A watchdog that is fed by a loop which merely turns keeps a detector alive that detects nothing. That no samples come is
no failure of this program; that they come and nothing is made of them is.
"""

from __future__ import annotations

from detector.messages import Chunk, Gap, Reset

_MOST_OWED_S = 10.0  # of samples without a step: filters and the first frame take three
_MOST_SILENT_S = 3.0  # without a status; clients call a detector dead after so long


class Proof:
    """Told of everything that is fed to the pipeline; asked at the end of each turn."""

    def __init__(self) -> None:
        self._since_s: float | None = None  # sample time of the first sample since the last step
        self._owed_s = 0.0

    def fed(self, message: Chunk | Gap, stepped: bool) -> None:
        """Take what went in and whether the network answered."""
        if stepped:
            self._since_s, self._owed_s = None, 0.0
        elif isinstance(message, Chunk) and len(message.timestamps):
            if self._since_s is None:
                self._since_s = float(message.timestamps[0])
            self._owed_s = float(message.timestamps[-1]) - self._since_s
        elif isinstance(message, Gap) and message.reason is not Reset.FAULT:
            self._since_s, self._owed_s = None, 0.0  # the first frame of a session takes its time

    def holds(self, now_s: float, published_s: float) -> bool:
        """Return whether samples become steps and the last status, of ``published_s``, is young."""
        return self._owed_s <= _MOST_OWED_S and now_s - published_s <= _MOST_SILENT_S
