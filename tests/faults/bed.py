"""A bed whose daemon is a real process: configured, given amplifiers, and judged from outside."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pylsl

from detector.messages import State
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.faults.amplifier import Amplifier, running
from tests.faults.corruption import Corruption
from tests.faults.oracle import SILENCE_S, Measured, Stretch, judge, measure
from tests.faults.outlet import ELECTRODES, Outlet
from tests.faults.recording import Marker, Recorder, Recording, outlets_of
from tests.live import program, until

# Limits of the design, on a machine that has other things to do. A lost signal is known after ``stall_s`` of 2 s and a
# turn of the main loop, and is told with the next status.
LOSS_S = 3.0
REFUSE_S = 9.0  # to be found, to settle, to be asked, and 6 s where two are there
RATE_S = 7.9  # how long a rate is measured before non-seizure is said of a new stream
AGAIN_S = 3.5  # a frame and the warm-up after a reset of the same stream
CONNECT_S = 6.0
WATCHED_S = CONNECT_S + RATE_S + 4.0
WARM_UP_S = 2.0
SIGNAL_S = 120.0
SEED = int(os.environ.get("FAULTS_SEED", "0"))
_SETTLE_S = 0.5
_START_S = 120.0  # TensorFlow, several at once on two cores


class Signals:
    """Simulated potentials in files, made once for each rate and each set of seizures."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._gain = float(np.random.default_rng(seed).uniform(0.8, 1.25))
        self._lock = threading.Lock()

    def file(self, rate_hz: float, seizures: tuple[tuple[float, float], ...]) -> Path:
        """Return a file of (n_samples, n_electrodes) in µV."""
        with self._lock:
            path = self._folder / f"{rate_hz:g}-{zlib.crc32(repr(seizures).encode())}.npy"
            if not path.exists():
                eeg = SyntheticEeg(SyntheticConfig(SIGNAL_S, rate_hz, seizures, self._seed, referential=True))
                assert eeg.description.labels == tuple(f"EEG {name}-REF" for name in ELECTRODES)
                samples = np.concatenate([m.samples for m in eeg.messages()])  # type: ignore[union-attr]
                np.save(path, samples * np.float32(self._gain))
            return path


