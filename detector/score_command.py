"""``seizure-detector score``: files in, files out, a progress bar."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from detector.errors import DetectorError, UsageError
from detector.network.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from detector.pipeline import Conditioning, Network, SourceConfig
from detector.scoring import Scored, events_tsv, score, steps_csv, write_whole
from detector.source.recording import Recording, open_recording


def score_recordings(
    recordings: Sequence[Path],
    *,
    output: Path | None,
    probabilities: Path | None,
    chunk_samples: int,
    bundle: str | None,
    unit: str | None,
    match: Literal["labels", "order"],
    stand_ins: bool,
    review: bool = False,
) -> int:
    """Score each recording; one that cannot be does not stop the others. Return the exit code of the first failure.

    Without ``output`` the events of a single recording go to the standard output.

    Raises
    ------
    UsageError
        When results would have no place of their own, or the model is not for (or only for) review: refused before
        anything is scored.
    BundleError
        When the model cannot be used.
    """
    targets = _targets(recordings, output, probabilities)
    source = SourceConfig(match, stand_ins)
    loaded = load_bundle(bundle or DEFAULT_BUNDLE)
    _require_fit(loaded, review)
    single = None
    if len(recordings) == 1:
        # What is wrong with a single file is told before TensorFlow takes its seconds.
        try:
            single = open_recording(recordings[0], unit=unit)
            Conditioning(loaded.card, single.description, source)
        except DetectorError as error:
            return _told([(recordings[0], error)])

    run = partial(_score, loaded, _engine(loaded), source, chunk_samples)
    failed: list[tuple[Path, DetectorError]] = []
    printed = ""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        for path, (tsv, csv) in zip(recordings, targets, strict=True):
            task = progress.add_task(path.name, total=None)
            try:
                recording = single or open_recording(path, unit=unit)
                scored = run(recording, progress, task)
                if tsv is not None:
                    write_whole(tsv, events_tsv(scored, recording))
                elif single is not None:
                    printed = events_tsv(scored, recording)
                if csv is not None:
                    write_whole(csv, steps_csv(scored, recording.description.rate_hz))
            except DetectorError as error:
                failed.append((path, error))
                continue
            finally:
                if single is None:  # of many, what is done has its line, and no bar
                    progress.remove_task(task)
            progress.console.print(_said(path, scored), markup=False, highlight=False, soft_wrap=True)
    # Below the bar, as rich has its hands on the standard output while it draws.
    click.echo(printed, nl=False)
    return _told(failed)


def _require_fit(bundle: Bundle, review: bool) -> None:
    """Refuse a network that looks ahead where nobody asked for it, and one that does not where somebody did."""
    card = bundle.card
    if card.direction == "bidirectional" and not review:
        raise UsageError(
            f"bundle {card.id!r} is bidirectional: what it says of a moment depends on what came after it, as no bed "
            "can know; add --review to have the whole recording reviewed"
        )
    if card.direction != "bidirectional" and review:
        raise UsageError(f"--review: bundle {card.id!r} is {card.direction} and looks at nothing later; leave it out")


def _engine(bundle: Bundle) -> Network:
    """Return what runs the network; brings TensorFlow."""
    if bundle.card.direction == "bidirectional":
        from detector.network.keras_review import KerasReview

        return KerasReview(bundle)
    from detector.network.keras_lstm import KerasLstm

    return KerasLstm(bundle)


def _score(
    bundle: Bundle,
    network: Network,
    source: SourceConfig,
    chunk_samples: int,
    recording: Recording,
    progress: Progress,
    task: TaskID,
) -> Scored:
    progress.update(task, total=recording.duration_s)

    def advance(done_s: float) -> None:
        progress.update(task, completed=done_s)

    scored = score(recording, bundle, network, source=source, chunk_samples=chunk_samples, on_progress=advance)
    advance(recording.duration_s)
    return scored


def _told(failed: Sequence[tuple[Path, DetectorError]]) -> int:
    """Say what failed and return the exit code of the first."""
    for path, error in failed:
        message = str(error) if str(path) in str(error) else f"{path}: {error}"
        click.echo(f"seizure-detector: {message}", err=True)
    return failed[0][1].exit_code if failed else 0


def _said(path: Path, scored: Scored) -> str:
    n = len(scored.events)
    facts = [
        f"{path.name}: {n} seizure{'' if n == 1 else 's'} in {scored.duration_s:.1f} s",
        f"{scored.monitored_s:.1f} s of it monitored",
    ]
    if scored.unmonitored:
        facts.append(f"not monitored: {', '.join(f'{s:.1f} s {cause}' for cause, s in scored.unmonitored.items())}")
    if scored.missing:
        facts.append(f"without {', '.join(scored.missing)}")
    if scored.resets:
        facts.append(f"{scored.resets} reset{'' if scored.resets == 1 else 's'}")
    return "; ".join(facts)


def _targets(
    recordings: Sequence[Path], output: Path | None, probabilities: Path | None
) -> list[tuple[Path | None, Path | None]]:
    """Return where the events and the steps of each recording go; ``None`` is nowhere."""
    n = len(recordings)
    if n > 1 and output is None and probabilities is None:
        raise UsageError(f"the results of {n} recordings need a folder; give one with --output or --probabilities")
    taken = {path.resolve(): "a recording" for path in recordings}
    columns: list[list[Path | None]] = []
    for option, given, suffix in (("--output", output, ".tsv"), ("--probabilities", probabilities, ".csv")):
        if given is None:
            columns.append([None] * n)
            continue
        if n > 1 and not given.is_dir():
            raise UsageError(f"{option} {given} is no folder; the results of {n} recordings need one")
        if not os.access(given if given.is_dir() else given.parent, os.W_OK) and given.parent.is_dir():
            raise UsageError(f"{option} {given}: nothing may be written there; give another file or folder")
        if not given.parent.is_dir():
            raise UsageError(f"{option} {given}: the folder {given.parent} is not there; make it first")
        paths = [given / f"{path.stem}{suffix}" for path in recordings] if given.is_dir() else [given]
        for path in paths:
            if other := taken.get(path.resolve()):
                raise UsageError(f"{option}: {path} would overwrite {other}; give another file or folder")
            taken[path.resolve()] = f"what {option} writes already"
        columns.append(list(paths))
    return list(zip(*columns, strict=True))
