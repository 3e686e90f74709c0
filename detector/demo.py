"""The demo: a simulated amplifier, the daemon and a client, each a process of its own, over real LSL."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from detector.client.lsl import MAX_BLOCK_S, BedClient, Marker, Record, StatusSample
from detector.client.lsl_truth import TruthClient
from detector.client.terminal import run_view
from detector.errors import DetectorError, NoStreamError
from detector.messages import State
from detector.source.lsl_simulator import OFFSET, ONSET

BED = "demo"
# The seizure comes as soon as the warm-up and a frame are over. With the shorter warm-up the whole is over in a minute,
# TensorFlow's start included.
_WARM_UP_S = 5.0
SEIZURE_S = (11.0, 29.0)
LENGTH_S = 43.0
_LAST_WORD_S = 1.5  # how long to look at the non-seizure that came back: then the story is told
_KEEP_SEIZURE_S, _KEEP_LENGTH_S = (40.0, 65.0), 120.0
_START_S = 60.0  # TensorFlow from a cold disk on a small machine
_LATE_S = 6.0  # a seizure declared so long after its end still counts as detected
_STATUS_EVERY_S = 2.0
_INTERRUPTED = 130


@dataclass
class Seen:
    """What the client saw: the seizure and non-seizure markers, and for how long something was watched."""

    states: list[tuple[float, State]] = field(default_factory=list)
    monitored_s: float = 0.0
    monitored_since_s: float | None = None
    newest_s: float = -math.inf

    @property
    def is_over(self) -> bool:
        """Whether the last word after a seizure is non-seizure, and has been for a moment."""
        if not any(state is State.SEIZURE for _, state in self.states):
            return False
        time_s, state = self.states[-1]
        return state is State.NON_SEIZURE and self.newest_s - time_s >= _LAST_WORD_S

    def take(self, record: Record) -> None:
        """Take in one record."""
        if isinstance(record, Marker):
            said = {state.label: state for state in (State.SEIZURE, State.NON_SEIZURE)}
            if record.text in said:
                self.states.append((record.time_s, said[record.text]))
        elif isinstance(record, StatusSample):
            self.newest_s = record.time_s
            watched = record.state is not State.NOT_MONITORING
            if watched and self.monitored_since_s is not None:
                self.monitored_s += record.time_s - self.monitored_since_s
            self.monitored_since_s = record.time_s if watched else None


class _DemoClient(BedClient):
    """A client that is told what the simulated amplifier really does; the detector is not."""

    def __init__(self, truth: TruthClient, bed: str, timeout_s: float, keep_waiting: Callable[[], bool]) -> None:
        super().__init__(bed, timeout_s, keep_waiting)
        self._truth, self._n_told = truth, 0

    def read(self, timeout_s: float = MAX_BLOCK_S) -> list[Record]:
        records = super().read(timeout_s)
        told = self._truth.read()[self._n_told :]
        self._n_told += len(told)
        return [*(Marker(time_s, f"truth/{text}") for time_s, text in told), *records]


@dataclass(frozen=True)
class Summary:
    """What the client saw against what the amplifier did.

    Parameters
    ----------
    seizure_s
        How long the seizure was; ``None`` where the amplifier told of none.
    latency_s
        From its onset to the declaration; ``None`` where it was missed.
    back_s
        From its end to the non-seizure that was the last word, negative before it; ``None`` where it was not.
    false_alarms
        Seizures that were declared at any other time.
    monitored_s
        How long something was watched.
    """

    seizure_s: float | None
    latency_s: float | None
    back_s: float | None
    false_alarms: int
    monitored_s: float

    @property
    def exit_code(self) -> int:
        """0 only if the seizure was detected and non-seizure came back."""
        return 1 if self.latency_s is None or self.back_s is None else 0

    def __str__(self) -> str:
        seizure = "none was told of" if self.seizure_s is None else f"{self.seizure_s:.1f} s long"
        detected = "NO" if self.latency_s is None else f"yes, declared {self.latency_s:.1f} s after its onset"
        back = "NO"
        if self.back_s is not None:
            back = f"yes, declared {abs(self.back_s):.1f} s {'before' if self.back_s < 0 else 'after'} its end"
        lines = (
            "summary (synthetic EEG: it shows that the program works, not how well it detects)",
            f"  simulated seizure   {seizure}",
            f"  detected            {detected}",
            f"  non-seizure again   {back}",
            f"  false alarms        {self.false_alarms} in {self.monitored_s:.0f} monitored seconds",
        )
        return "\n".join(lines)


def summarise(seen: Seen, truth: list[tuple[float, str]]) -> Summary:
    """Return the summary of one seizure; ``truth`` are the amplifier's (stamp, text), on the same clock."""
    times_s = {text: time_s for time_s, text in reversed(truth)}
    declared = [time_s for time_s, state in seen.states if state is State.SEIZURE]
    if ONSET not in times_s or OFFSET not in times_s:
        return Summary(None, None, None, len(declared), seen.monitored_s)
    onset_s, offset_s = times_s[ONSET], times_s[OFFSET]
    hits = [time_s for time_s in declared if onset_s <= time_s <= offset_s + _LATE_S]
    back_s = None
    if hits and seen.states[-1][1] is State.NON_SEIZURE:
        back_s = min(time_s for time_s, _ in seen.states if time_s > declared[-1]) - offset_s
    return Summary(
        seizure_s=offset_s - onset_s,
        latency_s=hits[0] - onset_s if hits else None,
        back_s=back_s,
        false_alarms=len(declared) - len(hits),
        monitored_s=seen.monitored_s,
    )


