"""The command `train`: one line from a folder of EEG to a bundle."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

METHODS = ("stateful",)


@click.command()
@click.option("--method", type=click.Choice(METHODS), default="stateful", show_default=True, help="How it is trained.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder with chbmit/ and eegmat/; by default the unpacked shared data.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("models"),
    show_default=True,
    help="Folder in which the bundle's folder is made.",
)
@click.option("--id", "bundle_id", required=True, help="The name of the new bundle.")
@click.option("--folds", type=click.IntRange(2), default=4, show_default=True, help="Of the cross-validation.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Cross-validations to run.")
@click.option("--epochs", type=click.IntRange(1), default=8, show_default=True, help="Passes over the sessions.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Depart from the recipe, as in members=3 (see recipe.py).",
)
@click.option("--created", default=None, help="Date in the card; by default today.")
@click.option("--replace", is_flag=True, help="Replace a bundle of that name.")
def train(
    method: str,
    data: Path | None,
    output: Path,
    bundle_id: str,
    folds: int,
    seeds: int,
    epochs: int,
    changes: tuple[str, ...],
    created: str | None,
    replace: bool,
) -> None:
    """Train a network on a folder of EEG, measure it by person, and make a bundle of it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    # Brings TensorFlow: late, so that --help is quick.
    from detector.training.clips import default_folder
    from detector.training.recipe import Recipe, changed
    from detector.training.ship import Order, ship, work_of

    order = Order(
        data=data or default_folder(),
        output=output,
        bundle_id=bundle_id,
        created=created or date.today().isoformat(),
        folds=folds,
        seeds=seeds,
        epochs=epochs,
        replace=replace,
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
        click.echo(f"  {name.replace('_', ' '):36} {value:g}  [{low:g}, {high:g}]")
