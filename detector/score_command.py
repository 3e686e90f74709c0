"""``seizure-detector score``: recordings in, files out, progress meanwhile."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from detector.archive import Found, find_recordings
from detector.archive_scoring import Order, Wanted, score_archive, summary
from detector.config import Engine
from detector.errors import BadDataError, DetectorError, MissingInputError, UsageError
from detector.network.bundle import Bundle, load_bundle
from detector.network.model import Model
from detector.pipeline import Conditioning, SourceConfig
from detector.scoring import events_tsv, score, steps_csv, write_whole
from detector.source.recording import open_recording
from detector.spreading import cores


def score_recordings(
    named: Sequence[Path],
    *,
    output: Path | None,
    probabilities: Path | None,
    chunk_samples: int,
    bundle: str | None,
    unit: str | None,
    match: Literal["labels", "order"],
    stand_ins: bool,
    review: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    engine: Engine = "auto",
) -> int:
    """Score what is named; return the exit code, which for several recordings is 65 where one could not be scored.

    Without ``output`` the events of a single file go to the standard output.

    Raises
    ------
    UsageError
        When results would have no place of their own, or the model is not for (or only for) review: refused before
        anything is scored.
    MissingInputError
        When a folder or a pattern holds no recording.
    BundleError, EngineError
        When the model cannot be used, or what runs it is not installed.
    """
    if scheduler is not None and jobs is not None:
        raise UsageError("--jobs is for processes of this machine, --scheduler for a cluster; give one of them")
    found = find_recordings(named)
    is_one = len(found) == 1 and not named[0].is_dir()
    wanted = _wanted(found, output, probabilities, is_one)
    model = Model.of(bundle, engine)
    loaded = load_bundle(model.name)
    _require_fit(loaded, review, engine)
    source = SourceConfig(match, stand_ins)
    if is_one:
        return _score_one(wanted[0], model, loaded, source, unit, chunk_samples)
    folder = output or probabilities
    assert folder is not None
    order = Order(model, source, unit, chunk_samples, probabilities is not None)
    return _score_many(wanted, order, folder, jobs or cores(), scheduler)


def _score_one(
    wanted: Wanted, model: Model, bundle: Bundle, source: SourceConfig, unit: str | None, chunk_samples: int
) -> int:
    path = wanted.found.path
    try:
        # What is wrong with it is told before TensorFlow takes its seconds.
        recording = open_recording(path, unit=unit)
        Conditioning(bundle.card, recording.description, source)
        _, network = model.load()
        with _progress(TextColumn("{task.percentage:3.0f} %")) as progress:
            task = progress.add_task(path.name, total=recording.duration_s)
            scored = score(
                recording,
                bundle,
                network,
                source=source,
                chunk_samples=chunk_samples,
                on_progress=lambda done_s: progress.update(task, completed=done_s),
            )
            progress.update(task, completed=recording.duration_s)
            if wanted.events is not None:
                write_whole(wanted.events, events_tsv(scored, recording))
            if wanted.steps is not None:
                write_whole(wanted.steps, steps_csv(scored, recording.description.rate_hz))
            _print(progress, summary(path, scored))
    except DetectorError as error:
        _tell(path, error)
        return error.exit_code
    if wanted.events is None:  # below the bar, as rich has its hands on the standard output while it draws
        click.echo(events_tsv(scored, recording), nl=False)
    return 0


def _score_many(wanted: Sequence[Wanted], order: Order, folder: Path, jobs: int, scheduler: str | None) -> int:
    with _progress(DownloadColumn()) as progress:
        # By bytes, which tell the time that is left where recordings are not of one length.
        sizes = {one.found.path: _size(one.found.path) for one in wanted}
        task = progress.add_task(f"0 of {len(wanted)} recordings", total=sum(sizes.values()))
        done = itertools.count(1)

        def on_done(path: Path, said: str | DetectorError) -> None:
            text = f"{next(done)} of {len(wanted)} recordings"
            progress.update(task, advance=sizes[path], description=text, refresh=True)
            if isinstance(said, str):
                _print(progress, said)

        failed = score_archive(wanted, order, folder, jobs=jobs, scheduler=scheduler, on_done=on_done)
    for path, error in failed:
        _tell(path, error)
    # One that cannot be scored is bad data, in whatever way; anything else is no fault of a recording.
    codes = [error.exit_code for _, error in failed]
    bad = BadDataError.exit_code, MissingInputError.exit_code
    return next((code for code in codes if code not in bad), BadDataError.exit_code) if codes else 0


def _progress(done: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), done, TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _print(progress: Progress, said: str) -> None:
    progress.console.print(said, markup=False, highlight=False, soft_wrap=True)


def _tell(path: Path, error: DetectorError) -> None:
    message = str(error) if str(path) in str(error) else f"{path}: {error}"
    click.echo(f"seizure-detector: {message}", err=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _require_fit(bundle: Bundle, review: bool, engine: Engine) -> None:
    """Refuse a network that looks ahead where nobody asked for it, and one that does not where somebody did."""
    card = bundle.card
    if card.direction == "bidirectional" and not review:
        raise UsageError(
            f"bundle {card.id!r} is bidirectional: what it says of a moment depends on what came after it, as no bed "
            "can know; add --review to have the whole recording reviewed"
        )
    if card.direction != "bidirectional" and review:
        raise UsageError(f"--review: bundle {card.id!r} is {card.direction} and looks at nothing later; leave it out")
    if review and engine == "litert":
        raise UsageError("--engine litert: what looks at a recording as a whole runs on tensorflow only; leave it out")


def _wanted(found: Sequence[Found], output: Path | None, probabilities: Path | None, is_one: bool) -> list[Wanted]:
    """Return where the events and the steps of each recording go."""
    if not is_one and output is None and probabilities is None:
        raise UsageError(
            f"the results of {len(found)} recordings need a folder; give one with --output or --probabilities"
        )
    taken = {one.path.resolve(): "a recording" for one in found}
    columns: list[list[Path | None]] = []
    for option, given, places in (
        ("--output", output, [one.events for one in found]),
        ("--probabilities", probabilities, [one.steps for one in found]),
    ):
        if given is None:
            columns.append([None] * len(found))
            continue
        _require_place(option, given, len(found), is_one)
        paths = [given / place for place in places] if given.is_dir() else [given]
        for path in paths:
            if other := taken.get(path.resolve()):
                raise UsageError(f"{option}: {path} would overwrite {other}; give another file or folder")
            taken[path.resolve()] = f"what {option} writes already"
        columns.append(list(paths))
    return [Wanted(one, *targets) for one, *targets in zip(found, *columns, strict=True)]


def _require_place(option: str, given: Path, n: int, is_one: bool) -> None:
    if not is_one and not given.is_dir():
        raise UsageError(f"{option} {given} is no folder; the results of {n} recordings need one")
    if not os.access(given if given.is_dir() else given.parent, os.W_OK) and given.parent.is_dir():
        raise UsageError(f"{option} {given}: nothing may be written there; give another file or folder")
    if not given.parent.is_dir():
        raise UsageError(f"{option} {given}: the folder {given.parent} is not there; make it first")
