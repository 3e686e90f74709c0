"""The command line. Each command imports what it needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from detector import __version__
from detector.doctor.command import doctor
from detector.errors import BadDataError, DetectorError, NoStreamError, UsageError
from detector.evaluation.command import evaluate
from detector.journal_command import events, export
from detector.morning_report.command import report
from detector.network.command import models
from detector.page.command import page
from detector.run_command import run
from detector.training.calibrate_command import calibrate
from detector.training.command import train
from detector.training.data_command import data
from detector.training.labels_command import labels

if TYPE_CHECKING:
    from detector.messages import Description
    from detector.source.recording import Source

log = logging.getLogger(__name__)

_FILE = click.Path(path_type=Path, readable=False)  # what cannot be read is told by whoever reads it


class _Number(click.FloatRange):
    """A number in a range; not-a-number is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


_POSITIVE = _Number(min=0, min_open=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    try:
        code = commands(arguments, prog_name="seizure-detector", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = UsageError.exit_code
    except click.Abort:
        code = 130
    except DetectorError as error:
        click.echo(f"seizure-detector: {error}", err=True)
        code = error.exit_code
    except Exception:  # the outermost place: nothing goes on after it
        log.exception("internal error, please report it with what follows")
        code = DetectorError.exit_code
    sys.exit(code if isinstance(code, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="seizure-detector")
def commands() -> None:
    """Watch live 22-channel scalp EEG and say, only while it is true, seizure or non-seizure.

    Research software: not a medical device, and never a sole alarm.
    """
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        stream=sys.stderr,
    )


commands.add_command(run)
commands.add_command(events)
commands.add_command(export)
commands.add_command(report)
commands.add_command(models)
commands.add_command(train)
commands.add_command(calibrate)
commands.add_command(labels)
commands.add_command(data)
commands.add_command(evaluate)
commands.add_command(doctor)
commands.add_command(page)


@commands.command()
@click.option("--speed", type=_Number(1, 4), default=1.0, show_default=True, help="Times real time.")
@click.option("--keep-running", is_flag=True, help="Go on for ever, with a seizure every two minutes.")
@click.option("--plain", is_flag=True, help="Lines instead of a live picture.")
def demo(speed: float, keep_running: bool, plain: bool) -> int:
    """See a live seizure detected on a simulated amplifier, in under a minute."""
    _quiet_lsl()
    from detector.demo import run_demo

    return run_demo(speed=speed, keep_running=keep_running, plain=plain)


@commands.command()
@click.argument("recording", type=_FILE, required=False)
@click.option("--name", default="simulated-amplifier", show_default=True, help="Name of the LSL stream.")
@click.option("--source-id", required=True, help="Its source_id.")
@click.option("--speed", type=_POSITIVE, default=1.0, show_default=True, help="Times real time.")
@click.option("--loop", is_flag=True, help="Begin anew at the end, with a hole of 1 s in the stamps.")
@click.option("--chunk", type=click.IntRange(1), default=32, show_default=True, help="Samples in one push.")
@click.option("--unit", help="Unit of a recording that declares none.")
@click.option("--wait", type=_Number(min=0), default=0.0, help="Seconds to wait for a first consumer.")
@click.option("--duration", type=_POSITIVE, default=600.0, show_default=True, help="Of synthetic EEG, in seconds.")
@click.option("--rate", type=_POSITIVE, default=256.0, show_default=True, help="Of synthetic EEG, in Hz.")
@click.option("--seizure", "seizures", multiple=True, metavar="START:END", help="A synthetic seizure, in seconds.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of synthetic EEG.")
def simulate(
    recording: Path | None,
    name: str,
    source_id: str,
    speed: float,
    loop: bool,
    chunk: int,
    unit: str | None,
    wait: float,
    **synthetic: Any,
) -> None:
    """Stream a recording (EDF, BDF, XDF), or synthetic EEG, as a live LSL outlet with the truth beside it."""
    source: Source
    context = click.get_current_context()
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    pointless = given & ({"duration", "rate", "seizures", "seed"} if recording is not None else {"unit"})
    if pointless:
        what = "a recording" if recording is not None else "synthetic EEG"
        raise UsageError(f"{what} has no {', '.join(sorted(pointless))} to choose")
    if not source_id or "'" in source_id:
        raise UsageError(f"--source-id {source_id!r}: expected a text without ', as a detector asks for it by this")
    if recording is not None:
        from detector.source.recording import open_recording

        source = open_recording(recording, unit=unit)
        if all(scale is None for scale in source.description.scales_uv):
            raise BadDataError(f"{recording} declares no known unit; say it, for instance --unit microvolts")
    else:
        from detector.source.synthetic import SyntheticConfig, SyntheticEeg

        spans = tuple(_span(text) for text in synthetic["seizures"])
        source = SyntheticEeg(SyntheticConfig(synthetic["duration"], synthetic["rate"], spans, synthetic["seed"]))
    _quiet_lsl()
    from detector.source.lsl_simulator import simulate as push

    click.echo(f"streaming {source.duration_s:.0f} s as {name!r}, source_id {source_id!r}", err=True)
    push(
        source,
        name=name,
        source_id=source_id,
        stop=_until_signal(),
        speed=speed,
        loop=loop,
        chunk=chunk,
        wait_for_consumer_s=wait or None,
    )


@commands.command()
@click.option("--timeout", type=_POSITIVE, default=2.0, show_default=True, help="Seconds to look for streams.")
@click.option("--bundle", default=None, help="The model that streams must fit.")
def discover(timeout: float, bundle: str | None) -> None:
    """List the LSL streams in reach, and why those that do not fit the model do not."""
    from rich.console import Console

    from detector.network.bundle import DEFAULT_BUNDLE, load_bundle
    from detector.pipeline import Conditioning

    card = load_bundle(bundle or DEFAULT_BUNDLE).card
    _quiet_lsl()
    from detector.source.lsl_discover import discover as look
    from detector.source.lsl_discover import table

    def fits(description: Description) -> str:
        try:
            Conditioning(card, description)
        except BadDataError as error:
            return str(error)
        return ""

    found = look(timeout)
    if not found:
        raise NoStreamError(
            f"no LSL stream answered in {timeout:g} s; is the sender on this network, and multicast open?"
        )
    Console().print(table(found, fits))


@commands.command()
@click.argument("recordings", type=_FILE, nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path), help="Events as TSV; a folder for several recordings.")
@click.option("--probabilities", type=click.Path(path_type=Path), help="Each step as CSV; a folder for several.")
@click.option(
    "--chunk-samples",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Read at once; results stay the same to 1e-5.",
)
@click.option("--bundle", default=None, help="The model; by default the one that comes with the program.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "litert", "tensorflow"]),
    default="auto",
    show_default=True,
    help="What runs the model; auto is litert where the model has its file.",
)
@click.option("--unit", help="Unit of recordings that declare none.")
@click.option(
    "--match",
    type=click.Choice(["labels", "order"]),
    default="labels",
    show_default=True,
    help="By what channels are known; by their order only where it is known to be the montage's.",
)
@click.option("--stand-ins", is_flag=True, help="Let T1/T2 stand in for FT9/FT10.")
@click.option("--review", is_flag=True, help="With a bidirectional model: look at each recording as a whole.")
@click.option("--jobs", type=click.IntRange(1), help="Recordings at a time; by default one for each core.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask cluster that does it instead, e.g. tcp://host:8786.")
def score(recordings: tuple[Path, ...], **options: Any) -> int:
    """Score recordings offline, with the same pipeline as a live bed.

    RECORDINGS are files, folders (all below them) and patterns in quotes. Of several, what is done already is not done
    again: a manifest beside the results tells what was made of which recording by which model.
    """
    from detector.score_command import score_recordings

    return score_recordings(recordings, **options)


@commands.command()
@click.option("--bed", default=None, help="Which bed; not needed where there is one.")
@click.option("--plain", is_flag=True, help="Lines instead of a live picture.")
@click.option("--timeout", type=_POSITIVE, default=5.0, show_default=True, help="Seconds to look for the bed.")
def watch(bed: str | None, plain: bool, timeout: float) -> None:
    """Look at what a bed publishes."""
    _quiet_lsl()
    from detector.client.lsl import BedClient
    from detector.client.terminal import run_view

    stop = _until_signal()
    try:
        client = BedClient(bed, timeout, keep_waiting=lambda: not stop())
    except NoStreamError:
        if stop():
            return
        raise
    try:
        run_view(client, plain=plain, stop=stop)
    finally:
        client.close()


def _quiet_lsl() -> None:
    from detector.lsl_setup import quiet

    quiet()


def _until_signal() -> Callable[[], bool]:
    """Return what says whether SIGINT or SIGTERM has come."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return stopped.is_set


def _span(text: str) -> tuple[float, float]:
    try:
        start, end = (float(part) for part in text.split(":"))
        if not 0 <= start < end < math.inf:
            raise ValueError
    except ValueError:
        raise UsageError(f"--seizure {text!r}: expected START:END in seconds, for example 30:50") from None
    return start, end
