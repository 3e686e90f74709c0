"""The morning report: one HTML file with everything in it, to be read, printed on A4 and kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from html import escape

from detector import __version__
from detector.client.view import meaning
from detector.evaluation.plots import png
from detector.messages import Outcome
from detector.morning_report.eeg import BAND_HZ, Eeg
from detector.morning_report.figures import eeg_figure, timeline_figure
from detector.morning_report.local_time import LocalTime
from detector.morning_report.markup import CSS, figure, hours_of, length_of, lines, table, text_of
from detector.morning_report.night import Night, NightEvent
from detector.morning_report.page_file import BIN_S, Deed
from detector.morning_report.timeline import Kind, Stretch, hours_by
from detector.printable import printable

_MOST_ROWS = 200  # a stream that comes and goes all night makes thousands
_CAUSES = {  # what the journal says beside the outlet's words
    "stopped": "the detector was stopped",
    "crashed": "the detector had ended without saying so",
    "silence": "the detector or its machine stood still",
    "rows-lost": "rows of the journal could not be written",
    "damaged": "rows of the journal are damaged",
    "missing": "rows of the journal are missing",
    "unknown": "the journal says nothing",
}
_OUTCOMES = {
    Outcome.ENDED: "ended",
    Outcome.ONGOING: "going on when this was written",
    Outcome.UNKNOWN: "unknown: its end was not seen",
}


def html(night: Night, time: LocalTime | None = None) -> str:
    """Return the report.

    Parameters
    ----------
    night
        What is known.
    time
        Whose clock it is told by; this machine's where none is given.
    """
    time = time or LocalTime()
    title = f"Bed {printable(night.bed)}, {time.moment(night.since_s)} to {time.moment(night.until_s)}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *_introduction(night, time),
        *_counts(night),
        figure(
            png(timeline_figure(night, time)),
            "state, probability, burden and good channels over the span",
            "Hatched is what was not monitored or of which nothing is known: it does not say that there was no "
            "seizure. Triangles are onsets, crosses false-alarm labels, plus signs missed-seizure labels. "
            "Probability, burden and good channels are what the bedside page saw in "
            f"{BIN_S} s each: the highest, the last and the fewest; where it saw nothing there is no line.",
        ),
        *_unwatched(night, time),
        *_events(night, time),
        *_labels(night, time),
        *_alarms(night, time),
        *_quality(night),
        *_conditions(night, time),
        f'<p class="small">seizure-detector {escape(__version__)}. Research software: not a medical device.</p>',
    ]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def words_of(stretch: Stretch) -> str:
    """Return what was said in words."""
    cause = stretch.said.partition("/")[2]
    return _CAUSES.get(cause) or meaning(stretch.said)


def _introduction(night: Night, time: LocalTime) -> list[str]:
    zones = time.zones(night.since_s, night.until_s)
    said = f"Times are local times, {zones[0][1]}."
    said += "".join(f" From {time.moment(at_s)} on the zone is {name}." for at_s, name in zones[1:])
    told = [said]
    for at_s, step_s in night.clock_steps:
        how = f"{abs(step_s):.0f} s {'ahead' if step_s > 0 else 'back'}"
        told.append(
            f"The machine's clock was set {how} at {time.moment(at_s)}: times on both sides do not fit together."
        )
    told.append(f"Detector: {'; '.join(night.programs) or 'not known'}.")
    if isinstance(night.page, str):
        told.append(f"Probability, burden, alarms and labels are not known: {night.page}.")
    elif not night.page.bins:
        told.append("Probability and burden are not known: the bedside page did not see this bed in the span.")
    told.append(f"Clips: {night.clips}.")
    return ["<ul>", *(f"<li>{text_of(line)}</li>" for line in told), "</ul>"]


def _counts(night: Night) -> list[str]:
    hours: dict[Kind, float] = defaultdict(float)
    for stretch in night.timeline:
        hours[stretch.kind] += stretch.length_s / 3600
    by_word = hours_by(night.timeline)
    words = {stretch.said: stretch for stretch in night.timeline if stretch.kind is Kind.NOT_MONITORED}
    rows = [("monitored", hours_of(hours[Kind.SEIZURE] + hours[Kind.NON_SEIZURE]))]
    rows.append(("not monitored", hours_of(hours[Kind.NOT_MONITORED])))
    rows += [
        (f"— {words_of(words[said])} ({said.partition('/')[2]})", hours_of(by_word[said]))
        for said in sorted(words, key=lambda said: -by_word[said])
    ]
    rows.append(("nothing is known", hours_of(hours[Kind.UNKNOWN])))
    unknown = sum(event.seizure.outcome is Outcome.UNKNOWN for event in night.events)
    rows.append(("seizures", f"{len(night.events)}" + (f", {unknown} of unknown outcome" if unknown else "")))
    if isinstance(night.page, str):
        rows += [(name, "not known") for name in ("alarms", "false-alarm labels", "missed-seizure labels")]
    else:
        raised = Counter(deed.kind for deed in night.page.raised())
        kinds = ", ".join(f"{n} {kind}" for kind, n in raised.items())
        rows.append(("alarms of the bedside page", f"{raised.total()}" + (f": {kinds}" if kinds else "")))
        labels = Counter(label.kind for label in night.page.standing_labels())
        rows += [(f"{kind} labels", str(labels[kind])) for kind in ("false-alarm", "missed-seizure")]
    rows.append(("starts of the detector", f"{night.starts}, {night.crashes} after a crash"))
    return ["<h2>Counts</h2>", *table((), rows, numbers=(1,))]


def _unwatched(night: Night, time: LocalTime) -> list[str]:
    found = [s for s in night.timeline if s.kind in (Kind.NOT_MONITORED, Kind.UNKNOWN)]
    if not found:
        return ["<h2>Not monitored</h2><p>All of the span was monitored.</p>"]
    longest = sorted(found, key=lambda s: -s.length_s)[:_MOST_ROWS]
    listed = sorted(longest, key=lambda s: s.start_s)
    rows = [
        (time.moment(s.start_s), time.moment(s.end_s), length_of(s.length_s), f"{s.kind.value}: {words_of(s)}")
        for s in listed
    ]
    left_h = (sum(s.length_s for s in found) - sum(s.length_s for s in listed)) / 3600
    if len(listed) < len(found):
        rows.append(("", "", hours_of(left_h), f"in {len(found) - len(listed)} shorter stretches that are not listed"))
    return ["<h2>Not monitored</h2>", *table(("from", "to", "for", "why"), rows, numbers=(2,))]


def _events(night: Night, time: LocalTime) -> list[str]:
    if not night.events:
        holes = any(s.kind in (Kind.NOT_MONITORED, Kind.UNKNOWN) for s in night.timeline)
        said = "No seizure was declared in what was monitored" + (", which was not all of the span." if holes else ".")
        return [f"<h2>Seizures</h2><p>{said}</p>"]
    parts = [f"<h2>Seizures ({len(night.events)})</h2>"]
    for number, event in enumerate(night.events, start=1):
        parts += _event(number, event, night, time)
    return parts


def _event(number: int, event: NightEvent, night: Night, time: LocalTime) -> list[str]:
    seizure = event.seizure
    length_s, seen = event.length_s, f"seen until {time.moment(event.last_seen_s)}"
    rows = [
        ("onset", time.moment(event.onset_s)),
        ("declared", f"{time.moment(event.declared_s)}, {event.declared_s - event.onset_s:.1f} s later"),
        ("offset", seen if length_s is None or event.offset_s is None else time.moment(event.offset_s)),
        ("duration", "not known" if length_s is None else length_of(length_s)),
        ("outcome", _OUTCOMES[seizure.outcome]),
        (
            "peak probability",
            f"{seizure.peak_probability:.2f}" if seizure.peak_probability >= 0 else "not known",
        ),
        ("event", seizure.id or "not known"),
    ]
    if isinstance(night.page, str):
        rows.append(("acknowledged and labelled", "not known"))
    else:
        done = [deed for deed in event.deeds if deed.who]
        rows.append(("acknowledged", lines(_deed(deed, time) for deed in done) or _nobody(event)))
        given = (f"{one.kind}, {one.who or 'nameless'} at {time.moment(one.time_s)}" for one in event.labels)
        rows.append(("labels", lines(given) or "none"))
    parts = [f'<section class="event"><h3>Seizure {number}</h3>', *table((), rows)]
    if isinstance(event.eeg, Eeg):
        offset_s = None if length_s is None else length_s
        drawn = png(eeg_figure(event.eeg, event.declared_s - event.onset_s, offset_s))
        caption = (
            f"{event.eeg.file}, channels as received, {BAND_HZ[0]:g} to {BAND_HZ[1]:g} Hz. "
            "Hatched is what was not received. The clip has all, unfiltered."
        )
        parts.append(figure(drawn, f"EEG around the onset of seizure {number}", caption))
    else:
        parts.append(f"<p>The EEG is not shown: {text_of(event.eeg)}.</p>")
    return [*parts, "</section>"]


def _nobody(event: NightEvent) -> str:
    return "by nobody" if event.deeds else "not known: the bedside page has no alarm of it"


def _deed(deed: Deed, time: LocalTime) -> str:
    return f"{deed.action} by {deed.who} at {time.moment(deed.time_s)}"


def _labels(night: Night, time: LocalTime) -> list[str]:
    rows = [
        (time.moment(one.at_s), one.kind, one.who or "nameless", time.moment(one.time_s)) for one in night.known.labels
    ]
    return ["<h2>Labels</h2>", *table(("moment", "label", "by", "given"), rows)] if rows else []


def _alarms(night: Night, time: LocalTime) -> list[str]:
    rows = []
    for alarm in night.known.raised():
        later = [deed for deed in night.known.deeds_of([alarm.alarm_id]) if deed is not alarm]
        said = [f"{deed.action}{f' by {deed.who}' if deed.who else ''} {time.clock(deed.time_s)}" for deed in later]
        rows.append(
            (
                time.moment(alarm.time_s),
                alarm.kind,
                alarm.text,
                lines(said) or "stands, and nobody has acknowledged it",
            )
        )
    return ["<h2>Alarms of the bedside page</h2>", *table(("raised", "alarm", "text", "then"), rows)] if rows else []


def _quality(night: Night) -> list[str]:
    parts = ["<h2>Signal quality per channel</h2>"]
    drawn = [(number, event.eeg) for number, event in enumerate(night.events, 1) if isinstance(event.eeg, Eeg)]
    counted = [one.good_channels for one in night.known.bins if one.good_channels is not None]
    if counted:
        parts.append(
            f"<p>Good channels, as the bedside page saw them in {len(counted) * BIN_S / 3600:.2f} h: fewest "
            f"{min(counted)}, most {max(counted)}; which ones were bad is not kept.</p>"
        )
    if not drawn:
        return [*parts, "<p>Of single channels nothing is known: there is no clip that can be read.</p>"]
    parts.append(
        "<p>Known only in the clips, of whole seconds that were received; the rest of the span is not known.</p>"
    )
    for number, eeg in drawn:
        rows = [(q.label, f"{q.median_uv:.0f}", f"{q.flat:.0%}", f"{q.huge:.0%}") for q in eeg.quality]
        heads = ("channel", "median peak-to-peak of a second, µV", "seconds flat", "seconds too large for EEG")
        parts += [f"<h3>Seizure {number}, {eeg.length_s:.0f} s</h3>", *table(heads, rows, numbers=(1, 2, 3))]
    return parts


def _conditions(night: Night, time: LocalTime) -> list[str]:
    rows = [
        (
            one.kind,
            one.priority,
            str(one.raised) if one.raised else "before the span",
            time.moment(one.first_s),
            time.moment(one.last_s),
            "stands" if one.stands else "cleared, or the detector began anew",
            one.text,
        )
        for one in night.conditions
    ]
    heads = ("condition", "priority", "raised", "first said", "last said", "at the end", "last text")
    if not rows:
        return ["<h2>Technical conditions</h2><p>The journal has none in the span.</p>"]
    return ["<h2>Technical conditions</h2>", *table(heads, rows)]
