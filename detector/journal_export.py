"""A journal in the forms that other programs read. What was not watched is written down as well, never left out.

* SzCORE/BIDS: a folder for each boot of the machine, as the LSL clock of a boot is the one that never steps, with
  ``*_events.tsv`` (rows ``sz``, and ``bckg`` only where it was watched and there was none) and ``*_notmonitored.tsv``
  beside it, with what nobody watched, and why. A boot in which nothing at all was watched has no events file: one
  without rows would pass for "no seizure".
* EDF+ annotations and CSV: one file in UTC, with every stretch of time under the word of the events outlet.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from detector import __version__
from detector.errors import BadDataError, DetectorError
from detector.journal_spans import NON_SEIZURE, NOT_MONITORING, SEIZURE, JournalSeizure, Watch, is_watched
from detector.messages import Outcome
from detector.scoring import outside, szcore_tsv, write_whole

_JOIN_S = 0.001  # files say milliseconds
_SET_BACK_S = 1.0  # by less than this a wall clock is corrected, by more it was set
_EDF_YEARS = range(1985, 2085)
_CSV_COLUMNS = (
    "said", "outcome", "start_utc", "end_utc", "duration_s", "last_seen_utc", "peak_probability", "event_id", "boot",
    "start_lsl_s", "last_seen_lsl_s",
)  # fmt: skip


@dataclass(frozen=True)
class Stretch:
    """A time, s on the LSL clock of its boot, what was said in it, and of a seizure which one it is."""

    start_s: float
    end_s: float
    said: str
    seizure: JournalSeizure | None = None


def stretches(watch: Watch) -> list[Stretch]:
    """Return the seizures, what was watched and in none of them, and what was not watched, in order.

    A seizure may have been going on where nobody watched, so the last may overlap the first.
    """
    seizures = [(s.onset_s, s.end_s) for s in watch.seizures]
    watched = [(span.start_s, span.end_s) for span in watch.spans if is_watched(span.said)]
    found = [Stretch(s.onset_s, s.end_s, SEIZURE, s) for s in watch.seizures]
    found += [Stretch(start_s, end_s, NON_SEIZURE) for start_s, end_s in outside(watched, seizures, _JOIN_S)]
    for said, group in itertools.groupby(watch.spans, key=lambda span: span.said):
        spans = [*group]
        if not is_watched(said):
            found.append(Stretch(spans[0].start_s, spans[-1].end_s, said))
    return sorted(found, key=lambda stretch: stretch.start_s)


def write_bids(folder: Path, watches: Sequence[Watch], bed: str) -> list[Path]:
    """Write a BIDS folder; return the files with events and spans.

    Raises
    ------
    DetectorError
        When something cannot be written.
    """
    written: list[Path] = []
    names: set[str] = set()
    subject = re.sub("[^A-Za-z0-9]", "", bed)
    try:
        folder.mkdir(exist_ok=True)
        for watch in watches:
            start = _utc(watch, watch.start_s)
            session = f"{start:%Y%m%dT%H%M%S}"
            # Without a battery its clock, a machine begins each boot at the same time.
            run = next(n for n in itertools.count() if f"{session}-{n}" not in names)
            names.add(f"{session}-{run}")
            eeg = folder / f"sub-{subject}" / f"ses-{session}" / "eeg"
            eeg.mkdir(parents=True, exist_ok=True)
            stem = eeg / f"sub-{subject}_ses-{session}_task-szMonitoring_run-{run:02d}"
            written += _write_watch(stem, watch, start)
        description = folder / "dataset_description.json"
        if not description.exists():
            write_whole(description, json.dumps(_description(bed), indent=1) + "\n")
    except OSError as error:
        raise DetectorError(f"cannot write {folder}: {error}") from error
    return written


def _write_watch(stem: Path, watch: Watch, start: datetime) -> list[Path]:
    events: list[tuple[float, float, str, str, str]] = []
    holes = ["\t".join(("onset", "duration", "cause", "dateTime", "recordingDuration"))]
    duration_s = watch.end_s - watch.start_s
    for stretch in _apart(stretches(watch)):
        start_s, end_s = (round(time_s - watch.start_s, 3) for time_s in (stretch.start_s, stretch.end_s))
        if stretch.seizure is not None:
            peak = stretch.seizure.peak_probability
            confidence = "n/a" if math.isnan(peak) else f"{peak:.4f}"
            events.append((start_s, end_s, "sz", confidence, stretch.seizure.outcome))
        elif stretch.said == NON_SEIZURE:
            events.append((start_s, end_s, "bckg", "n/a", "n/a"))
        else:
            cause = stretch.said.removeprefix(f"{NOT_MONITORING}/")
            length, started = f"{end_s - start_s:.3f}", f"{start:%Y-%m-%d %H:%M:%S}"
            holes.append("\t".join((f"{start_s:.3f}", length, cause, started, f"{duration_s:.3f}")))
    written = [stem.with_name(f"{stem.name}_notmonitored.tsv")]
    write_whole(written[0], "\n".join(holes) + "\n")
    path = stem.with_name(f"{stem.name}_events.tsv")
    if events:
        write_whole(path, szcore_tsv(events, start, duration_s, ("outcome",)))
        written.append(path)
    else:
        path.unlink(missing_ok=True)  # of an export before this one
    return written


def _apart(found: list[Stretch]) -> list[Stretch]:
    """Return stretches whose seizures do not overlap, as SzCORE's must not: the next one ends the one before.

    They do where a program was killed behind a declaration and before its next checkpoint, and it was declared anew.
    """
    onsets_s = [*(stretch.start_s for stretch in found if stretch.seizure is not None), math.inf]
    apart = []
    for stretch in found:
        if stretch.seizure is not None:
            onsets_s = onsets_s[1:]
            stretch = replace(stretch, end_s=min(stretch.end_s, onsets_s[0]))
        if stretch.end_s > stretch.start_s:
            apart.append(stretch)
    return apart


def _description(bed: str) -> dict[str, object]:
    return {
        "Name": f"What seizure-detector said at bed {bed}",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "seizure-detector", "Version": __version__}],
    }


def write_csv(path: Path, watches: Sequence[Watch]) -> None:
    """Write a table with a row for each stretch of time, also for those between two boots.

    A seizure whose end was not seen has no end and no duration; until when it was seen is in a column of its own.

    Raises
    ------
    DetectorError
        When it cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_CSV_COLUMNS)
    for watch, following in itertools.pairwise([*watches, None]):
        assert watch is not None
        for stretch in stretches(watch):
            start_utc, last_utc = _iso(watch.utc_s(stretch.start_s)), _iso(watch.utc_s(stretch.end_s))
            duration = f"{stretch.end_s - stretch.start_s:.3f}"
            seizure = stretch.seizure
            ends = (last_utc, duration) if seizure is None or seizure.outcome is Outcome.ENDED else ("n/a", "n/a")
            told = ("n/a", "n/a") if seizure is None else (f"{seizure.peak_probability:.4f}", seizure.id or "n/a")
            outcome = "n/a" if seizure is None else seizure.outcome
            where = (watch.boot, f"{stretch.start_s:.3f}", f"{stretch.end_s:.3f}")
            table.writerow((stretch.said, outcome, start_utc, *ends, last_utc, *told, *where))
        if following is not None and (pause := _pause(watch, following)) is not None:
            start_utc_s, end_utc_s, said = pause
            start_utc, end_utc, duration = _iso(start_utc_s), _iso(end_utc_s), f"{end_utc_s - start_utc_s:.3f}"
            table.writerow((said, "n/a", start_utc, end_utc, duration, end_utc, *["n/a"] * 5))
    write_whole(path, text.getvalue())


