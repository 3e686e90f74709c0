"""A bed's stamps as times of here, also where its clock cannot be compared with ours (UDP blocked).

Without a comparison nothing is known but when a stamp arrived. The one that came quickest of all stands for the clock:
others are at least as old as they came later than that, so that what a line kept back is never taken for what is now. A
connection begins with what is pushed from then on, so the first one was at most as long on its way as the line takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_DRIFT = 1e-4  # s/s, of two clocks: crystals are off by less (as the daemon's `detector.source.lsl_correction` has it)
_OTHER_CLOCK_S = 86400.0
_MOST_S = 1e11  # no clock says so
_COMPARED_S = 10.0  # it takes a second or two
_MOST_NAMES = 10


class BedClock:
    """The clock of one connection to a bed; all times are LSL clocks'."""

    def __init__(self) -> None:
        #: What to add to its stamps, s, as it was measured; NaN while it was not.
        self.measured_s = math.nan
        self._arrived_s = math.nan
        self._least_s = math.inf

    def hear(self, stamps: Iterable[float], now_s: float) -> None:
        """Take in that stamps have arrived."""
        behind_s = min((now_s - stamp for stamp in stamps if abs(stamp) < _MOST_S), default=math.inf)
        if math.isfinite(self._least_s):
            self._least_s += _DRIFT * max(now_s - self._arrived_s, 0.0)
        self._arrived_s = now_s
        self._least_s = min(self._least_s, behind_s)

    def age_s(self, stamp: float, now_s: float) -> float:
        """Return how old a stamp is that was heard; where the clock was not measured it is so old at least."""
        return now_s - (stamp + self._correction_s)

    def here_s(self, stamp: float, now_s: float) -> float:
        """Return a stamp as a time of here; a peer may send any number, and one that cannot be is taken as now."""
        here_s = stamp + self._correction_s
        return here_s if math.isfinite(here_s) and abs(here_s - now_s) < _OTHER_CLOCK_S else now_s

    def is_unknown(self, for_s: float) -> bool:
        """Whether a connection that is so old should have been compared long ago."""
        return math.isnan(self.measured_s) and for_s > _COMPARED_S

    @property
    def _correction_s(self) -> float:
        return self._least_s if math.isnan(self.measured_s) else self.measured_s


def uncompared(beds: Sequence[str]) -> str:
    """Return what everybody who looks at the page has to know of beds whose clocks are unknown."""
    if not beds:
        return ""
    names = ", ".join(sorted(beds)[:_MOST_NAMES]) + (f" and {len(beds) - _MOST_NAMES} more" * (len(beds) > _MOST_NAMES))
    return (
        f"not compared with the clock of this page (is UDP blocked on the way?): {names}. How old it is what they say "
        "is told by its arrival"
    )
