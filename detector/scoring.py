"""Offline scoring: a recording through the same pipeline as a live bed, flat out."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from detector.decision import Decision
from detector.errors import BadDataError, DetectorError
from detector.messages import Cause, Chunk, Event, Gap, Outcome, Reset, State, Status
from detector.network.bundle import Bundle
from detector.pipeline import Conditioning, Network, Pipeline, SourceConfig, decision_config
from detector.review import ReviewNetwork, ReviewPipeline
from detector.source.recording import Recording, Source

# The columns of SzCORE and BIDS events (https://eslweb.epfl.ch/epilepsybenchmarks).
COLUMNS = ("onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration")


@dataclass(frozen=True)
class ScoredEvent:
    """A seizure, in seconds from the recording's start; one whose end was not seen ends where the signal does."""

    onset_s: float
    offset_s: float
    peak_probability: float
    declared_s: float
    outcome: Outcome


@dataclass(frozen=True)
class Scored:
    """What the detector said about a recording.

    Parameters
    ----------
    duration_s
        Of the recording.
    events
        The seizures that were declared.
    background
        (start_s, end_s) of what was monitored and is in no event, from the recording's start.
    steps
        One status a step; ``time_s`` is that of the newest sample that it saw.
    monitored_s
        How much was monitored.
    unmonitored
        How much was not, by its cause, s.
    resets
        Session boundaries inside the recording.
    missing
        Derivations that the recording does not have.
    """

    duration_s: float
    events: tuple[ScoredEvent, ...]
    background: tuple[tuple[float, float], ...]
    steps: tuple[Status, ...]
    monitored_s: float
    unmonitored: dict[str, float]
    resets: int
    missing: tuple[str, ...]


def score(
    recording: Source,
    bundle: Bundle,
    network: Network | ReviewNetwork,
    *,
    source: SourceConfig | None = None,
    decision: dict[str, float] | None = None,
    chunk_samples: int = 4096,
    on_progress: Callable[[float], None] = lambda _seconds: None,
) -> Scored:
    """Return what the pipeline says about a recording.

    Parameters
    ----------
    recording, bundle, network
        The recording (or simulated EEG), and the model with its engine: a `ReviewNetwork` is told of a session as a
        whole.
    source, decision
        Departures from the defaults and from the card.
    chunk_samples
        How much is read at once; changes the speed only.
    on_progress
        Called once for each chunk that completes steps, with the seconds of the recording that are done.

    Raises
    ------
    BadDataError
        When the recording does not fit the montage, or not one step of it could be monitored.
    """
    conditioning = Conditioning(bundle.card, recording.description, source)
    decide = Decision(decision_config(bundle.card, decision))
    pipeline = (
        ReviewPipeline(conditioning, network, decide)
        if isinstance(network, ReviewNetwork)
        else Pipeline(conditioning, network, decide)
    )
    period, step_s = 1 / recording.description.rate_hz, bundle.card.step_s
    steps: list[Status] = []
    events: list[ScoredEvent] = []
    resets, last_s, watched_s = 0, 0.0, 0.0
    for message in itertools.chain(recording.messages(chunk_samples), [None]):
        if isinstance(message, Chunk):
            last_s = float(message.timestamps[-1])
        elif message is not None:
            resets += 1
        message, n_before = message or Gap(last_s, math.nan, Reset.END), len(steps)
        for said in pipeline.process(message):
            if isinstance(said, Status):
                steps.append(said)
                watched_s = said.time_s if _is_watched(said) else watched_s
            elif isinstance(said, Event) and said.outcome is not Outcome.ONGOING:
                # Where its end was not seen, it lasts as long as it could be watched.
                lost_s = message.start_s if isinstance(message, Gap) and _is_watched(steps[-1]) else watched_s
                events.append(
                    ScoredEvent(
                        onset_s=max(said.onset_s + period, 0.0),
                        offset_s=(lost_s if said.offset_s is None else said.offset_s) + period,
                        peak_probability=said.peak_probability,
                        declared_s=said.declared_s + period,
                        outcome=said.outcome,
                    )
                )
        if len(steps) > n_before:
            on_progress(steps[-1].time_s)
    watched = [step for step in steps if _is_watched(step)]
    if not watched:
        frame_s = bundle.card.frame_samples / bundle.card.rate_hz
        causes = sorted({str(step.cause) for step in steps}) or [f"shorter than a frame of {frame_s:g} s"]
        raise BadDataError(
            f"nothing of its {recording.duration_s:.1f} s could be monitored ({', '.join(causes)}; warm-up takes "
            f"{pipeline.decision.config.warm_up_s:g} s); a result would say nothing about seizures"
        )
    spans = [(max(step.time_s + period - step_s, 0.0), step.time_s + period) for step in watched]
    not_watched = Counter(str(step.cause or Cause.POOR) for step in steps if not _is_watched(step))
    return Scored(
        duration_s=recording.duration_s,
        events=tuple(events),
        background=tuple(outside(spans, [(event.onset_s, event.offset_s) for event in events], period)),
        steps=tuple(steps),
        monitored_s=len(watched) * step_s,
        unmonitored={cause: n * step_s for cause, n in not_watched.items()},
        resets=resets,
        missing=conditioning.montage.missing,
    )


