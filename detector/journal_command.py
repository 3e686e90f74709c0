"""The commands ``events`` and ``export``: a bed's journal, read and handed on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detector.errors import BadDataError, MissingInputError, UsageError, nearest
from detector.printable import printable

if TYPE_CHECKING:
    from detector.journal_schema import Row
    from detector.journal_spans import Watch

# Where the service keeps its state: its unit's folder, and the one behind it that DynamicUser makes.
_SERVICE_FOLDERS = (Path("/var/lib/seizure-detector"), Path("/var/lib/private/seizure-detector"))
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_FILE = click.Path(path_type=Path)


def _which(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which journal, and from when on."""
    for option in (
        click.option("--since", metavar="TIME", help="From then on: 2026-03-01T06:00 (UTC), or 24h, 90m, 7d ago."),
        click.option("--bed", help="The bed; not needed where there is one."),
        click.option("--journal", "path", type=_FILE, help="The journal's file, instead of a bed's."),
    ):
        command = option(command)
    return command


@click.command()
@_which
@click.option("--kind", "kinds", multiple=True, help="Rows of this kind only, e.g. seizure; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each row.")
def events(path: Path | None, bed: str | None, since: str | None, kinds: tuple[str, ...], as_json: bool) -> None:
    """List what a bed's journal says, in the order in which it was said. Times are UTC."""
    from detector.journal_reading import JournalReader
    from detector.journal_schema import RowKind

    since_s = None if since is None else time_of(since)
    reader = JournalReader(journal_of(path, bed))
    found: set[str] = set()
    try:
        for row in reader.rows(since_s):
            found.add(row.kind)
            if not kinds or row.kind in kinds:
                click.echo(_json(row) if as_json else _line(row))
    finally:
        reader.close()
    known = found.union(map(str, RowKind))
    for kind in kinds:
        if kind not in known:
            raise UsageError(f"--kind {kind!r}: no row is of this kind{nearest(kind, known)}; found {_list(found)}")


@click.command()
@_which
@click.option("--bids", type=_FILE, help="A folder for SzCORE's events, and beside them the spans that nobody watched.")
@click.option("--edf-annotations", "edf", type=_FILE, help="An EDF+ file with annotations only.")
@click.option("--csv", "table", type=_FILE, help="A table of every stretch of time.")
def export(
    path: Path | None, bed: str | None, since: str | None, bids: Path | None, edf: Path | None, table: Path | None
) -> None:
    """Hand on what was said, and what was not watched, to other programs. Times are UTC."""
    targets = {"--bids": bids, "--edf-annotations": edf, "--csv": table}
    given = [option for option, target in targets.items() if target is not None]
    if len(given) != 1:
        raise UsageError(f"{' and '.join(given) or 'nothing'} given; expected one of {', '.join(targets)}")
    target = targets[given[0]]
    assert target is not None
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{given[0]} {target}: the folder {target.parent} is not there; make it first")
    if target.exists() and target.is_dir() != (bids is not None):
        raise UsageError(f"{given[0]} {target}: expected {'a folder' if bids is not None else 'a file'}")
    since_s = None if since is None else time_of(since)

    from detector.journal_export import write_bids, write_csv, write_edf
    from detector.journal_reading import JournalReader
    from detector.journal_schema import SUFFIX
    from detector.journal_spans import watches_of

    journal = journal_of(path, bed)
    reader = JournalReader(journal)
    try:
        watches = watches_of(reader.rows(), reader.alive)
    finally:
        reader.close()
    if since_s is not None:
        watches = [later for watch in watches if (later := watch.since(since_s)) is not None]
    if not watches:
        raise BadDataError(f"{journal} says nothing of any time" + (f" since {since}" if since else ""))
    name = next((watch.bed for watch in reversed(watches) if watch.bed), journal.name.removesuffix(SUFFIX))
    if bids is not None:
        write_bids(bids, watches, name)
    elif edf is not None:
        write_edf(edf, watches)
    elif table is not None:
        write_csv(table, watches)
    click.echo(f"{target}: {_summary(watches)}", err=True)


