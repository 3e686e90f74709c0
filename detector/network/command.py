"""The commands ``models list``, ``show``, ``verify`` and ``lighten``: which networks are there, what they can do."""

from __future__ import annotations

import math
import os
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detector.errors import BundleError, EngineError

if TYPE_CHECKING:
    from detector.network.bundle import Bundle

_BUNDLE = "An installed bundle's id, or the path of a bundle's folder with a slash in it."


@click.group()
def models() -> None:
    """List, show and verify model bundles, and make them light."""


@models.command("list")
def list_models() -> None:
    """List the installed bundles."""
    from rich.console import Console
    from rich.table import Table

    from detector.network.bundle import DEFAULT_BUNDLE, installed_bundles, load_bundle

    table = Table(title="installed model bundles", title_justify="left")
    for name in ("id", "created", "montage", "parameters", "detected", "median latency"):
        table.add_column(name, justify="left" if name in ("id", "created", "montage") else "right")
    failed: list[BundleError] = []
    for bundle_id in installed_bundles():
        try:
            card = load_bundle(bundle_id).card
        except BundleError as error:
            failed.append(error)
            table.add_row(bundle_id, "cannot be used", style="red")
            continue
        figures = card.figures.get("mean_over_seeds", {})
        share, latency_s = (float(figures.get(name, math.nan)) for name in ("sensitivity", "latency_median_s"))
        table.add_row(
            f"{bundle_id} (default)" if bundle_id == DEFAULT_BUNDLE else bundle_id,
            card.created,
            card.montage,
            f"{card.parameters:,}",
            "not measured" if math.isnan(share) else f"{share:.0%}",
            "not measured" if math.isnan(latency_s) else f"{latency_s:.1f} s",
        )
    Console().print(table)
    click.echo("On which persons, by which scorer, and with which limits: seizure-detector models show ID")
    if failed:
        raise BundleError("; ".join(map(str, failed)))


@models.command()
@click.argument("bundle")
def show(bundle: str) -> None:
    """Show what a bundle's card says: the signal it takes, its decision, its data, figures and limits."""
    from detector.network.bundle import load_bundle

    width = shutil.get_terminal_size().columns
    for line in _told(load_bundle(bundle)):
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        click.echo(textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False))


@models.command()
@click.argument("bundles", nargs=-1, metavar="[BUNDLE]...")
def verify(bundles: tuple[str, ...]) -> None:
    """Check hashes and card, load the network and run its self-test; without a name, for every installed bundle.

    A network for the light engine must answer as the other one does, where TensorFlow is installed to compare them.
    """
    from detector.network.bundle import installed_bundles, load_bundle

    failed = 0
    for name in bundles or tuple(installed_bundles()):
        try:
            bundle = load_bundle(name)
            tried = _try(bundle)
        except BundleError as error:
            failed += 1
            click.echo(f"{name}: FAILED: {error}", err=True)
            continue
        click.echo(f"{name}: {bundle.card.parameters} parameters, sha256 {bundle.sha256}: all is well {tried}")
    if failed:
        raise BundleError(f"{failed} of {len(bundles) or len(installed_bundles())} bundles cannot be used")


@models.command()
@click.argument("bundle", metavar="BUNDLE")
def lighten(bundle: str) -> None:
    """Add the file for the light engine to a bundle that was made without; needs TensorFlow."""
    from detector.network.bundle import LIGHT_FILE, load_bundle

    found = load_bundle(bundle)
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever it was trained on: nothing else makes that file
    from detector.training.light import lighten

    lightened = lighten(found)
    click.echo(f"{lightened.folder / LIGHT_FILE}: sha256 {lightened.card.files[LIGHT_FILE]}, and answers as before")


def _try(bundle: Bundle) -> str:
    """Load the network as whoever serves it would, and return what it was tried on; raises BundleError."""
    if bundle.card.direction == "bidirectional":
        from detector.network.keras_review import KerasReview

        KerasReview(bundle)
        return "(for review)"
    from detector.network.engines import chosen, make_engine

    if chosen(bundle) == "tensorflow":
        make_engine(bundle)
        return "(tensorflow)"
    make_engine(bundle, "litert")
    try:
        from detector.training.light import require_same
    except EngineError:
        return "(litert; TensorFlow is not installed, so that nothing was compared)"
    require_same(bundle)
    return "(litert and tensorflow, which answer alike)"


def _told(bundle: Bundle) -> Iterator[str]:
    card = bundle.card
    yield f"{card.id}, made {card.created}: {card.direction}, {card.parameters} parameters"
    yield f"  folder     {Path(bundle.folder).resolve()}"
    yield f"  sha256     {bundle.sha256}"
    yield f"  montage    {card.montage}, at least {card.min_derivations} of its {len(card.derivations)} derivations"
    yield (
        f"  signal     {card.rate_hz:g} Hz, frames of {card.frame_samples / card.rate_hz:g} s, "
        f"a step every {card.step_s:g} s"
    )
    bands = ", ".join(f"{low:g}-{high:g}" for low, high in card.features.bands_hz)
    yield f"  features   power in {bands} Hz, absolute and relative to a baseline of {card.features.baseline_s:g} s"
    if card.features.rhythm is not None:
        slowest, fastest = card.features.rhythm.repeats_hz
        yield f"             rhythm that repeats {slowest:g} to {fastest:g} times a second"
    yield "decision"
    for key, value in card.decision.model_dump().items():
        yield f"  {key:18} {value:g}"
    yield "data"
    for data in card.data:
        yield f"  {data.name}: {len(data.persons)} persons, {data.licence}"
        yield f"    {data.attribution}"
    yield "figures"
    yield from _entries(card.figures, "  ")
    yield "limits"
    yield from (f"  * {limit}" for limit in card.limits)


def _entries(table: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}"
            yield from _entries(value, indent + "  ")
        else:
            yield f"{indent}{key}: {value}"
