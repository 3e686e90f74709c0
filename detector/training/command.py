"""The command `train`: one line from a folder of EEG to a bundle."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from detector.errors import UsageError
from detector.training import options
from detector.training.methods import NAMES


@click.command()
@click.option("--method", type=click.Choice(NAMES), default="stateful", show_default=True, help="How it is trained.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder of EEG, in any layout that `data check` knows; by default $XDG_CACHE_HOME/seizure-detector/data.",
)
@options.layout
@click.option(
    "--split",
    type=click.Path(path_type=Path, readable=False),
    default=None,
    help="A file of `data split`, whose parts are the folds.",
)
@options.skip_bad
@click.option("--licence", default="not stated", help="Of the data, for the card.")
@click.option("--attribution", default="not stated", help="Of the data, for the card.")
@options.output
@options.bundle_id
@click.option("--folds", type=click.IntRange(2), default=4, show_default=True, help="Of the cross-validation.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Cross-validations to run.")
@click.option("--epochs", type=click.IntRange(1), default=8, show_default=True, help="Passes over the sessions.")
@click.option(
    "--validate-share",
    type=click.FloatRange(0, 0.5),
    default=0.0,
    show_default=True,
    help="Of the training persons, held out to stop early by their events; 0 trains on all of them.",
)
@click.option("--patience", type=click.IntRange(1), default=3, show_default=True, help="Passes without a better one.")
@click.option("--jobs", type=click.IntRange(1), default=None, help="Trainings at a time; by default 1.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask cluster that cross-validates, e.g. tcp://host:8786.")
@click.option(
    "--run-folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Checkpoints, history and curves; by default runs/<id>.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in that folder after it was ended.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Depart from the recipe, as in members=3 (see recipe.py).",
)
@options.created
@options.replace
def train(
    method: str,
    data: Path | None,
    layout: str | None,
    split: Path | None,
    skip_bad: bool,
    licence: str,
    attribution: str,
    output: Path,
    bundle_id: str,
    folds: int,
    seeds: int,
    epochs: int,
    validate_share: float,
    patience: int,
    jobs: int | None,
    scheduler: str | None,
    run_folder: Path | None,
    resume: bool,
    changes: tuple[str, ...],
    created: str | None,
    replace: bool,
) -> None:
    """Train a network on a folder of EEG, measure it by person, and make a bundle of it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    # Brings Keras: late, so that --help is quick.
    from detector.training.clips import default_folder
    from detector.training.material import Terms
    from detector.training.recipe import Recipe, changed
    from detector.training.ship import Order, ship, work_of

    if jobs is not None and scheduler is not None:
        raise UsageError("--jobs is for processes of this machine, --scheduler for a cluster; give one of them")
    order = Order(
        data=data or default_folder(),
        output=output,
        bundle_id=bundle_id,
        created=created or date.today().isoformat(),
        folds=folds,
        seeds=seeds,
        epochs=epochs,
        replace=replace,
        method=method,
        validate_share=validate_share,
        patience=patience,
        jobs=jobs or 1,
        scheduler=scheduler,
        run_folder=run_folder or Path("runs") / bundle_id,
        resume=resume,
        layout=layout,
        split=split,
        skip_bad=skip_bad,
        terms=Terms(licence, attribution),
    )
    recipe = changed(Recipe(), changes)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(method, total=work_of(order))

        said = ""

        def on_progress(what: str, passes: float) -> None:
            nonlocal said
            progress.update(task, description=what, advance=passes)
            stage = what.partition(", loss")[0].partition(" eegmat")[0].partition(" chb")[0]
            if not console.is_terminal and stage != said:
                # A log gets a line for each stage instead of a bar that moves.
                said = stage
                console.print(f"{progress.tasks[task].percentage:3.0f} % {stage}")

        bundle = ship(order, recipe, on_progress)
    measured = bundle.card.figures["mean_over_seeds"]
    click.echo(f"{bundle.folder}: {bundle.card.parameters} parameters, sha256 {bundle.sha256[:16]}")
    for name, value in measured.items():
        low, high = bundle.card.figures["lowest_and_highest"][name]
        over = bundle.card.figures["interval_over_persons"].get(name)
        persons = f"  95 % over persons {over[0]:g} to {over[1]:g}" if over else ""
        click.echo(f"  {name.replace('_', ' '):36} {value:g}  [{low:g}, {high:g}] over seeds{persons}")
