"""The command that watches a bed."""

from __future__ import annotations

import gc
import logging
import os
import signal
from pathlib import Path

import click

log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--config", "path", type=click.Path(path_type=Path, readable=False), required=True, help="The bed's configuration."
)
@click.option("--check", is_flag=True, help="Validate configuration, model and outlets, and exit.")
def run(path: Path, check: bool) -> None:
    """Watch one bed: the daemon. It waits for its stream for ever."""
    from detector.config import load_config
    from detector.config_check import check_files, check_health_port, open_to_anybody, twins
    from detector.errors import ConfigError

    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # they would end a program that is still loading its model
    config = load_config(path)
    if wrong := [*open_to_anybody(path)]:
        raise ConfigError("; ".join(wrong))
    from detector.lsl_setup import quiet

    quiet()
    from detector.sd_notify import Notifier
    from detector.service import Service

    os.umask(0o077)  # what is written down about a patient is nobody else's
    service = Service(config, path, Notifier(os.environ))
    if check:
        check_files(path, config)
        check_health_port(config)
        service.check()
        click.echo(f"{path}: bed {config.bed.name}, model {config.model.bundle}: all is well")
        return
    for twin in twins(path, config):
        log.warning("%s", twin)  # whichever of the two is wrong, this bed goes on
    service.handle_signals()
    # What has been loaded stays. To look through it for garbage, now and then, takes 25 ms of processor time: seconds
    # of silence for a program that is given little of it.
    gc.collect()
    gc.freeze()
    service.run()
    logging.shutdown()
    # Everything is closed. TensorFlow's own end would take seconds more, and a service must stop in two.
    os._exit(0)
