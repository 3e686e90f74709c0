"""A clip before it is a file: the samples around an event, and what was said meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from detector.messages import Description, Event
from detector.sinks.clips_tape import Block

LEAD_S, TAIL_S = 60.0, 30.0  # before the onset, and behind the offset


@dataclass(frozen=True)
class Mark:
    """Something that was said at a time of this machine's LSL clock."""

    time_s: float
    duration_s: float
    text: str


@dataclass(frozen=True)
class Clip:
    """What a file is made of.

    Parameters
    ----------
    bed, model_id, event_id
        Whose it is; the id is empty where it is not known.
    description
        The stream's.
    ahead_s
        What is added to the LSL clock to get UTC, s, as it was when the event was declared.
    event
        As far as it is known; ``None`` of one that went on from before this program, and whose end was not seen.
    blocks
        At least one sample.
    steps
        (time, probability) in order; NaN where nothing was watched.
    marks
        What else was said.
    end_s
        Where the clip ends at the latest; ``None`` where it ends with its samples.
    is_first, goes_on
        Whether it has the beginning of the event, and whether another part follows.
    """

    bed: str
    model_id: str
    event_id: str
    description: Description
    ahead_s: float
    event: Event | None
    blocks: tuple[Block, ...]
    steps: tuple[tuple[float, float], ...]
    marks: tuple[Mark, ...]
    end_s: float | None
    is_first: bool
    goes_on: bool

    @property
    def n_bytes(self) -> int:
        """What its samples take in memory."""
        return sum(block.samples.nbytes for block in self.blocks)

    @property
    def onset_utc_s(self) -> float:
        """Onset, or where it is not known the first sample, in seconds since 1970."""
        lsl_s = float(self.blocks[0].stamps[0]) if self.event is None else self.event.onset_s
        return lsl_s + self.ahead_s
