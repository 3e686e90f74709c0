"""The command `calibrate`: a bundle, and one patient's recordings in order of time, become that patient's bundle."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detector.training import options

if TYPE_CHECKING:
    from rich.table import Table

    from detector.evaluation.events import Tally
    from detector.network.bundle import Bundle, Card
    from detector.training.budget import Offer
    from detector.training.calibration import Calibrated
    from detector.training.labelled import Labelled


@click.command()
@click.option("--bundle", default=None, help="What it begins with; by default the one that comes with the program.")
@click.option(
    "--patient",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder with the patient's recordings and their references, in any layout that `data check` knows.",
)
@options.bundle_id
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="False alarms in 24 h that there may be at most; by default the choice that is worth most.",
)
@click.option(
    "--review",
    type=click.Path(path_type=Path, readable=False),
    default=None,
    help='TSV of what people said: recording, onset, duration, label ("false alarm" or "missed"); labels makes one.',
)
@click.option("--by-name", is_flag=True, help="Take the order of the file names for the order of time.")
@options.layout
@options.skip_bad
@options.output
@options.created
@options.replace
def calibrate(
    bundle: str | None,
    patient: Path,
    bundle_id: str,
    budget: float | None,
    review: Path | None,
    by_name: bool,
    layout: str | None,
    skip_bad: bool,
    output: Path,
    created: str | None,
    replace: bool,
) -> None:
    """Calibrate a model to one patient.

    It learns from the earlier half of the patient's recordings and chooses its thresholds on them; the later half only
    measures what became of it. The new bundle names its parent.
    """
    from rich.console import Console
    from rich.progress import Progress

    from detector.network.bundle import DEFAULT_BUNDLE, load_bundle, require_causal
    from detector.training.writing import require_new

    require_new(output / bundle_id, replace=replace)
    loaded = load_bundle(bundle or DEFAULT_BUNDLE)
    require_causal(loaded)

    from detector.errors import BadDataError
    from detector.training.calibration import calibrate as run
    from detector.training.calibration import parent_of
    from detector.training.datasets import find, require, told
    from detector.training.networks import deployable
    from detector.training.recorded import recorded_sequences
    from detector.training.review import reviewed
    from detector.training.writing import write_bundle

    parent = parent_of(loaded)
    recordings = in_time(require(find(patient, layout), skip_bad=skip_bad), by_name=by_name)
    if review is not None:
        recordings = reviewed(recordings, review)
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        task = progress.add_task("reading", total=None)
        sequences, problems = recorded_sequences(recordings, parent.card)
        if problems and not skip_bad:
            raise BadDataError(f"{told(problems[:3])} (leave such out: --skip-bad)")
        found = run(
            parent,
            sequences,
            per_24_h=budget,
            on_progress=lambda what, _passes: progress.update(task, description=what),
        )
    Console().print(offers_table(found.offers, found.earlier))
    if not found.has_learnt:
        click.echo(
            "to go on learning gained nothing on the earlier recordings: the weights stay, the thresholds are new"
        )
    click.echo(f"later recordings, {loaded.card.id} as it is: {in_words(found.before)}")
    click.echo(f"later recordings, calibrated:{' ' * len(loaded.card.id)} {in_words(found.after)}")
    card = card_of(loaded, found, bundle_id, created or date.today().isoformat(), budget, len(recordings))
    network = deployable(found.members, parent.recipe, parent.card, parent.scale)
    made = write_bundle(network, card, output)
    click.echo(f"{made.folder}: calibrated from {card.parent}")


def in_time(recordings: Iterable[Labelled], *, by_name: bool) -> tuple[Labelled, ...]:
    """Return the recordings in the order in which they were made.

    Raises
    ------
    BadDataError
        When one does not say when, and the order of names is not to be taken.
    """
    from datetime import datetime

    from detector.errors import BadDataError
    from detector.source.recording import open_recording

    if by_name:
        return tuple(sorted(recordings, key=lambda recording: recording.path.name))
    starts: list[tuple[datetime, Labelled]] = []
    for recording in recordings:
        start = open_recording(recording.path).start
        if start is None:
            raise BadDataError(
                f"{recording.path} does not say when it was recorded; expected to know which are the earlier ones. "
                "Where the order of names is that of time: --by-name"
            )
        starts.append((start, recording))
    return tuple(recording for _, recording in sorted(starts, key=lambda one: (one[0], one[1].path.name)))


def offers_table(offers: Iterable[Offer], taken: Offer) -> Table:
    """Return what each threshold costs, at the smoothing and hold that were taken."""
    from rich.table import Table

    decision = taken.decision
    table = Table(
        title=f"earlier recordings, held out in turn: {taken.tally.seizures} seizures, {taken.tally.hours:.1f} h else",
        title_justify="left",
        caption=f"smoothing {decision.smoothing_s:g} s, onset hold {decision.onset_hold_s:g} s; exact 95 % intervals",
        caption_justify="left",
    )
    for name in ("threshold", "false alarms in 24 h", "sensitivity", "median latency", ""):
        table.add_column(name, justify="left" if not name else "right")
    for offer in sorted(offers, key=lambda one: one.decision.onset_threshold):
        same = (offer.decision.smoothing_s, offer.decision.onset_hold_s)
        if same != (decision.smoothing_s, decision.onset_hold_s):
            continue
        rate, rate_low, rate_high = offer.alarms_per_24_h
        share, low, high = offer.sensitivity
        latency_s = offer.tally.latency_s(50)
        table.add_row(
            f"{offer.decision.onset_threshold:g}",
            f"{rate:.1f} [{rate_low:.1f}, {rate_high:.1f}]",
            f"{offer.tally.detected} of {offer.tally.seizures}, {share:.0%} [{low:.0%}, {high:.0%}]",
            "none" if math.isnan(latency_s) else f"{latency_s:.1f} s",
            "taken" if offer == taken else "",
        )
    return table


def in_words(tally: Tally) -> str:
    """Return counts with what they are of."""
    alarms = f"{tally.false_alarms} false alarm{'' if tally.false_alarms == 1 else 's'} in {tally.hours:.2f} h"
    latency_s = tally.latency_s(50)
    median = "" if math.isnan(latency_s) else f", median latency {latency_s:.1f} s"
    return f"{tally.detected} of {tally.seizures} seizures{median}, {alarms}"


def card_of(
    parent: Bundle, found: Calibrated, bundle_id: str, created: str, budget: float | None, n_recordings: int
) -> Card:
    """Return the card of the calibrated bundle."""
    card = parent.card
    return card.model_copy(
        update={
            "id": bundle_id,
            "created": created,
            "parent": f"{card.id} sha256 {parent.sha256}",
            "decision": found.decision,
            "figures": {
                "data": f"{n_recordings} recordings of one patient, the later half of them measured, in order of time",
                "scorer": "detector.evaluation.events: detected = declared between onset and offset + 6 s",
                "budget_per_24_h": "none" if budget is None else budget,
                "weights": "gone on learning" if found.has_learnt else "the parent's, as learning gained nothing",
                "earlier_held_out": in_words(found.earlier.tally),
                "later_parent": in_words(found.before),
                "later_calibrated": in_words(found.after),
            },
            "limits": ("Calibrated to one patient: for nobody else.", *card.limits),
        }
    )
