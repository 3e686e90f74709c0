"""The commands ``data check`` and ``data split``: what a folder of EEG holds, and who is in which part."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detector.errors import BadDataError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from detector.training.datasets.check import PersonCount, Survey
    from detector.training.labelled import DataSet

_FOLDER = click.Path(path_type=Path)
_LAYOUT = "How the folder is laid out; by default what it looks like (an unknown name lists the choices)."


@click.group()
def data() -> None:
    """Check folders of EEG for training, and split them by person."""


@data.command()
@click.argument("folder", type=_FOLDER)
@click.option("--layout", default=None, help=_LAYOUT)
@click.option("--bundle", default=None, help="The model that the recordings are to fit.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def check(folder: Path, layout: str | None, bundle: str | None, as_json: bool) -> None:
    """List what a data set holds: persons, hours, seizures, channels, rates, and every problem.

    Reads headers and annotations only. Ends with 65 where there are problems.
    """
    from rich.console import Console

    from detector.network.bundle import DEFAULT_BUNDLE, load_bundle
    from detector.training.datasets.check import survey, told_once

    card = load_bundle(bundle or DEFAULT_BUNDLE).card
    found = _find(folder, layout)
    with _bar("headers", len(found.recordings)) as advance:
        result = survey(found, card, advance)
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=1))
    else:
        console = Console()
        console.print(_table(result))
        for name, labels in result.channel_sets.items():
            n = result.total.channel_sets[name]
            click.echo(f"channels {name}, in {n} recordings: {len(labels)}: {', '.join(labels)}")
        for line in told_once(result.problems):
            click.echo(f"problem: {line}")
    if result.problems:
        n = len(result.problems)
        raise BadDataError(f"{folder} has {n} problem{'' if n == 1 else 's'}, listed above; expected none")


@data.command()
@click.argument("folder", type=_FOLDER)
@click.option("--layout", default=None, help=_LAYOUT)
@click.option("--folds", type=click.IntRange(2), default=4, show_default=True, help="How many parts.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same gives the same parts.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option("--replace", is_flag=True, help="Replace a file of that name.")
@click.option("--skip-bad", is_flag=True, help="Leave out the recordings that have a problem.")
def split(folder: Path, layout: str | None, folds: int, seed: int, output: Path, replace: bool, skip_bad: bool) -> None:
    """Deal the persons of a data set to parts with about as much ictal time each, and write that to a file."""
    from detector.training.datasets import require
    from detector.training.split import ictal_seconds, make_split, write_split

    if output.exists() and not replace:
        raise UsageError(f"--output {output} is there already; replace it with --replace, or give another name")
    found = _find(folder, layout)
    require(found, skip_bad=skip_bad, seizures=False)
    made = make_split(found, folds, seed)
    write_split(made, output)
    seconds = ictal_seconds(found)
    for name, persons in made.parts.items():
        total = sum(seconds[person] for person in persons) / 60
        click.echo(f"{name}: {len(persons)} persons, {total:.1f} ictal minutes: {', '.join(persons)}")
    if found.problems:
        raise BadDataError(f"{output} is written without the recordings of {len(found.problems)} problems in {folder}")


def _find(folder: Path, layout: str | None) -> DataSet:
    from detector.training.datasets import find

    with _bar("recordings", None) as advance:
        return find(folder, layout, advance)


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[[Path], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda _path: progress.advance(task)


def _table(result: Survey) -> Table:
    from rich.table import Table

    found = result.data
    table = Table(
        title=f"{found.folder}: {found.layout}; derivations of {result.n_derivations}",
        title_justify="left",
        show_footer=True,
    )
    total = _cells(f"{len(result.persons)} persons", result.total)
    names = ("person", "files", "hours", "seizures", "ictal min", "Hz", "channels", "derivations")
    for name, footer in zip(names, total, strict=True):
        table.add_column(name, footer=footer, justify="left" if name == "person" else "right")
    for name, person in result.persons.items():
        table.add_row(*_cells(name, person))
    return table


def _cells(name: str, person: PersonCount) -> tuple[str, ...]:
    return (
        name,
        str(person.recordings),
        f"{person.hours:.2f}",
        str(person.seizures),
        f"{person.ictal_minutes:.1f}",
        _listed(person.rates_hz),
        _listed(person.channel_sets),
        _listed(person.derivations) or "none",
    )


def _listed(counts: Counter[Any]) -> str:
    """Return the different values; the table has no room for how often each came."""
    values = [format(value, "g") if isinstance(value, float) else str(value) for value in sorted(counts)]
    return " ".join(values) if len(values) <= 4 else f"{len(values)} kinds"
