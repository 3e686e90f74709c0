"""What the doctor says of the streams in reach, and of the one that the bed is to watch."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator

import pylsl
from pylsl.util import InternalError, LostError
from pylsl.util import TimeoutError as LslTimeoutError

from detector.config import Config
from detector.doctor.finding import Finding, fail, ok, warn
from detector.doctor.lsl import OWN_SOURCE_ID, correction_s
from detector.errors import BadDataError, BundleError
from detector.messages import Chunk, Description
from detector.network.bundle import Card, load_bundle
from detector.pipeline import Conditioning, SourceConfig
from detector.sinks.lsl import SOURCE_ID_PREFIX
from detector.source.lsl_describe import printable
from detector.source.lsl_discover import Found, discover, reason
from detector.source.lsl_identity import shown
from detector.source.lsl_search import LslSearch
from detector.source.lsl_stream import Stream

_LOOK_S = 2.0
_FIND_S = 4.0
_SAMPLES_S, _ENOUGH_S = 3.0, 0.25
_PAUSE_S = 0.1
_EEG = "EEG"


def streams(config: Config | None, known: Config) -> Iterator[Finding]:
    """Yield a line for each stream in reach, and one for each identity that several of them claim.

    Parameters
    ----------
    config
        The bed's configuration, if there is a valid one.
    known
        The same, or the defaults: its model is what the streams must fit.
    """
    found = [one for one in discover(_LOOK_S) if not one.source_id.startswith(OWN_SOURCE_ID)]
    if not found:
        yield warn(
            "streams",
            f"none answered in {_LOOK_S:g} s",
            "start the amplifier's program; if it runs, see what is said of multicast and sessions, and its firewall",
        )
        return
    yield from _doubles(found)
    card = _card(known)
    for one in found:
        yield _line(one, card, known, is_asked=config is None)


def _doubles(found: list[Found]) -> Iterator[Finding]:
    by_id: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        if one.source_id:
            by_id[one.source_id].append(one)
    doubles = {source_id: several for source_id, several in by_id.items() if len(several) > 1}
    if not doubles:
        yield ok("source ids", f"{len(found)} streams, no two with the same one")
    for source_id, several in doubles.items():
        listed = ", ".join(f"{one.name!r} on {one.hostname!r}" for one in several)
        ours = source_id.startswith(SOURCE_ID_PREFIX)
        yield fail(
            "source ids",
            f"{len(several)} streams say they are {source_id!r}: {listed}",
            "two detectors have the same bed's name: give each its own"
            if ours
            else "one of them is a copy or an imposter: give each its own, or tell them apart by [source] hostname",
        )


def _line(one: Found, card: Card | None, known: Config, *, is_asked: bool) -> Finding:
    check = f"stream {one.name!r}"
    clock = "clock not measured" if one.correction_s is None else f"clock {one.correction_s:+.6f} s off"
    rate = f"{one.rate_hz:g} Hz" if one.rate_hz > 0 else "irregular"
    text = f"on {one.hostname!r}, {one.type}, {one.n_channels} channels, {rate}, {clock}"
    if one.source_id.startswith(SOURCE_ID_PREFIX):
        return ok(check, f"{text}: a detector's own")
    if card is None:
        return ok(check, text)
    why_not = reason(one, lambda description: _why_not(card, description, known))
    if not why_not:
        return ok(check, f"{text}; fits {card.id}")
    if is_asked and one.type.upper() == _EEG:
        return warn(check, f"{text}; does not fit {card.id}: {why_not}", "correct it, if it is the one to be watched")
    return ok(check, f"{text}; could not be watched: {why_not}")


def _why_not(card: Card, description: Description, config: Config) -> str:
    try:
        Conditioning(card, description, SourceConfig(config.source.match, config.source.stand_ins))
    except BadDataError as error:
        return str(error)
    return ""


def _card(config: Config) -> Card | None:
    """Return the card of the model; ``None`` where it cannot be read, which another line says."""
    try:
        return load_bundle(config.model.bundle).card
    except BundleError:
        return None


def source(config: Config) -> Iterator[Finding]:
    """Look for the bed's stream and connect to it as the daemon does."""
    search = LslSearch(config.source)  # raises what is wrong with the predicate
    ends_s = time.monotonic() + _FIND_S
    while not ((found := search.found()) and search.settled) and time.monotonic() < ends_s:
        time.sleep(_PAUSE_S)
    search.rest()
    if not found and search.refused_here is not None:
        info, why = search.refused_here
        yield fail("source", f"{shown(info)}: {why}", "find out who sends it, or correct hostname in [source]")
        return
    if not found:
        yield warn(
            "source",
            f"no stream matches {search.predicate}",
            "start the amplifier's program, or correct [source] by what `seizure-detector discover` lists",
        )
        return
    if len(found) > 1:
        yield fail(
            "source",
            f"{len(found)} streams match {search.predicate}, expected one: {'; '.join(map(shown, found))}",
            "set source_id or hostname in [source] so that only one matches",
        )
        return
    yield from _identity(found[0], config)
    try:
        stream = Stream(found[0], config.source)
    except BadDataError as error:
        yield fail("source metadata", str(error), "correct the sender, or [source]")
        return
    except (LostError, InternalError, LslTimeoutError) as error:
        yield fail(
            "source connection",
            f"it does not answer ({type(error).__name__})",
            "let TCP of LSL's ports pass its firewall",
        )
        return
    try:
        yield from _connected(stream, found[0], config)
    finally:
        stream.close()


