"""The events of a bed, and for each of them its clips, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detector.errors import BadDataError
from detector.journal_reading import JournalReader
from detector.journal_schema import Row, RowKind
from detector.messages import Outcome
from detector.page.review.files import ClipFile
from detector.printable import printable
from detector.sinks.clips_clip import TAIL_S
from detector.sinks.clips_place import UNKNOWN_EVENT

_MOST_ROWS = 2000  # of a kind: months of a bed
_WRITTEN_S = TAIL_S + 15.0  # so long behind an event's end its clip may take to be on disk


@dataclass
class BedEvent:
    """An event as far as is known; times are UTC s."""

    id: str
    onset_s: float
    declared_s: float | None = None
    offset_s: float | None = None
    outcome: str = ""
    clips: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""

    def facts(self) -> dict[str, Any]:
        """Return it for JSON."""
        return dict(vars(self))


def events_of(journal: Path | None, clips: Sequence[ClipFile] | str, since_s: float, now_s: float) -> list[BedEvent]:
    """Return the events since a time, the newest first.

    Parameters
    ----------
    journal
        The bed's; without one only those that have a clip are known.
    clips
        That are there, or why none can be seen.
    since_s, now_s
        UTC s.

    Raises
    ------
    DetectorError
        The journal cannot be read, or makes no sense.
    """
    events: dict[str, BedEvent] = {}
    told: list[Row] = []
    if journal is not None:
        with closing(JournalReader(journal)) as reader:
            seizures = reader.newest(RowKind.SEIZURE, _MOST_ROWS)
            told = reader.newest(RowKind.CLIP, _MOST_ROWS)
        try:
            outcomes: dict[str, str] = {}
            for row in seizures:  # the newest row of an event says most of it
                event_id, is_of_its_boot = str(row.facts["id"]), row.facts.get("boot", row.boot) == row.boot
                outcome = outcomes.setdefault(event_id, str(row.facts["outcome"]))
                if event_id not in events and is_of_its_boot:  # else its times are of another clock than the row
                    events[event_id] = _event(row, outcome)
        except (KeyError, TypeError, ValueError) as error:
            raise BadDataError(f"{journal} has rows about seizures that make no sense") from error
    lengths_s = {row.facts["file"]: row.facts.get("length_s") for row in told if "file" in row.facts}
    for clip in () if isinstance(clips, str) else clips:
        file, name = str(clip.name), clip.name
        key = file if name.event_id == UNKNOWN_EVENT else name.event_id
        one = events.setdefault(key, BedEvent(name.event_id, name.onset_utc_s))
        length_s = lengths_s.get(file)
        one.clips.append({"file": file, "part": name.part, "bytes": clip.n_bytes, "duration_s": length_s})
    found = [one for one in events.values() if max(one.onset_s, one.offset_s or -math.inf) >= since_s]
    for one in found:
        if not one.clips:
            one.why = clips if isinstance(clips, str) else _why(one, told, now_s)
    return sorted(found, key=lambda one: -one.onset_s)


def _event(row: Row, outcome: str) -> BedEvent:
    facts = row.facts
    if row.lsl_s is None:
        raise ValueError("a seizure has a time")
    ahead_s = row.utc_s - row.lsl_s
    onset_s, declared_s = facts["onset_s"] + ahead_s, facts["declared_s"] + ahead_s
    offset_s = None if facts["offset_s"] is None else facts["offset_s"] + ahead_s
    if not all(map(math.isfinite, (onset_s, declared_s, offset_s or 0.0))):
        raise ValueError("a time is a number")
    return BedEvent(str(facts["id"]), onset_s, declared_s, offset_s, outcome)


def _why(event: BedEvent, told: Sequence[Row], now_s: float) -> str:
    of_it = [row.facts for row in told if row.facts.get("event_id") == event.id]
    lost = next((facts["lost"] for facts in of_it if "lost" in facts), None)
    if lost is not None:
        return f"its clip could not be written: {printable(str(lost))}"
    if of_it:
        return "its clip is not kept any more: newer ones have taken its place, or it was too old"
    if event.outcome == Outcome.ONGOING:
        return "it goes on: its clip is written when it is over"
    if now_s - (event.offset_s or event.declared_s or event.onset_s) < _WRITTEN_S:
        return f"its clip is not written yet: it ends {TAIL_S:.0f} s behind the event"
    return "there is no clip of it, and its journal does not say why"
