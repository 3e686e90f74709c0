"""What a journal proves: from when until when something was said, and what of it was watched.

A state holds until another one takes its place, and as long as the program is known to have lived. What was between a
crash and the next start, while the program stood still, behind a session's boundary, or around rows that are damaged or
missing, was not watched.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from detector.journal_schema import Alive, Row, RowKind
from detector.messages import Outcome, State

_SAME_S = 0.01  # two clocks that keep their distance to this say the same
SEIZURE, NON_SEIZURE, NOT_MONITORING = State.SEIZURE.label, State.NON_SEIZURE.label, State.NOT_MONITORING.label


@dataclass(frozen=True)
class Span:
    """A stretch of time, s on the LSL clock of its boot, and the word of the events outlet that was true in it.

    Beside the outlet's causes of not-monitoring there are ``stopped``, ``crashed``, ``silence``, ``rows-lost``,
    ``damaged``, ``missing`` and ``unknown``.
    """

    start_s: float
    end_s: float
    said: str


@dataclass(frozen=True)
class JournalSeizure:
    """A seizure; ``last_seen_s`` is until when it was said, which is all that is known where its end was not seen."""

    id: str
    onset_s: float
    declared_s: float
    offset_s: float | None
    last_seen_s: float
    peak_probability: float
    outcome: Outcome

    @property
    def end_s(self) -> float:
        """Its offset, or until when it was seen."""
        return self.last_seen_s if self.offset_s is None else self.offset_s


@dataclass(frozen=True)
class Watch:
    """All that was said in one boot of the machine, on whose LSL clock all its times are.

    Parameters
    ----------
    boot
        Its id.
    bed
        As the program said when it started; empty where that is not known any more.
    spans
        In order, each begins where the one before ends.
    seizures
        In order.
    after
        What is true behind its end: not-monitoring, and why.
    clock
        (LSL s, UTC s) pairs of the same instants, in order of the first.
    """

    boot: str
    bed: str
    spans: tuple[Span, ...]
    seizures: tuple[JournalSeizure, ...]
    after: str
    clock: tuple[tuple[float, float], ...]

    @property
    def start_s(self) -> float:
        """When it begins."""
        return self.spans[0].start_s

    @property
    def end_s(self) -> float:
        """When it ends; nothing is known of what came after."""
        return self.spans[-1].end_s

    def utc_s(self, lsl_s: float) -> float:
        """Return an LSL time in UTC, by the newest pair before it: UTC may have been set meanwhile."""
        index = bisect.bisect_right(self.clock, lsl_s, key=lambda pair: pair[0])
        at_lsl_s, at_utc_s = self.clock[max(index - 1, 0)]
        return at_utc_s + (lsl_s - at_lsl_s)

    def since(self, utc_s: float) -> Watch | None:
        """Return what of it was from a time on; it begins earlier where a seizure was on then."""
        start_s = self._lsl_s(utc_s)
        seizures = tuple(seizure for seizure in self.seizures if seizure.end_s > start_s)
        start_s = min([start_s, *(seizure.onset_s for seizure in seizures)])
        spans = tuple(replace(span, start_s=max(span.start_s, start_s)) for span in self.spans if span.end_s > start_s)
        return replace(self, spans=spans, seizures=seizures) if spans else None

    def _lsl_s(self, utc_s: float) -> float:
        """Return the first LSL time at which UTC was as late as this."""
        ends_s = [*(at_lsl_s for at_lsl_s, _ in self.clock[1:]), math.inf]
        return next(
            max(at_lsl_s + (utc_s - at_utc_s), at_lsl_s)
            for (at_lsl_s, at_utc_s), end_s in zip(self.clock, ends_s, strict=True)
            if utc_s - at_utc_s < end_s - at_lsl_s
        )


def watches_of(rows: Iterable[Row], alive: Alive | None) -> list[Watch]:
    """Return what rows prove, one watch for each boot, in order.

    Parameters
    ----------
    rows
        Of a whole journal, in its order.
    alive
        Until when the last program is known to have lived.
    """
    boots: list[_Boot] = []
    seizures: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row.lsl_s is None:
            continue  # of before anything that is known
        if not boots or row.boot != boots[-1].id:
            if boots and row.kind == RowKind.CRASH:
                boots[-1].take_crash(row)
            boots.append(_Boot(row.boot, row.lsl_s))
        boots[-1].take(row, row.lsl_s)
        if row.kind == RowKind.SEIZURE:
            seizures.setdefault(row.facts["id"], []).append({"boot": row.boot, **row.facts})
    if boots and alive is not None and alive.boot == boots[-1].id:
        boots[-1].lived_s = alive.lsl_s
    for told in seizures.values():
        for boot in boots:
            if boot.id == told[0]["boot"]:
                boot.seizures.append(told)
    watches = [boot.watch(is_last=boot is boots[-1]) for boot in boots]
    return [watch for watch in watches if watch is not None]


class _Boot:
    """Takes the rows of a boot, in order."""

    def __init__(self, boot: str, start_s: float) -> None:
        self.id, self.lived_s = boot, start_s
        self.seizures: list[list[dict[str, Any]]] = []
        self._bed = ""
        self._said, self._since_s = f"{NOT_MONITORING}/unknown", start_s
        self._spans: list[Span] = []
        self._silences: list[tuple[float, float]] = []
        self._clock: list[tuple[float, float]] = []

    def take(self, row: Row, lsl_s: float) -> None:
        """Take a row."""
        match row.kind:
            case RowKind.DAMAGED | RowKind.MISSING:
                self._enter(f"{NOT_MONITORING}/{row.kind}", self.lived_s)
                return
            case RowKind.START:
                if is_watched(self._said):  # the end of the program before is not there
                    self._enter(f"{NOT_MONITORING}/unknown", self.lived_s)
                self._bed = row.facts["bed"]
                self._enter(f"{NOT_MONITORING}/starting", lsl_s)
            case RowKind.STOP:
                self._enter(f"{NOT_MONITORING}/stopped", lsl_s)
            case RowKind.CRASH:
                self.take_crash(row)
            case RowKind.STATE:
                # Where samples failed to come, it was watched up to the last one only.
                self._enter(row.facts["state"], row.facts.get("seen_s", lsl_s))
            case RowKind.SESSION if is_watched(self._said):
                self._enter(f"{NOT_MONITORING}/{row.facts['reason']}", lsl_s)
            case RowKind.ROWS_LOST if row.facts["watched_unknown"]:
                self._enter(f"{NOT_MONITORING}/{row.kind}", lsl_s)
            case RowKind.SILENCE:
                self._silences.append((lsl_s, row.facts["until_s"]))
        self.lived_s = max(self.lived_s, lsl_s)
        if not self._clock or (
            lsl_s > self._clock[-1][0] and abs(row.utc_s - lsl_s - (self._clock[-1][1] - self._clock[-1][0])) > _SAME_S
        ):
            self._clock.append((lsl_s, row.utc_s))

    def take_crash(self, row: Row) -> None:
        """End what was said when the program that said it was seen last; the row may be one of the next boot."""
        alive = row.facts["alive"]
        if alive is not None and alive["boot"] == self.id:
            self.lived_s = alive["lsl_s"]
        self._enter(f"{NOT_MONITORING}/crashed", self.lived_s)

    def watch(self, *, is_last: bool) -> Watch | None:
        """Return what the rows prove; ``None`` where it is no time at all."""
        is_on = is_last and self._said == SEIZURE
        after = f"{NOT_MONITORING}/unknown" if is_watched(self._said) else self._said
        self._enter("", self.lived_s)
        spans = [part for span in self._spans for part in _without(span, self._silences)]
        seizures = self._seizures(spans, is_on=is_on)
        if not spans:
            return None
        if seizures and seizures[0].onset_s < spans[0].start_s:
            spans.insert(0, Span(seizures[0].onset_s, spans[0].start_s, f"{NOT_MONITORING}/unknown"))
        return Watch(self.id, self._bed, tuple(spans), tuple(seizures), after, tuple(self._clock))

    def _enter(self, said: str, time_s: float) -> None:
        if time_s > self._since_s:
            self._spans.append(Span(self._since_s, time_s, self._said))
            self._since_s = time_s
        self._said = said

    def _seizures(self, spans: list[Span], *, is_on: bool) -> list[JournalSeizure]:
        told = sorted(self.seizures, key=lambda rows: rows[0]["declared_s"])
        found = []
        for rows, following in itertools.pairwise([*told, None]):
            assert rows is not None
            declared_s, last = rows[0]["declared_s"], rows[-1]
            before_s = math.inf if following is None else following[0]["onset_s"]
            seen = [
                min(span.end_s, before_s)
                for span in spans
                if span.said == SEIZURE and declared_s < span.end_s and span.start_s < before_s
            ]
            outcome = Outcome(last["outcome"])
            if outcome is Outcome.ONGOING and not (is_on and following is None):
                outcome = Outcome.UNKNOWN
            found.append(
                JournalSeizure(
                    last["id"], rows[0]["onset_s"], declared_s, last["offset_s"], max([declared_s, *seen]),
                    max(row["peak_probability"] for row in rows), outcome,
                )
            )  # fmt: skip
        # A state without its row: of a seizure that was said, nothing but that is known.
        found += [
            JournalSeizure("", span.start_s, span.start_s, None, span.end_s, math.nan, Outcome.UNKNOWN)
            for span in spans
            if span.said == SEIZURE and not any(s.onset_s < span.end_s and span.start_s < s.end_s for s in found)
        ]
        return sorted(found, key=lambda seizure: seizure.onset_s)


def is_watched(said: str) -> bool:
    """Whether a seizure would have been seen."""
    return said in (SEIZURE, NON_SEIZURE)


def _without(span: Span, silences: list[tuple[float, float]]) -> Iterator[Span]:
    """Yield the span in parts: what of it was silence was not watched, whatever was said before."""
    start_s = span.start_s
    for begin_s, until_s in silences:
        begin_s, until_s = max(begin_s, start_s), min(until_s, span.end_s)
        if is_watched(span.said) and begin_s < until_s:
            if start_s < begin_s:
                yield Span(start_s, begin_s, span.said)
            yield Span(begin_s, until_s, f"{NOT_MONITORING}/{RowKind.SILENCE}")
            start_s = until_s
    if start_s < span.end_s:
        yield Span(start_s, span.end_s, span.said)