def time_of(text: str, option: str = "--since") -> float:
    """Return a time, s since 1970, of a date or of how long ago it was."""
    now = datetime.now(UTC)
    if ago := _AGO.fullmatch(text):
        return (now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])).timestamp()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r}: expected a time as 2026-03-01T06:00, or 24h, 90m or 7d ago") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def journal_of(path: Path | None, bed: str | None) -> Path:
    """Return the file that is meant; several are a UsageError, none is a MissingInputError."""
    if path is not None:
        if bed is not None:
            raise UsageError("--journal and --bed both say which journal; give one of them")
        return path
    from detector.journal_schema import SUFFIX
    from detector.state_folder import state_folder

    folders = (state_folder(), *_SERVICE_FOLDERS)
    # systemd gives each bed a folder of its own; of the same file by two ways there is one
    found = {file.resolve(): file for folder in folders for at in ("", "*/") for file in folder.glob(f"{at}*{SUFFIX}")}
    beds = {file.name.removesuffix(SUFFIX): file for file in found.values()}
    if bed is None and len(beds) > 1:
        raise UsageError(f"there are journals of the beds {_list(beds)}; say which by --bed")
    if bed is None and beds:
        [bed] = beds
    if bed not in beds:
        where = ", ".join(map(str, folders[:2]))
        said = "there is no journal" if bed is None else f"there is no journal of bed {bed!r}{nearest(bed, beds)}"
        raise MissingInputError(f"{said} in {where}; found {_list(beds)}; a file elsewhere is given by --journal")
    return beds[bed]


def _json(row: Row) -> str:
    facts = {
        "id": row.id,
        "boot": row.boot,
        "session": row.session,
        "kind": row.kind,
        "lsl_s": row.lsl_s,
        "utc": _iso(row.utc_s),
        "correction_s": row.correction_s,
        "payload": row.facts,
    }
    return json.dumps(facts)


def _line(row: Row) -> str:
    return f"{_iso(row.utc_s)}  {printable(row.kind):<16}  {printable(_told(row))}".rstrip()


def _told(row: Row) -> str:
    """Return what a row says in a few words; what is in a file was a stream's own text once, so it is escaped later."""
    from detector.journal_schema import RowKind

    facts = row.facts
    match row.kind:
        case RowKind.STATE:
            return str(facts["state"])
        case RowKind.SESSION:
            return str(facts["reason"])
        case RowKind.SEIZURE:
            began = f"{facts['number']}: {facts['outcome']}, onset at LSL time {facts['onset_s']:.3f} s"
            lasted = "" if facts["offset_s"] is None else f", {facts['offset_s'] - facts['onset_s']:.1f} s long"
            return f"{began}{lasted}, peak probability {facts['peak_probability']:.2f}"
        case RowKind.CONDITION:
            times = "" if facts["count"] == 1 else f", {facts['count']} times"
            return f"{facts['condition']} {facts['change']} ({facts['priority']} priority{times}): {facts['text']}"
        case RowKind.CLIP if "file" in facts:
            return f"{facts['file']}, {facts['length_s']:.1f} s"
        case RowKind.CLIP:
            return f"of event {facts['event_id'] or 'unknown'} is lost: {facts['lost']}"
        case RowKind.CRASH if facts["alive"] is not None:
            return f"the program before was seen last at {_iso(facts['alive']['utc_s'])}, {facts['alive']['state']}"
    return ", ".join(f"{key} {value}" for key, value in facts.items())


def _summary(watches: list[Watch]) -> str:
    from detector.journal_spans import is_watched

    spans = [span for watch in watches for span in watch.spans]
    total_s = sum(span.end_s - span.start_s for span in spans)
    watched_s = sum(span.end_s - span.start_s for span in spans if is_watched(span.said))
    n = sum(len(watch.seizures) for watch in watches)
    return (
        f"{n} seizure{'' if n == 1 else 's'}, {watched_s / 3600:.2f} h watched, "
        f"{(total_s - watched_s) / 3600:.2f} h not, {len(watches)} boot{'' if len(watches) == 1 else 's'}"
    )


def _list(names: Any) -> str:
    return ", ".join(sorted(printable(name) for name in names)) or "none"


def _iso(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