def _identity(info: pylsl.StreamInfo, config: Config) -> Iterator[Finding]:
    if not info.source_id():
        advice = "let the sender give its outlet a source_id: a restart of it could not be told from another stream"
        yield warn("source", f"{shown(info)} has no source_id", advice)
    elif not config.source.hostname:
        yield warn(
            "source",
            f"{shown(info)} is the only one, but its machine is not pinned: LSL lets anybody say the same of himself",
            f"set hostname = {printable(info.hostname())!r} in [source]",
        )
    else:
        yield ok("source", f"{shown(info)} is the only one")


def _connected(stream: Stream, info: pylsl.StreamInfo, config: Config) -> Iterator[Finding]:
    description = stream.description
    units = ", ".join(sorted({unit or "none" for unit in description.units}))
    card = _card(config)
    if card is None:
        yield fail(
            "source montage", "cannot be compared with the model, which cannot be read", "see the line of the model"
        )
    elif why_not := _why_not(card, description, config):
        yield fail(
            "source montage",
            f"it does not fit {card.id} (units: {units}): {why_not}",
            "correct the sender, or [source]",
        )
    else:
        montage = Conditioning(card, description, SourceConfig(config.source.match, config.source.stand_ins)).montage
        text = f"fits {card.id}; units: {units}{''.join(f'; {note}' for note in montage.notes)}"
        if montage.missing:
            yield warn(
                "source montage", f"{text}; missing {', '.join(montage.missing)}", "they are masked: detection is worse"
            )
        else:
            yield ok("source montage", text)
    yield _samples(stream, config)
    offset_s = correction_s(info)
    if offset_s is None:
        yield warn(
            "source clock",
            "its clock cannot be measured: UDP is blocked between the two machines",
            "let UDP of LSL's ports pass both firewalls; until then stamps are taken from the samples' arrival",
        )
    else:
        yield ok("source clock", f"{offset_s:+.6f} s off this machine's, and corrected")


def _samples(stream: Stream, config: Config) -> Finding:
    ends_s = time.monotonic() + _SAMPLES_S
    n_samples = 0
    while time.monotonic() < ends_s and n_samples < _ENOUGH_S * stream.description.rate_hz:
        n_samples += sum(len(came.timestamps) for came in stream.pull(1) if isinstance(came, Chunk))
    if not n_samples or stream.newest_s is None:
        return warn("source samples", f"none in {_SAMPLES_S:g} s", "is the amplifier on standby?")
    age_s = pylsl.local_clock() - stream.newest_s
    if age_s > config.source.stall_s and not config.source.replay:
        return fail(
            "source samples",
            f"{age_s:.1f} s old when they arrive, expected {config.source.stall_s:g} s at most",
            "look at the network, and at what the sender takes for the time of a sample",
        )
    return ok("source samples", f"they come, {max(age_s, 0):.2f} s old")
