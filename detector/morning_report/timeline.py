"""A span of UTC without holes: what a journal proves of each moment, and that nothing is known of the others."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from detector.journal_schema import RowKind
from detector.journal_spans import NON_SEIZURE, NOT_MONITORING, SEIZURE, Watch

NO_ROW = f"{NOT_MONITORING}/unknown"
_SET_S = 1.0  # by less than this a wall clock is corrected, by more it was set
_NOT_KNOWN = {f"{NOT_MONITORING}/{kind}" for kind in (RowKind.DAMAGED, RowKind.MISSING, RowKind.ROWS_LOST)} | {NO_ROW}
_GONE = {f"{NOT_MONITORING}/stopped", f"{NOT_MONITORING}/crashed"}


class Kind(Enum):
    """What a stretch of time is; its value says it in words."""

    SEIZURE = "seizure"
    NON_SEIZURE = "non-seizure"
    NOT_MONITORED = "not monitored"
    UNKNOWN = "nothing is known"


@dataclass(frozen=True)
class Stretch:
    """A stretch of time, UTC s since 1970, and the word of the journal for it, see `detector.journal_spans.Span`."""

    start_s: float
    end_s: float
    said: str

    @property
    def kind(self) -> Kind:
        """What it is; what is not a known state is nothing that is known."""
        if self.said in (SEIZURE, NON_SEIZURE):
            return Kind(self.said)
        is_known = self.said not in _NOT_KNOWN and self.said.startswith(NOT_MONITORING)
        return Kind.NOT_MONITORED if is_known else Kind.UNKNOWN

    @property
    def length_s(self) -> float:
        """Its length."""
        return self.end_s - self.start_s


def timeline_of(watches: Sequence[Watch], since_s: float, until_s: float) -> tuple[Stretch, ...]:
    """Return the stretches of a span, in order; no moment of it is left out.

    Where the wall clock was set back, stretches lie over one another: each took as long as it says.

    Parameters
    ----------
    watches
        Of the whole journal, in order.
    since_s, until_s
        The span, UTC s.
    """
    known = [stretch for watch in watches for stretch in _of_watch(watch)]
    for watch, following in itertools.pairwise([*watches, None]):
        assert watch is not None
        if watch.after in _GONE:  # there was no program: until the next one began
            end_s = until_s if following is None else following.utc_s(following.start_s)
            known.append(Stretch(watch.utc_s(watch.end_s), end_s, watch.after))
    inside = (replace(s, start_s=max(s.start_s, since_s), end_s=min(s.end_s, until_s)) for s in known)
    ordered = sorted((s for s in inside if s.length_s > 0), key=lambda stretch: stretch.start_s)
    found: list[Stretch] = []
    at_s = since_s
    for stretch in [*ordered, Stretch(until_s, until_s, NO_ROW)]:
        if stretch.start_s > at_s:
            is_step = found and stretch.length_s > 0 and stretch.start_s - at_s < _SET_S  # a clock was corrected
            found.append(Stretch(at_s, stretch.start_s, found[-1].said if is_step else NO_ROW))
        if stretch.length_s > 0:
            found.append(stretch)
        at_s = max(at_s, stretch.end_s)
    return tuple(_joined(found))


def hours_by(stretches: Sequence[Stretch]) -> dict[str, float]:
    """Return the hours of each word that was said."""
    hours: dict[str, float] = defaultdict(float)
    for stretch in stretches:
        hours[stretch.said] += stretch.length_s / 3600
    return dict(hours)


def clock_steps(watches: Sequence[Watch], since_s: float, until_s: float) -> tuple[tuple[float, float], ...]:
    """Return (UTC s after it, by how many s) of each time that the wall clock was set while a journal was written."""
    steps = []
    for watch in watches:
        for (lsl_a, utc_a), (lsl_b, utc_b) in itertools.pairwise(watch.clock):
            step_s = (utc_b - utc_a) - (lsl_b - lsl_a)
            if abs(step_s) > _SET_S and since_s <= utc_b <= until_s:
                steps.append((utc_b, step_s))
    return tuple(steps)


def _of_watch(watch: Watch) -> list[Stretch]:
    """Return its spans in UTC, parted where the wall clock was set."""
    found = []
    edges = [lsl_s for lsl_s, _ in watch.clock]
    for span in watch.spans:
        inner = edges[bisect.bisect_right(edges, span.start_s) : bisect.bisect_left(edges, span.end_s)]
        for start_s, end_s in itertools.pairwise([span.start_s, *inner, span.end_s]):
            start_utc_s = watch.utc_s(start_s)
            found.append(Stretch(start_utc_s, start_utc_s + end_s - start_s, span.said))
    return found


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return stretches with those as one that follow one another and say the same."""
    found: list[Stretch] = []
    for stretch in stretches:
        if found and found[-1].said == stretch.said and abs(found[-1].end_s - stretch.start_s) < 1e-3:
            found[-1] = replace(found[-1], end_s=stretch.end_s)
        else:
            found.append(stretch)
    return found
