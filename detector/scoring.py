"""Offline scoring: a recording through the same pipeline as a live bed, flat out."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detector.decision import Decision
from detector.errors import BadDataError, DetectorError
from detector.messages import Chunk, Event, Gap, Outcome, Reset, State, Status
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
    """What the detector said about a recording; times are seconds from its start, of a step's end."""

    duration_s: float
    events: tuple[ScoredEvent, ...]
    steps: tuple[Status, ...]
    monitored_s: float
    resets: int


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
        Called once a step with the seconds of the recording that are done.

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
    period = 1 / recording.description.rate_hz
    steps: list[Status] = []
    events: list[ScoredEvent] = []
    resets, last_s = 0, 0.0
    for message in itertools.chain(recording.messages(chunk_samples), [None]):
        if isinstance(message, Chunk):
            last_s = float(message.timestamps[-1])
        elif message is not None:
            resets += 1
        message = message or Gap(last_s, math.nan, Reset.END)
        for said in pipeline.process(message):
            if isinstance(said, Status):
                steps.append(said)
                on_progress(said.time_s)
            elif isinstance(said, Event) and said.outcome is not Outcome.ONGOING:
                # Where its end was not seen, it lasts as long as the signal does.
                lost_s = message.start_s if isinstance(message, Gap) else steps[-1].time_s
                events.append(
                    ScoredEvent(
                        onset_s=max(said.onset_s + period, 0.0),
                        offset_s=(lost_s if said.offset_s is None else said.offset_s) + period,
                        peak_probability=said.peak_probability,
                        declared_s=said.declared_s + period,
                        outcome=said.outcome,
                    )
                )
    monitored = sum(step.state is not State.NOT_MONITORING for step in steps)
    if not monitored:
        frame_s = bundle.card.frame_samples / bundle.card.rate_hz
        causes = sorted({str(step.cause) for step in steps}) or [f"shorter than a frame of {frame_s:g} s"]
        raise BadDataError(
            f"nothing of its {recording.duration_s:.1f} s could be monitored ({', '.join(causes)}; warm-up takes "
            f"{pipeline.decision.config.warm_up_s:g} s); a result would say nothing about seizures"
        )
    return Scored(
        duration_s=recording.duration_s,
        events=tuple(events),
        steps=tuple(steps),
        monitored_s=monitored * bundle.card.step_s,
        resets=resets,
    )


def events_tsv(scored: Scored, recording: Recording) -> str:
    """Return the events as SzCORE's TSV; a ``bckg`` row where there is no seizure."""
    started = recording.start.strftime("%Y-%m-%d %H:%M:%S") if recording.start else "n/a"
    rows = [
        (f"{e.onset_s:.3f}", f"{e.offset_s - e.onset_s:.3f}", "sz", f"{e.peak_probability:.4f}") for e in scored.events
    ] or [("0.000", f"{scored.duration_s:.3f}", "bckg", "n/a")]
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join((*row, "n/a", started, f"{scored.duration_s:.3f}")) for row in rows]
    return "\n".join(lines) + "\n"


def steps_csv(scored: Scored, rate_hz: float) -> str:
    """Return one line for each step; the probability is ``nan`` where nothing was monitored."""
    lines = ["time_s,probability,state,good_channels"]
    lines += [
        f"{step.time_s + 1 / rate_hz:.4f},{step.probability:.7f},{step.state:d},{step.good_channels}"
        for step in scored.steps
    ]
    return "\n".join(lines) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all; a device or a pipe is just written to.

    Raises
    ------
    DetectorError
        When it cannot be written; what was there before is still there.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        path = path.resolve()  # a link stays a link
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
    except OSError as error:
        raise DetectorError(f"cannot write {path}: {error.strerror}") from error
