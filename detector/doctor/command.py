"""The command that examines a machine."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detector.errors import ConfigError

if TYPE_CHECKING:
    from detector.doctor.finding import Finding

SCHEMA = 1
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path, readable=False), help="The bed's configuration.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def doctor(path: Path | None, as_json: bool) -> None:
    """Examine whether this machine is set up so that a bed can be watched.

    A line for each check, with what to do. Takes less than 20 seconds. Exit code 0: nothing failed; 78: something did.
    """
    from detector.doctor.examination import examine

    logging.getLogger("detector").setLevel(logging.ERROR)  # what the checks say is said by their lines
    findings: list[Finding] = []
    for finding in examine(path):
        findings.append(finding)
        if not as_json:
            _show(finding)
    n_failed = sum(finding.level == "fail" for finding in findings)
    if as_json:
        said = {"schema": SCHEMA, "passed": not n_failed, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(said, indent=1))
    else:
        click.echo(f"{n_failed} of {len(findings)} failed" if n_failed else "nothing failed")
    sys.stdout.flush()
    logging.shutdown()
    # A check that was given up may still wait for the network, and would keep this program.
    os._exit(ConfigError.exit_code if n_failed else 0)


def _show(finding: Finding) -> None:
    click.echo(f"{click.style(f'{finding.level:4}', _COLOURS[finding.level])}  {finding.check}: {finding.text}")
    if finding.advice:
        click.echo(f"      -> {finding.advice}")