def _is_watched(step: Status) -> bool:
    """Whether the step was judged; a seizure stays declared for a while on a signal that cannot be."""
    return step.state is not State.NOT_MONITORING and math.isfinite(step.probability)


def outside(
    spans: Sequence[tuple[float, float]], events: Sequence[tuple[float, float]], period: float
) -> Iterator[tuple[float, float]]:
    """Join spans that follow one another, and yield what of them is in no event and longer than ``period`` s."""
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        follows = joined and abs(start - joined[-1][1]) < period
        joined[-1:] = [(joined[-1][0], end)] if follows else [*joined[-1:], (start, end)]
    for start, end in joined:
        for onset, offset in sorted(events):
            if onset < end and offset > start:
                if onset - start > period:
                    yield start, onset
                start = max(start, offset)
        if end - start > period:
            yield start, end


def events_tsv(scored: Scored, recording: Recording) -> str:
    """Return SzCORE's TSV: a row for each seizure, and a ``bckg`` row where it was monitored and there was none.

    What is in no row was not monitored.
    """
    rows = [(e.onset_s, e.offset_s, "sz", f"{e.peak_probability:.4f}") for e in scored.events]
    rows += [(start_s, end_s, "bckg", "n/a") for start_s, end_s in scored.background]
    return szcore_tsv(rows, recording.start, scored.duration_s)


def szcore_tsv(
    rows: Iterable[tuple[float, float, str, str, *tuple[str, ...]]],
    start: datetime | None,
    duration_s: float,
    more_columns: Sequence[str] = (),
) -> str:
    """Return rows as SzCORE writes them.

    Parameters
    ----------
    rows
        (start_s, end_s, eventType, confidence) of each, from the recording's start, then what ``more_columns`` name.
    start, duration_s
        Of the recording.
    """
    started = start.strftime("%Y-%m-%d %H:%M:%S") if start else "n/a"
    lines = ["\t".join((*COLUMNS, *more_columns))]
    for start_s, end_s, kind, confidence, *more in sorted(rows):
        # Of rounded times, so that rows that follow one another do not overlap.
        row = (
            f"{start_s:.3f}",
            f"{round(end_s, 3) - round(start_s, 3):.3f}",
            kind,
            confidence,
            "n/a",
            started,
            f"{duration_s:.3f}",
            *more,
        )
        lines.append("\t".join(row))
    return "\n".join(lines) + "\n"


def steps_csv(scored: Scored, rate_hz: float) -> str:
    """Return one line for each step; the probability is ``nan`` where nothing was monitored."""
    lines = ["time_s,probability,state,good_channels"]
    lines += [
        f"{step.time_s + 1 / rate_hz:.4f},{step.probability:.7f},{step.state:d},{step.good_channels}"
        for step in scored.steps
    ]
    return "\n".join(lines) + "\n"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that is there as a whole or not at all; a device or a pipe is just written to.

    Raises
    ------
    DetectorError
        When it cannot be written; what was there before is still there.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        path = path.resolve()  # a link stays a link
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
    except OSError as error:
        raise DetectorError(f"cannot write {path}: {error.strerror}") from error
