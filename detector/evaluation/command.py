"""The command `evaluate`: what a detector said, or says, against what experts wrote down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from detector.evaluation.operating import Operating
    from detector.evaluation.result import Result

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--reference", type=_FOLDER, help="Folder with the experts' events (SzCORE/BIDS TSV).")
@click.option("--hypothesis", type=_FOLDER, help="Folder with the detector's events, named alike.")
@click.option("--probabilities", type=_FOLDER, help="Folder with its steps as CSV; by default beside the hypothesis.")
@click.option("--bundle", default=None, help="A model to be run on recordings, instead of a hypothesis.")
@click.option("--data", type=_FOLDER, help="Folder with those recordings and their references.")
@click.option("--unit", help="Unit of recordings that declare none.")
@click.option("--skip-bad", is_flag=True, help="Go on without recordings that cannot be used; exit 65 at the end.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="All figures as JSON.")
@click.option("--report", type=_FOLDER, help="Folder for evaluation.html, with figures and a page per recording.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draws for intervals.")
def evaluate(
    reference: Path | None,
    hypothesis: Path | None,
    probabilities: Path | None,
    bundle: str | None,
    data: Path | None,
    unit: str | None,
    skip_bad: bool,
    json_file: Path | None,
    report: Path | None,
    seed: int,
) -> int:
    """Measure a detector: SzCORE scores, false alarms, latency, calibration, each with its interval.

    Either --reference and --hypothesis, two folders of events files, or --bundle and --data.
    """
    from rich.console import Console

    from detector.errors import BadDataError, UsageError
    from detector.evaluation.szcore import scorer

    events = {"--reference": reference, "--hypothesis": hypothesis}
    model = {"--bundle": bundle, "--data": data}
    if (all(events.values()), any(events.values()), all(model.values()), any(model.values())) not in (
        (True, True, False, False),
        (False, False, True, True),
    ):
        given = [name for name, value in (events | model).items() if value]
        raise UsageError(
            f"{', '.join(given) or 'nothing'} given; expected --reference and --hypothesis, or --bundle and --data"
        )
    useless = {"--probabilities": probabilities} if bundle else {"--unit": unit, "--skip-bad": skip_bad}
    for name, value in useless.items():
        if value:
            raise UsageError(f"{name} says nothing together with {'--bundle' if bundle else '--reference'}")
    for option, path in (("--json", json_file), ("--report", report)):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{option} {path}: the folder {path.parent} is not there; make it first")
    scorer()
    if report is not None:
        from detector.evaluation.plots import require_matplotlib

        require_matplotlib()

    if bundle is not None and data is not None:
        result = _of_bundle(bundle, data, unit, skip_bad, seed)
    else:
        assert reference is not None
        assert hypothesis is not None
        result = _of_files(reference, hypothesis, probabilities, seed)

    from detector.evaluation.table import show

    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # nothing that is read later should be cut
    show(result, console)
    _write(result, json_file, report)
    return BadDataError.exit_code if result.skipped else 0


def _of_files(reference: Path, hypothesis: Path, probabilities: Path | None, seed: int) -> Result:
    from detector.evaluation.matching import pairs_of
    from detector.evaluation.result import evaluate as figures

    pairs = pairs_of(reference, hypothesis, probabilities)
    return figures(pairs, f"hypothesis {hypothesis}, reference {reference}", seed=seed)


def _of_bundle(bundle_id: str, folder: Path, unit: str | None, skip_bad: bool, seed: int) -> Result:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from detector.evaluation.detection import detect
    from detector.evaluation.operating import THRESHOLDS, operating_curve
    from detector.evaluation.result import evaluate as figures
    from detector.network.bundle import load_bundle, require_causal
    from detector.network.engines import make_engine
    from detector.training.datasets import find

    bundle = load_bundle(bundle_id)
    require_causal(bundle)
    data = find(folder)

    # May bring TensorFlow: only now, when everything cheap has been checked.
    network = make_engine(bundle)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        scoring = progress.add_task("scoring", total=1.0)

        def on_progress(name: str, share: float) -> None:
            progress.update(scoring, description=name, completed=share)

        found = detect(data, bundle, network, unit=unit, skip_bad=skip_bad, on_progress=on_progress)
        progress.update(scoring, description="scored", completed=1.0)
        thresholds = progress.add_task("operating curve", total=len({*THRESHOLDS, found.config.onset_threshold}))

        def operating(persons: Any, weights: Any) -> Operating:
            return operating_curve(
                found.stored_of(persons), found.config, weights, on_progress=lambda: progress.advance(thresholds)
            )

        return figures(
            found.pairs,
            f"{data.layout} in {folder}, scored by bundle {bundle.card.id} (sha256 {bundle.sha256[:16]})",
            warm_s=found.config.warm_up_s,
            operating=operating,
            skipped=found.skipped,
            seed=seed,
        )


def _write(result: Result, json_file: Path | None, report: Path | None) -> None:
    from detector.scoring import write_whole

    if json_file is not None:
        from detector.evaluation.result import to_json

        write_whole(json_file, json.dumps(to_json(result), indent=1, allow_nan=False) + "\n")
    if report is not None:
        from detector.evaluation.report import write_report

        click.echo(f"report: {write_report(result, report)}")