def run_demo(*, speed: float, keep_running: bool, plain: bool) -> int:
    """Run the demo and return 0 only if the seizure was detected and non-seizure came back.

    Parameters
    ----------
    speed
        Times real time.
    keep_running
        A seizure every two minutes until interrupted, which is then no failure.
    plain
        Lines instead of a live picture.

    Raises
    ------
    DetectorError
        A process could not be started or ended by itself, with what it wrote.
    """
    stopped = _interruptible()
    seen, markers = Seen(), list[tuple[float, str]]()
    try:
        with ExitStack() as stack:
            _watch(stack, seen, markers, stopped, speed=speed, keep_running=keep_running, plain=plain)
    except NoStreamError:
        if not stopped():
            raise
    if stopped():
        click.echo("interrupted; the detector and the amplifier have been stopped", err=True)
        return 0 if keep_running else _INTERRUPTED
    summary = summarise(seen, markers)
    click.echo(str(summary))
    return summary.exit_code


def _watch(
    stack: ExitStack,
    seen: Seen,
    markers: list[tuple[float, str]],
    stopped: Callable[[], bool],
    *,
    speed: float,
    keep_running: bool,
    plain: bool,
) -> None:
    """Start everything, look at it until it is over, and leave the clearing up to ``stack``."""
    bed, name, source_id = (f"{word}-{os.getpid()}" for word in (BED, "amplifier", "simulated-amplifier"))
    (start_s, end_s), length_s = (_KEEP_SEIZURE_S, _KEEP_LENGTH_S) if keep_running else (SEIZURE_S, LENGTH_S)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seizure-detector-demo-")))
    config = folder / "demo.toml"
    text = f'[bed]\nname = "{bed}"\n[source]\nname = "{name}"\nsource_id = "{source_id}"\n'
    text += "replay = true\n" if speed != 1 else ""
    text += "" if keep_running else f"[decision]\nwarm_up_s = {_WARM_UP_S}\n"
    text += '[journal]\npath = "off"\n[checkpoint]\nevery_s = 0.0\n'  # a demonstration leaves nothing behind
    config.write_text(text, encoding="utf-8")
    click.echo("starting a simulated amplifier and the detector (TensorFlow takes some seconds) ...", err=True)
    daemon = stack.enter_context(_child(folder / "daemon.log", "run", "--config", str(config)))
    amplifier = stack.enter_context(
        _child(
            folder / "amplifier.log",
            *("simulate", "--name", name, "--source-id", source_id, "--speed", str(speed)),
            *("--duration", str(length_s), "--seizure", f"{start_s}:{end_s}", "--wait", str(_START_S)),
            *(["--loop"] if keep_running else []),
        )
    )

    def both_run() -> bool:
        daemon.check("the detector")
        if amplifier.process.poll() not in (None, 0):
            amplifier.check("the simulated amplifier")
        return not stopped()

    truth = TruthClient(source_id, _START_S, keep_waiting=both_run)
    client = _DemoClient(truth, bed, _START_S, both_run)
    stack.callback(client.close)

    def over() -> bool:
        markers[:] = truth.read()
        told = not keep_running and seen.is_over and any(text == OFFSET for _, text in markers)
        return not both_run() or amplifier.process.poll() is not None or told

    run_view(client, plain=plain, stop=over, on_record=seen.take, status_every_s=_STATUS_EVERY_S)
    for record in client.read():
        seen.take(record)
    markers[:] = truth.read()


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    log: Path

    def check(self, what: str) -> None:
        """Raise, with what it wrote and its exit code, if it has ended."""
        code = self.process.poll()
        if code is None:
            return
        error = DetectorError(f"{what} has ended:\n{self.log.read_text(errors='replace').rstrip()}")
        error.exit_code = code if code > 0 else DetectorError.exit_code
        raise error


@contextmanager
def _child(log: Path, *arguments: str) -> Iterator[_Child]:
    """Run a command of this program in a process of its own, and end it."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "detector", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt from the keyboard is ours to pass on
        )
    try:
        yield _Child(process, log)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _interruptible() -> Callable[[], bool]:
    """Return what says whether to stop; a closed terminal must not leave the children behind either."""
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received_number, _frame: received.append(received_number))
    return lambda: bool(received)
