"""What the gap ledger knows of a source; a connection to the same outlet can go on with it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class SinceGap:
    """What is known since the last gap; everything but times in samples."""

    unpaid: float = 0.0  # exact: how far stamps have jumped ahead lately, as if samples were lost
    since_jump: int = 0
    shift: float = 0.0  # jittery: how far stamps are ahead of a count of samples
    lowest: float | None = None  # ... at the least in this second, which no late push can raise
    lowest_before: float | None = None
    looked: int = 0
    lasting: float = 0.0
    awaited: int = 0  # samples that must come in order before they are trusted again
    thrown: int = 0  # since they came in the wrong order


@dataclass
class Measured:
    """The rate is measured over all samples that came, whatever was lost between them."""

    covered_s: float = 0.0
    counted: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque([(0.0, 0)]))
    right_s: float = 0.0  # covered time when the rate was last not known to be wrong


@dataclass
class LedgerState:
    """What is known of the source, across its gaps."""

    jittery: bool = False
    bad_stamps: int = 0
    thrown: int = 0  # samples that came twice or in the wrong order
    last: float | None = None
    since_gap: SinceGap = field(default_factory=SinceGap)
    measured: Measured = field(default_factory=Measured)
