"""The command ``labels``: what people said on the bedside page, as the review file that `calibrate` takes."""

from __future__ import annotations

import math
from pathlib import Path

import click

from detector.training import options

_FILE = click.Path(path_type=Path, readable=False)


@click.command()
@click.option("--bed", required=True, help="The patient's bed.")
@click.option("--since", metavar="TIME", help="Labels from then on: 2026-03-01T06:00 (UTC), or 24h, 7d ago.")
@click.option("--page-file", type=_FILE, help="The page's file; else page.sqlite in the state folders.")
@click.option(
    "--patient",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder with the patient's recordings and their references, as for calibrate.",
)
@options.layout
@options.skip_bad
@click.option("--output", type=_FILE, required=True, help="The review file, for calibrate --review.")
def labels(
    bed: str,
    since: str | None,
    page_file: Path | None,
    patient: Path,
    layout: str | None,
    skip_bad: bool,
    output: Path,
) -> None:
    """Write the labels of the bedside page as a review of a patient's recordings.

    A false alarm is as long as its alarm, with the 10 s before it. Of a missed seizure the page knows only when
    somebody said so: the 30 s before it are taken, which somebody who looks at the EEG should put right in the file.
    An EDF file's times are taken for local time of this machine (TZ=Europe/Vienna in front of the command for another
    zone), a clip's for UTC.
    """
    from detector.errors import BadDataError, MissingInputError, UsageError, nearest
    from detector.journal_command import time_of
    from detector.morning_report.command import PAGE_FOLDERS
    from detector.morning_report.night import find_page_file
    from detector.morning_report.page_file import labelled_beds, read_page_file
    from detector.scoring import write_whole
    from detector.state_folder import state_folder
    from detector.training.datasets import find, require
    from detector.training.page_labels import placed, review_of, stretches_of, tsv_of

    since_s = 0.0 if since is None else time_of(since)
    if not output.absolute().parent.is_dir() or output.is_dir():
        raise UsageError(f"--output {output}: expected a file in a folder that is there")
    folders = (state_folder(), *PAGE_FOLDERS)
    path = page_file or find_page_file(folders)
    if path is None:
        raise MissingInputError(f"there is no page.sqlite in {', '.join(map(str, folders))}; say where: --page-file")
    page = read_page_file(path, bed, since_s, math.inf)
    if not page.labels:
        beds = labelled_beds(path)
        raise BadDataError(
            f"{path} has no label of bed {bed!r}{f' since {since}' if since else ''}{nearest(bed, beds)}; "
            f"labelled are {', '.join(beds) or 'none'}"
        )
    recordings, unplaced = placed(require(find(patient, layout), skip_bad=skip_bad, seizures=False))
    stretches, unused = stretches_of(page)
    rows, unmatched = review_of(stretches, recordings)
    for note in (*unplaced, *unused, *unmatched):
        click.echo(f"not used: {note}", err=True)
    if not rows:
        raise BadDataError(
            f"none of {len(page.labels)} labels adds anything to {len(recordings)} recordings; expected at least one"
        )
    write_whole(output, tsv_of(rows))
    assumed = sum(row.is_assumed for row in rows)
    click.echo(f"{output}: {len(rows)} rows", err=True)
    if assumed:
        click.echo(
            f"{assumed} of them say when a missed seizure was told, not when it was: put right onset and duration",
            err=True,
        )
