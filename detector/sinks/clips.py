"""Clips: the EEG around each event, as it was received, in files of their own.

The last minute is always in memory, in a ring of a fixed size. From a declaration on samples are collected until some
time behind the offset, and handed to the thread that writes them. What is collected is bounded: a long event is cut
into several files that follow each other without a hole.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from detector.messages import Chunk, Condition, Description, Event, Gap, Outcome, State, Status
from detector.sinks.clips_clip import LEAD_S, TAIL_S, Clip, Mark
from detector.sinks.clips_edf import record_of
from detector.sinks.clips_settings import ClipsConfig
from detector.sinks.clips_tape import Block, Tape, not_received, received, split
from detector.sinks.clips_writer import ClipWriter
from detector.source.said import Opened

_SLACK_S = 15.0  # of the ring: an event is declared some time behind its onset, and samples come in chunks of up to 5 s
_LATE_S = 3.0  # so long are samples behind the offset waited for when they do not come
_LONGEST_S = 300.0  # of one file
_MOST_S = 3600.0  # of one event ...
_MOST_SHARE = 4  # ... and the part of what is kept in all that one event may take from the others: a fourth
_MOST_AT_ONCE = 2  # events that are collected; one that has ended makes way for the next
_SHARES = 6  # of the memory: the ring, two events, two that wait, and what is made of the one that is written
_MOST_KEPT = 600  # steps and marks of before an event
_SAID = ("session-reset/", f"{State.NOT_MONITORING.label}/")  # markers that a clip tells, too


@dataclass
class _Collected:
    """An event that is going on, or whose tail is; ``event`` is ``None`` of one that is older than this program."""

    id: str
    event: Event | None
    ahead_s: float  # from the LSL clock to UTC
    blocks: list[Block]
    steps: list[tuple[float, float]]
    marks: list[Mark]
    n_files: int = 0
    n_recorded: int = 0  # samples in those
    is_full: bool = False  # it is recorded no longer
    end_s: float | None = None
    due_s: float = 0.0  # when its end is waited for no more, on the LSL clock

    @property
    def n_samples(self) -> int:
        return sum(map(len, self.blocks))


class Clips:
    """A `detector.monitor.Sink` that is also told of all that the source gives. Times are of this machine's LSL clock.

    Parameters
    ----------
    config
        See `ClipsConfig`.
    clock, utc
        The LSL clock, and the wall clock in seconds since 1970.
    note
        Is told for the journal what became of each clip.
    """

    def __init__(
        self,
        config: ClipsConfig,
        *,
        clock: Callable[[], float],
        note: Callable[[Mapping[str, Any]], None],
        utc: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._clock, self._utc, self._note = clock, utc, note
        self._share = config.memory_bytes // _SHARES
        self._writer = ClipWriter(config.folder, config.limits, 2 * self._share, utc=utc, mode=config.mode)
        self.description: Description | None = None
        self._tape: Tape | None = None
        self._is_broken = False  # the next samples may not follow the last ones
        self._steps: deque[tuple[float, float]] = deque(maxlen=_MOST_KEPT)
        self._marks: deque[Mark] = deque(maxlen=_MOST_KEPT)
        self._collected: list[_Collected] = []

    @property
    def trouble(self) -> str | None:
        """See `ClipWriter.trouble`."""
        return self._writer.trouble

    def see(self, message: Opened | Chunk | Gap) -> None:
        """Take what the source gave, before anything is made of it."""
        if isinstance(message, Opened):
            self.open(message.description)
        elif isinstance(message, Gap):
            self._is_broken = True
        elif len(message.timestamps):
            self._take(message)

    def open(self, description: Description) -> None:
        """Take samples of this stream from now on."""
        self._is_broken = True
        if self.description is not None and _form(self.description) == _form(description):
            return
        self._hand_over_all()
        self.description = description
        self._steps.clear()
        self._marks.clear()
        seconds = LEAD_S + self.config.onset_hold_s + _SLACK_S
        self._tape = Tape(len(description.labels), description.rate_hz, seconds, self._share)

    def resumed(self, event_id: str) -> None:
        """Take the id of the event that goes on from before this program."""
        for collected in self._collected:
            collected.id = collected.id or event_id

    def push_marker(self, text: str, time_s: float) -> None:
        """Take what is told in a clip, too."""
        if text.startswith(_SAID):
            self._mark(Mark(time_s, 0.0, text))

    def push_code(self, state: State, time_s: float) -> None:
        """Take nothing: the marker has been."""

    def push_status(self, status: Status, input_age_s: float) -> None:  # noqa: ARG002 - a sink's
        """Take a step, and the time: what has ended is handed over, also while no samples come."""
        step = status.time_s, status.probability
        self._steps.append(step)
        for collected in self._collected:
            if not collected.is_full:
                collected.steps.append(step)
        if status.state is State.SEIZURE and all(collected.end_s is not None for collected in self._collected):
            self._begin("", None)
        self._hand_over_what_is_due()
        for told in self._writer.told():
            self._note(told)

    def push_event(self, event: Event, now_s: float) -> None:
        """Begin to collect, or take the end of what is collected."""
        if event.outcome is Outcome.ONGOING:
            self._begin(event.id, event)
            return
        for collected in self._collected:
            if collected.end_s is None and collected.id in ("", event.id):
                last_s = self._last_s(now_s)
                collected.id, collected.event = event.id, event
                collected.end_s = (last_s if event.offset_s is None else event.offset_s) + TAIL_S
                collected.due_s = self._clock() + max(collected.end_s - last_s, 0.0) + _LATE_S

    def push_condition(self, condition: Condition, now_s: float) -> None:
        """Take nothing: conditions are the journal's."""

    def close(self, timeout_s: float = 0.8) -> None:
        """Write what there is, for at most so long."""
        self._hand_over_all()
        self._writer.close(timeout_s)
        for told in self._writer.told():
            self._note(told)

    def _last_s(self, otherwise_s: float) -> float:
        last_s = None if self._tape is None else self._tape.last_s
        return otherwise_s if last_s is None else last_s

    def _mark(self, mark: Mark) -> None:
        self._marks.append(mark)
        for collected in self._collected:
            collected.marks = [*collected.marks[1 - _MOST_KEPT :], mark]

    def _begin(self, event_id: str, event: Event | None) -> None:
        tape = self._tape
        if tape is None or tape.last_s is None:
            return
        if len(self._collected) >= _MOST_AT_ONCE:
            self._hand_over(self._collected.pop(0))
        ahead_s = self._utc() - self._clock()
        # At a whole second of UTC, for readers take what a header says of the start, and that knows no less (MNE does).
        since_s = -math.inf if event is None else math.floor(event.onset_s - LEAD_S + ahead_s) - ahead_s
        lead = tape.since(since_s)
        self._collected.append(_Collected(event_id, event, ahead_s, [lead], [*self._steps], [*self._marks]))

    def _take(self, chunk: Chunk) -> None:
        tape, description = self._tape, self.description
        assert tape is not None
        assert description is not None
        if self._is_broken:
            self._is_broken = False
            self._fill_up_to(float(chunk.timestamps[0]), tape, description)
        if chunk.missing:
            lost_s = chunk.missing / description.rate_hz
            self._mark(Mark(float(chunk.timestamps[0]), lost_s, f"{chunk.missing} samples were lost, the last is held"))
        self._put(received(chunk.samples, chunk.timestamps), tape, description)

    def _fill_up_to(self, first_s: float, tape: Tape, description: Description) -> None:
        last_s = tape.last_s
        if last_s is None:
            return
        n = round((first_s - last_s) * description.rate_hz) - 1
        if not -description.rate_hz <= n <= tape.capacity:  # what comes is of another time, or of another clock
            self._hand_over_all()
            tape.clear()
        elif n > 0:
            self._put(not_received(n, len(description.labels), last_s, 1 / description.rate_hz), tape, description)

    def _put(self, block: Block, tape: Tape, description: Description) -> None:
        tape.put(block)
        for collected in self._collected:
            if not collected.is_full:
                collected.blocks.append(block)
                self._cut(collected, description)
        self._hand_over_what_is_due()

    def _cut(self, collected: _Collected, description: Description) -> None:
        """Hand over the whole records of what has become too much for one file."""
        n = collected.n_samples
        n_bytes = n * 4 * len(description.labels)
        if n_bytes < self._share and n < _LONGEST_S * description.rate_hz:
            return
        record, _ = record_of(description.rate_hz, len(description.labels))
        whole, rest = split(collected.blocks, n // record * record)
        if not whole:
            return
        collected.blocks = whole
        collected.n_recorded += collected.n_samples
        is_full = self._is_enough(collected, description)
        self._hand_over(collected, goes_on=not is_full)
        collected.is_full = is_full
        # Copies, for a view would keep all that it is a part of.
        collected.blocks = [Block(part.samples.copy(), part.stamps.copy(), part.filled.copy()) for part in rest]
        collected.steps, collected.marks = collected.steps[-1:], []
        collected.n_files += 1

    def _is_enough(self, collected: _Collected, description: Description) -> bool:
        """Whether one event has taken what it may of the disk."""
        limits = self.config.limits
        return (
            collected.n_recorded >= _MOST_S * description.rate_hz
            or collected.n_recorded * 2 * len(description.labels) >= limits.max_bytes / _MOST_SHARE
            or collected.n_files + 1 >= limits.keep / _MOST_SHARE
        )

    def _hand_over_what_is_due(self) -> None:
        description = self.description
        if not self._collected or description is None:
            return
        _, record_s = record_of(description.rate_hz, len(description.labels))
        last_s = self._last_s(-math.inf)
        for collected in [*self._collected]:
            # One more record has come, so that the file's last is a whole one.
            if collected.end_s is not None and (
                last_s >= collected.end_s + record_s or self._clock() >= collected.due_s
            ):
                self._collected.remove(collected)
                self._hand_over(collected)

    def _hand_over_all(self) -> None:
        for collected in self._collected:
            self._hand_over(collected)
        self._collected.clear()

    def _hand_over(self, collected: _Collected, *, goes_on: bool = False) -> None:
        description = self.description
        if not collected.n_samples or description is None or collected.is_full:
            return
        self._writer.put(
            Clip(
                bed=self.config.bed,
                model_id=self.config.model_id,
                event_id=collected.id,
                description=description,
                ahead_s=collected.ahead_s,
                event=collected.event,
                blocks=tuple(collected.blocks),
                steps=tuple(collected.steps),
                marks=tuple(collected.marks),
                end_s=collected.end_s,
                is_first=not collected.n_files,
                goes_on=goes_on,
            )
        )


def _form(description: Description) -> tuple[object, ...]:
    """Return what must be the same for samples to follow those of before in one file."""
    return description.labels, description.rate_hz, description.scales_uv