def write_edf(path: Path, watches: Sequence[Watch]) -> None:
    """Write an EDF+ file that has annotations only, in seconds from its start; its start is in UTC.

    Raises
    ------
    BadDataError
        The wall clock was set back, so that two stretches would lie over one another.
    DetectorError
        When it cannot be written.
    """
    import edfio

    begin_s = math.floor(watches[0].utc_s(watches[0].start_s))
    annotations, until_s = [], -math.inf
    for watch, following in itertools.pairwise([*watches, None]):
        assert watch is not None
        found = [(watch.utc_s(s.start_s), s.end_s - s.start_s, _annotation(s), s.seizure) for s in stretches(watch)]
        if following is not None and (pause := _pause(watch, following)) is not None:
            found.append((pause[0], pause[1] - pause[0], pause[2], None))
        for start_s, length_s, text, seizure in found:
            if seizure is None:
                if start_s < until_s - _SET_BACK_S:
                    raise BadDataError(
                        f"the wall clock was set back by {until_s - start_s:.0f} s at {_iso(until_s)}, so that two "
                        "stretches of time would lie over one another; give --bids or --csv, or --since a later time"
                    )
                until_s = start_s + length_s
            # Of rounded times, so that what follows one another does not overlap.
            onset_s = round(start_s - begin_s, 3)
            length_s = round(round(start_s + length_s - begin_s, 3) - onset_s, 3)
            annotations.append(edfio.EdfAnnotation(onset_s, length_s, text))
    start = datetime.fromtimestamp(begin_s, UTC)
    if start.year not in _EDF_YEARS:
        raise BadDataError(f"it begins at {_iso(begin_s)}, and EDF has no year but 1985 to 2084; give --bids or --csv")
    recording = edfio.Recording(startdate=start.date(), equipment_code="seizure-detector", additional=("UTC",))
    content = io.BytesIO()
    edfio.Edf([], recording=recording, starttime=start.time(), annotations=annotations).write(content)
    write_whole(path, content.getvalue())


def _annotation(stretch: Stretch) -> str:
    if stretch.seizure is None or stretch.seizure.outcome is Outcome.ENDED:
        return stretch.said
    return f"{stretch.said} (outcome {stretch.seizure.outcome})"


def _pause(watch: Watch, following: Watch) -> tuple[float, float, str] | None:
    """Return (start, end, why) of the time between two boots, UTC s; ``None`` where a clock that was set hides it."""
    start_s, end_s = watch.utc_s(watch.end_s), following.utc_s(following.start_s)
    return (start_s, end_s, watch.after) if end_s > start_s else None


def _utc(watch: Watch, lsl_s: float) -> datetime:
    return datetime.fromtimestamp(watch.utc_s(lsl_s), UTC)


def _iso(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
