"""The command ``report``: what was said at a bed, and what nobody watched, as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from detector.errors import MissingInputError, UsageError

# Where the page's service keeps its state: its unit's folder, and the one behind it that DynamicUser makes.
PAGE_FOLDERS = (Path("/var/lib/seizure-detector-page"), Path("/var/lib/private/seizure-detector-page"))
_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--bed", help="The bed; not needed where there is one.")
@click.option("--journal", "path", type=_FILE, help="The journal's file, instead of a bed's.")
@click.option("--since", default="24h", show_default=True, metavar="TIME", help="2026-03-01T06:00 (UTC), or 24h ago.")
@click.option("--until", metavar="TIME", help="Up to then instead of now.")
@click.option("--page-file", type=_FILE, help="The bedside page's file; else page.sqlite in the state folders.")
@click.option("--clips", type=_FILE, help="Folder of the bed's clips; else clips/<bed> beside its journal.")
@click.option("--output", type=_FILE, required=True, help="The HTML file.")
def report(
    bed: str | None,
    path: Path | None,
    since: str,
    until: str | None,
    page_file: Path | None,
    clips: Path | None,
    output: Path,
) -> None:
    """Report a night: a time line, each seizure with its EEG, what was not monitored, alarms and labels.

    One HTML file that needs nothing else and prints on A4. Times in it are local times of this machine.
    """
    import os
    import time

    from detector.evaluation.plots import require_matplotlib
    from detector.journal_command import journal_of, time_of

    since_s, now_s = time_of(since), time.time()
    until_s = now_s if until is None else min(time_of(until, "--until"), now_s)  # nobody knows what comes
    if since_s >= until_s:
        raise UsageError(f"--since {since} is not before {'now' if until is None else f'--until {until}'}")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: the folder {output.parent} is not there; make it first")
    if output.is_dir():
        raise UsageError(f"--output {output}: expected a file")
    if clips is not None and not clips.is_dir():
        raise MissingInputError(f"--clips {clips}: there is no such folder")
    require_matplotlib("the report")

    from detector.journal_schema import SUFFIX
    from detector.morning_report.document import html
    from detector.morning_report.night import find_page_file, gather
    from detector.scoring import write_whole
    from detector.state_folder import state_folder

    journal = journal_of(path, bed)
    if page_file is None:
        page_file = find_page_file((journal.parent, state_folder(), *PAGE_FOLDERS))
    if clips is None:
        beside = journal.parent / "clips" / journal.name.removesuffix(SUFFIX)
        clips = beside if beside.is_dir() else None
    night = gather(journal, page_file, clips, since_s, until_s)
    before = os.umask(0o077)  # it holds a patient's EEG
    try:
        write_whole(output, html(night))
    finally:
        os.umask(before)
    n = len(night.events)
    click.echo(f"{output}: {n} seizure{'' if n == 1 else 's'}", err=True)