class Bed:
    """A daemon, what is recorded of it, and what the test says is so.

    Parameters
    ----------
    name
        Of the bed.
    folder
        For its configuration, its log and its state.
    signals
        What its amplifiers carry.
    hostname
        In ``[source]``, for all tests: another one would open the daemon's outlets anew.
    variables
        Of the environment of the daemon and its amplifiers, beside our own.
    """

    def __init__(self, name: str, folder: Path, signals: Signals, hostname: str = "", **variables: str) -> None:
        self.name, self._signals, self._hostname, self._variables = name, signals, hostname, variables
        self.reference: Callable[[], dict[int, float]] = dict  # what a healthy amplifier gives, by the half second
        self.rng = np.random.default_rng()  # seeded for each test
        self.silence_s = SILENCE_S  # how long the status may say nothing in this test
        self.source_id = f"{name}-amplifier"
        self._path, self._log = folder / f"{name}.toml", folder / f"{name}.log"
        self._source: dict[str, object] = {}
        self._write()
        self._stack = ExitStack()
        self._process = self._stack.enter_context(
            program("run", "--config", str(self._path), log=self._log, **variables)
        )
        self._recorder: Recorder | None = None
        self._stretches: list[Stretch] = []
        self._log_from = 0

    def started(self) -> None:
        """Wait until the daemon publishes, and record from there on."""
        self._recorder = Recorder(outlets_of(self.name, _START_S), psutil.Process(self._process.pid))
        self.until(lambda: self.whole.samples, 5, "a status")
        self._hear_what_stood()
        self.watch()

    def close(self) -> None:
        """End the daemon."""
        if self._recorder is not None:
            self._recorder.stop()
        self._stack.close()

    @property
    def pid(self) -> int:
        """Of the daemon."""
        return self._process.pid

    @property
    def recording(self) -> Recording:
        """What was recorded since `watch`."""
        return self.whole.between(self._stretches[0].start_s)

    @property
    def whole(self) -> Recording:
        """What was recorded of all tests."""
        assert self._recorder is not None
        return self._recorder.recording

    # What is so.

    def watch(self, **source: object) -> None:
        """Begin a test, with other keys in ``[source]`` than its source_id where they are given."""
        self._stretches, self.silence_s = [], SILENCE_S
        self._log_from = self._log.stat().st_size
        self._declare(watchable=False)
        if source != self._source:
            self._source = source
            self._write()
            self._process.send_signal(signal.SIGHUP)
            self.until_marker("session-reset/reload", 15)

    def watched(self, within_s: float = WATCHED_S, not_before_s: float = RATE_S) -> float:
        """Say that it can be watched from now on, wait until it is, and return how long that took.

        ``not_before_s`` counts from now, too: it must not be said sooner.
        """
        self._declare(watchable=True, within_s=within_s, not_before_s=not_before_s)
        return self.until(self._is_watched, within_s, "it is watched")

    def unwatchable(self, *causes: str, within_s: float = LOSS_S) -> None:
        """Say that it cannot be watched from now on: one of these causes must be given within the limit."""
        self._declare(watchable=False, within_s=within_s, causes=causes)

    def said_unwatchable(self, within_s: float | None = None) -> float:
        """Wait until one of the causes is given; return how long that took."""
        stretch = self._stretches[-1]
        within_s = stretch.within_s if within_s is None else within_s
        return self.until(lambda: self.cause in stretch.causes, within_s, " or ".join(stretch.causes))

    def is_refused(self, reason: str, within_s: float = REFUSE_S) -> None:
        """Say that what is there cannot be watched, and wait until this is said with the reason."""
        self.unwatchable("refused", within_s=within_s)
        self.said_unwatchable()
        self.until(lambda: reason in self.log, 3, f"the reason {reason!r}; the log is {self.log}")

    def recovers(self) -> None:
        """Give a healthy amplifier instead, which must be found."""
        with self.amplifier():
            self.watched()

    def unsure(self) -> None:
        """Say that from now on either may be true."""
        self._declare(watchable=None)

    def _declare(
        self, *, watchable: bool | None, within_s: float = 0.0, causes: tuple[str, ...] = (), not_before_s: float = 0.0
    ) -> None:
        now_s = pylsl.local_clock()
        self._end_stretch(now_s)
        self._stretches.append(Stretch(now_s, math.inf, watchable, within_s, causes, not_before_s))

    def _end_stretch(self, now_s: float) -> None:
        if self._stretches:
            s = self._stretches[-1]
            self._stretches[-1] = Stretch(s.start_s, now_s, s.watchable, s.within_s, s.causes, s.not_before_s)

    def _hear_what_stood(self) -> None:
        """Take the state that was said before the recording began from the log; since then only a status tells it."""
        recording, first = self.whole, self.whole.samples[0]
        said = re.findall(r"not-monitoring/\w+", self._log.read_text(errors="replace"))
        if said and not any(m.state for m in recording.markers):
            recording.markers.insert(0, Marker(first.arrived_s, 0.0, said[-1]))

    # What is seen.

    @property
    def now(self) -> Recording:
        """What was recorded since what is so was said last."""
        return self.whole.between(self._stretches[-1].start_s)

    def goes_on(self, seconds: float) -> None:
        """Look on for so long; what is so, stays so."""
        self.until(lambda: self.recording.samples, 3, "a status")
        began_s = self.recording.samples[-1].arrived_s
        self.until(lambda: self.recording.samples[-1].arrived_s > began_s + seconds, seconds + 3, "it goes on")

    @property
    def cause(self) -> str:
        """The cause that was given last; empty while something is watched."""
        return next((m.cause for m in reversed(self.whole.markers) if m.state), "")

    def _is_watched(self) -> bool:
        return any(s.state is not State.NOT_MONITORING for s in self.now.samples)

    def until(self, condition: Callable[[], object], within_s: float, what: str) -> float:
        """Wait for a condition, and not for a daemon that is gone; return how long it took."""
        recording = self.whole
        try:
            took_s = until(lambda: recording.ended or condition(), within_s, what)
        except AssertionError as late:
            raise AssertionError(f"{late}; {self._last_words()}") from None
        assert not recording.ended, f"{recording.ended}: {self.log}"
        return took_s

    def until_marker(self, text: str, within_s: float) -> float:
        """Wait for a marker that comes after what was said last."""
        return self.until(lambda: text in [m.text for m in self.now.markers], within_s, f"the marker {text}")

    @property
    def log(self) -> str:
        """What the daemon logged since `watch`."""
        return self._log.read_text(errors="replace")[self._log_from :]

    def probabilities(self, amplifier: Amplifier) -> dict[int, float]:
        """Return what was said of this amplifier's samples, by the number of the half second."""
        start_s = amplifier.started_s()
        said = [s for s in self.recording.between(start_s).samples if s.state is not State.NOT_MONITORING]
        return {round((s.stamp_s - start_s) * 2): s.probability for s in said}

    def conditions(self, kind: str) -> list[dict[str, Any]]:
        """Return what was said of a technical condition since what is so was said last, in order."""
        payloads = [detail.payload for detail in self.now.details]
        return [p for p in payloads if p["kind"] == "condition" and p["condition"] == kind]

    def seizures(self) -> list[tuple[str, str]]:
        """Return (id, outcome) of all that was said of seizures since `watch`, in order."""
        payloads = [detail.payload for detail in self.recording.details]
        return [(p["event_id"], p["outcome"]) for p in payloads if p["kind"] == "seizure"]

    def as_reference(self, amplifier: Amplifier, n: int = 6) -> None:
        """Wait for ``n`` probabilities, and compare them with those of a healthy amplifier with the same signal."""
        reference = self.reference()
        self.until(lambda: len(self.probabilities(amplifier)) >= n, n, f"{n} probabilities")
        said = self.probabilities(amplifier)
        common = sorted(said.keys() & reference.keys())
        assert len(common) >= n - 1, f"{sorted(said)} and {sorted(reference)[:20]}"
        np.testing.assert_allclose([said[k] for k in common], [reference[k] for k in common], atol=1e-4)

    def _last_words(self) -> str:
        """Return what was said, and when it was said and heard: either may be late on a busy machine."""
        now_s, recording = pylsl.local_clock(), self.whole
        told = (
            f"{m.text} (of {now_s - m.stamp_s:.2f} s ago, heard {now_s - m.arrived_s:.2f} s ago)"
            for m in recording.markers[-8:]
        )
        heard_s = now_s - recording.samples[-1].arrived_s if recording.samples else math.nan
        return f"last markers: {', '.join(told)}; the last status was heard {heard_s:.2f} s ago"

    # What is done.

    @contextmanager
    def amplifier(
        self,
        corruption: Corruption | None = None,
        *,
        wait: bool = True,
        session: str = "",
        seizures: tuple[tuple[float, float], ...] = (),
        **outlet: Any,
    ) -> Iterator[Amplifier]:
        """Run an amplifier with the source_id that is watched, unless another one is given."""
        made = Outlet(**{"source_id": self.source_id, **outlet})
        signal_file = self._signals.file(made.true_rate_hz or made.rate_hz or 256.0, seizures)
        with running(made, signal_file, corruption, wait=wait, session=session, **self._variables) as amplifier:
            try:
                yield amplifier
            finally:
                if self._stretches[-1].watchable:
                    self.unsure()

    def _write(self) -> None:
        keys = {"source_id": self.source_id, "hostname": self._hostname, **self._source}
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        self._path.write_text(
            f'[bed]\nname = "{self.name}"\n[source]\n'
            + "\n".join(lines)
            + f"\n[decision]\nwarm_up_s = {WARM_UP_S}\n[outlets]\ndetail = true\n",
            encoding="utf-8",
        )

    def rest(self) -> None:
        """Say that the test is over, and its amplifiers gone."""
        self._declare(watchable=False, within_s=LOSS_S)
        self.until(lambda: self.now.samples and self.now.samples[-1].state is State.NOT_MONITORING, 10, "nothing")
        settled_s = pylsl.local_clock() + _SETTLE_S
        self.until(lambda: self.recording.samples[-1].arrived_s > settled_s, 5, "a status")
        # A condition that stands is not raised again: the next test would not hear of it.
        self.until(lambda: self.standing <= {"lost", "waiting"}, 15, "the conditions are cleared")

    @property
    def standing(self) -> set[str]:
        """The technical conditions that stand, as far as their raising was recorded."""
        standing: set[str] = set()
        for payload in (detail.payload for detail in self.whole.details if detail.payload["kind"] == "condition"):
            (standing.discard if payload["cleared"] is not None else standing.add)(payload["condition"])
        return standing

    def verdict(self, neighbour: Recording | None = None) -> tuple[list[str], Measured]:
        """Return what was wrong since `watch`, by the oracle, and what was measured."""
        now_s = pylsl.local_clock()
        self._end_stretch(now_s)
        began_s = self._stretches[0].start_s
        recording = self.whole.between(began_s, now_s)
        stood = [m for m in self.whole.markers if m.state and m.arrived_s < began_s][-1:]
        recording.markers[:0] = [replace(m, arrived_s=began_s, stamp_s=0.0) for m in stood]
        beside = None if neighbour is None else neighbour.between(began_s, now_s)
        return judge(recording, self._stretches, beside, self.silence_s), measure(recording, self._stretches)


@contextmanager
def running_bed(name: str, folder: Path, signals: Signals, **variables: str) -> Iterator[Bed]:
    """Run a bed; the parameters are those of `Bed`."""
    bed = Bed(name, folder, signals, **variables)
    try:
        yield bed
    finally:
        bed.close()
