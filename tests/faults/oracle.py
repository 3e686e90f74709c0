"""The one oracle of all faults: what the daemon may say, and must, while this or that is so.

A test says what was so, and how long (`Stretch`); the oracle looks at all that was recorded from outside and returns
what was wrong with it, rule by rule as FAULTS numbers them:

1. never ``non-seizure`` while monitoring is untrue,
2. ``not-monitoring`` with the right cause within its limit,
3. recovery without an operator once the fault ends,
4. no crash, bounded memory, threads and file descriptors,
5. the outlets agree, with the journal too,
6. another bed is unaffected.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detector.messages import State
from tests.faults.recording import Marker, Recording, Sample

SILENCE_S = 2.0  # of the status outlet: a step of half a second, on a machine that has other things to do
GROWTH_MB = 60.0
GROWTH_THREADS = 4  # between the beginning and the end of a test
GROWTH_FILES = 6
MOST_THREADS = 60  # at any time, over the beginning


@dataclass(frozen=True)
class Stretch:
    """What is so from ``start_s`` to ``end_s``.

    Parameters
    ----------
    watchable
        Whether the amplifier gives what can be watched; ``None`` where either may be said.
    within_s
        The limit: after so long it is said.
    causes
        Where it cannot be watched, the causes one of which must be said.
    not_before_s
        Where it can be watched and could not before: what must have passed, the warm-up at least.
    """

    start_s: float
    end_s: float
    watchable: bool | None
    within_s: float = 0.0
    causes: tuple[str, ...] = ()
    not_before_s: float = 0.0

    @property
    def due_s(self) -> float:
        """When it must have been said."""
        return self.start_s + self.within_s


@dataclass(frozen=True)
class Measured:
    """What the benchmark tells: (s) from what happened to what was said, and how often the lie was told."""

    notice_s: tuple[float, ...]
    recover_s: tuple[float, ...]
    false_non_seizure: int


def judge(
    recording: Recording,
    stretches: Sequence[Stretch],
    neighbour: Recording | None = None,
    silence_s: float = SILENCE_S,
) -> list[str]:
    """Return what was wrong; nothing where all is well.

    Parameters
    ----------
    recording
        From the first stretch's start to the last one's end.
    stretches
        In order, without holes.
    neighbour
        Another bed with a healthy amplifier in the same time.
    silence_s
        How long the status outlet may say nothing.
    """
    return [
        *_untrue(recording, stretches),
        *_unnoticed(recording, stretches),
        *_not_recovered(recording, stretches),
        *_unsound(recording, silence_s),
        *_contradicting(recording),
        *(_disturbed(neighbour) if neighbour is not None else ()),
    ]


def measure(recording: Recording, stretches: Sequence[Stretch]) -> Measured:
    """Return how soon things were noticed and recovered from."""
    notice, recover = [], []
    for before, now in itertools.pairwise(stretches):
        samples = [s for s in recording.samples if now.start_s <= s.arrived_s <= now.end_s]
        watched = [s.arrived_s for s in samples if s.state is not State.NOT_MONITORING]
        unwatched = [s.arrived_s for s in samples if s.state is State.NOT_MONITORING]
        if before.watchable and now.watchable is False and unwatched:
            notice.append(unwatched[0] - now.start_s)
        if before.watchable is False and now.watchable and watched:
            recover.append(watched[0] - now.start_s)
    return Measured(tuple(notice), tuple(recover), len(list(_untrue(recording, stretches))))


def _untrue(recording: Recording, stretches: Sequence[Stretch]) -> Iterator[str]:
    """Rule 1; a marker and a sample that say the same are two complaints."""
    said = [(m.arrived_s, "marker") for m in recording.markers if m.state == State.NON_SEIZURE.label]
    said += [(s.arrived_s, "status") for s in recording.samples if s.state is State.NON_SEIZURE]
    for before, now in zip((None, *stretches), stretches, strict=False):
        for arrived_s, what in sorted(said):
            if not now.start_s <= arrived_s < now.end_s:
                continue
            since_s = arrived_s - now.start_s
            if now.watchable is False and since_s > now.within_s:
                yield f"1: a {what} says non-seizure {since_s:.2f} s into what is {'/'.join(now.causes)}"
            if now.watchable and since_s < now.not_before_s and (before is None or before.watchable is False):
                yield f"1: a {what} says non-seizure {since_s:.2f} s after the fault, before the warm-up is over"
    for sample in recording.samples:
        if sample.state is State.NOT_MONITORING and not math.isnan(sample.probability):
            yield f"1: a probability of {sample.probability} is said while nothing is watched"


def _unnoticed(recording: Recording, stretches: Sequence[Stretch]) -> Iterator[str]:
    """Rule 2."""
    for stretch in stretches:
        if stretch.watchable is not False or not stretch.causes or stretch.end_s < stretch.due_s:
            continue
        standing = _standing(recording.markers, stretch)
        if not standing & set(stretch.causes):
            yield (
                f"2: not-monitoring/{' or '.join(stretch.causes)} is not said within {stretch.within_s:g} s; "
                f"it says {', '.join(sorted(standing)) or 'nothing'}"
            )
        seizures = [s for s in _during(recording.samples, stretch) if s.state is State.SEIZURE]
        if seizures and stretch.due_s < seizures[-1].arrived_s:
            late_s = seizures[-1].arrived_s - stretch.start_s
            yield f"2: a seizure is still said {late_s:.1f} s into what is not watched"


def _standing(markers: Sequence[Marker], stretch: Stretch) -> set[str]:
    """Return the states that stood at some time until the limit, those of not-monitoring by their cause."""
    before = [m for m in markers if m.state and m.arrived_s < stretch.start_s][-1:]
    until_due = [m for m in markers if m.state and stretch.start_s <= m.arrived_s <= stretch.due_s]
    return {m.cause or m.state for m in (*before, *until_due)}


def _not_recovered(recording: Recording, stretches: Sequence[Stretch]) -> Iterator[str]:
    """Rule 3; and what is watched again stays so."""
    for stretch in stretches:
        if not stretch.watchable:
            continue
        samples = _during(recording.samples, stretch)
        first = next((s.arrived_s for s in samples if s.state is not State.NOT_MONITORING), math.inf)
        unwatched = [s for s in samples if s.state is State.NOT_MONITORING and s.arrived_s > first]
        if first > stretch.due_s and stretch.end_s > stretch.due_s:
            yield f"3: nothing is watched {stretch.within_s:g} s after the fault's end"
        elif unwatched:
            yield f"3: watched {first - stretch.start_s:.1f} s after the fault's end, and then not"


def _unsound(recording: Recording, silence_s: float) -> Iterator[str]:
    """Rule 4, and no silence."""
    for what in recording.ended:
        yield f"4: {what} has ended"
    for a, b in itertools.pairwise(recording.samples):
        if b.arrived_s - a.arrived_s > silence_s:
            yield f"4: the status is silent for {b.arrived_s - a.arrived_s:.1f} s"
        if b.stamp_s < a.stamp_s:
            yield f"4: a status goes back by {a.stamp_s - b.stamp_s:.3f} s"
    for one, next_one in itertools.pairwise(recording.markers):
        if next_one.stamp_s < one.stamp_s:
            yield f"4: the marker {next_one.text} goes back by {one.stamp_s - next_one.stamp_s:.3f} s"
    if not recording.vitals:
        return
    first, last = recording.vitals[0], recording.vitals[-1]
    most = max(v.threads for v in recording.vitals)
    for what, before, after, growth in (
        ("MB of memory", first.rss_mb, last.rss_mb, GROWTH_MB),
        ("threads", first.threads, last.threads, GROWTH_THREADS),
        ("threads at one time", first.threads, most, MOST_THREADS),
        ("open files", first.files, last.files, GROWTH_FILES),
    ):
        if after - before > growth:
            yield f"4: {before:.0f} {what} have become {after:.0f}"


def _contradicting(recording: Recording) -> Iterator[str]:
    """Rule 5: the states in order; the status has no causes, and is the first to be heard of."""
    by_markers = [state for state, _ in itertools.groupby(m.state for m in recording.markers if m.state)]
    by_status = [state for state, _ in itertools.groupby(s.state.label for s in recording.samples)]
    if by_status[1:] and by_status[1:] == by_markers:
        return  # it was in that state before the first marker
    if by_markers != by_status:
        yield f"5: the events outlet says {', '.join(by_markers)}; the status outlet {', '.join(by_status)}"


def _disturbed(neighbour: Recording) -> Iterator[str]:
    """Rule 6."""
    other = [s for s in neighbour.samples if s.state is not State.NON_SEIZURE]
    if other:
        yield f"6: the other bed says {other[0].state.label} meanwhile"
    if len(neighbour.samples) < 2:
        yield "6: the other bed says nothing meanwhile"
    yield from (complaint.replace("4:", "6: in the other bed", 1) for complaint in _unsound(neighbour, SILENCE_S))


def _during(samples: Sequence[Sample], stretch: Stretch) -> list[Sample]:
    return [s for s in samples if stretch.start_s <= s.arrived_s < stretch.end_s]
