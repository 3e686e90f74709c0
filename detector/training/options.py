"""Options that commands share which make a bundle from a folder of EEG."""

from __future__ import annotations

from pathlib import Path

import click

layout = click.option("--layout", default=None, help="Of that folder, where it cannot be told from what is in it.")
skip_bad = click.option("--skip-bad", is_flag=True, help="Leave out what cannot be used instead of refusing the whole.")
output = click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("models"),
    show_default=True,
    help="Folder in which the bundle's folder is made.",
)
bundle_id = click.option("--id", "bundle_id", required=True, help="The name of the new bundle.")
created = click.option("--created", default=None, help="Date in the card; by default today.")
replace = click.option("--replace", is_flag=True, help="Replace a bundle of that name.")
