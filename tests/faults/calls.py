"""The whole ``run`` command in this process, with the edges of its world replaced: any call out of it can be failed.

The network of LSL, systemd's socket and SQLite's connection are what it calls. Samples are there whenever it asks, so
that a minute of EEG takes a moment; the amplifier is quiet until non-seizure is said, loud until seizure is said, and
quiet until that is over: a run that comes to its end has gone on detecting, whatever failed in it.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pylsl
import pytest

from detector.cli import main
from detector.conditioning.montage import MONTAGES
from detector.config import Config
from detector.journal_found import check
from detector.journal_reading import JournalReader
from detector.journal_schema import Row, RowKind
from detector.messages import State
from detector.network.bundle import Bundle
from tests.test_service import LoudIsSeizure, engine_bundle

RATE = 256
LABELS = MONTAGES["chb-mit-22"]
UNTRIED_S = 7.0  # of a stream whose rate must be measured first, until non-seizure can be said
FRAME_S = 2.0
HOLE_S = 1.0  # from the end of a daemon to the first sample of the next
MOST_S = 120  # of EEG: what has not been said then never will be
HANGS_S = 30
LAST_CALLS = 40  # to an amplifier that has gone


@dataclass
class Failing:
    """Fails the ``n``-th call of a kind, counted from 1, or all from there on.

    Parameters
    ----------
    calls
        Which calls are counted, a word of those that ask: ``pull``, ``push``, ``notify``, ``journal``, or ``journal,
        done``, which fails behind what it does.
    error
        Makes what is raised.
    """

    calls: str
    n: int
    error: Callable[[], Exception]
    for_good: bool = False
    counted: int = 0
    fired: int = 0

    def __call__(self, calls: str) -> None:
        """Be asked by a call whether it fails."""
        if calls != self.calls:
            return
        self.counted += 1
        if self.counted == self.n or (self.for_good and self.counted > self.n):
            self.fired += 1
            raise self.error()


@dataclass
class Ran:
    """What came of it: all that left the daemon, and the rows of its journal."""

    code: object = None
    markers: list[str] = field(default_factory=list)
    said: list[tuple[float, State, float]] = field(default_factory=list)  # stamp, state and probability of each status
    notified: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    next_s: float = 0.0  # the stamp of the first sample that it has not asked for
    is_whole: bool = False  # whether non-seizure, seizure and non-seizure were said

    def read_journal(self, path: Path) -> None:
        """Read what it has written down, a whole journal."""
        with closing(JournalReader(path)) as reader:
            check(reader._connection)
            self.rows = list(reader.rows())

    @property
    def written(self) -> list[str]:
        """The states that were entered, as the journal says."""
        return [row.facts["state"] for row in self.rows if row.kind == RowKind.STATE]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the journal's rows."""
        return [row.kind for row in self.rows]

    @property
    def states(self) -> list[str]:
        """The states that were entered, as the markers say."""
        labels = {state.label for state in State}
        return [text for text in self.markers if text.split("/")[0] in labels]


class World:
    """LSL, as far as one bed sees it."""

    def __init__(self, failing: Failing, ran: Ran, before: Ran | None) -> None:
        self._failing, self._ran, self._before = failing, ran, before
        self._rng = np.random.default_rng(0)
        info = pylsl.StreamInfo("amp", "EEG", len(LABELS), RATE, "float32", "amp")
        channels = info.desc().append_child("channels")
        for label in LABELS:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "uV")
        self.info = info
        self._next_s = pylsl.local_clock() if before is None else before.next_s + HOLE_S
        self._begin_s = self._not_before_s = self._next_s
        self._wanted = ["non-seizure", "seizure", "non-seizure"]
        self._loud_s = np.inf
        self._idle = 0

    # The inlet.

    def open_stream(self, timeout: float) -> None:
        self._failing("pull")

    def full_info(self, timeout: float) -> pylsl.StreamInfo:
        self._failing("pull")
        if self._before is None:  # else what the daemon before knew may be taken up
            self._not_before_s = self._next_s + UNTRIED_S
        return self.info

    def time_correction(self, timeout: float) -> float:
        return 0.0

    def samples_available(self) -> int:
        return 10 * RATE  # whatever is wanted

    def pull_chunk(self, timeout: float, max_samples: int, as_numpy: bool) -> tuple[Any, Any]:
        """Give up to a second of EEG, or nothing and the end where all has been said."""
        if not self._wanted or self._next_s - self._begin_s > MOST_S:
            self.stop()
            return np.empty((0, len(LABELS))), np.empty(0)
        self._failing("pull")
        n = min(max_samples, RATE)
        stamps = self._next_s + np.arange(n) / RATE
        self._next_s += n / RATE
        self._ran.next_s = self._next_s
        loud = self._wanted[0] == "seizure"
        if loud:
            self._loud_s = min(self._loud_s, stamps[0])
        return self._rng.normal(size=(n, len(LABELS))).astype(np.float32) * (200 if loud else 20), stamps

    def results(self) -> list[pylsl.StreamInfo]:
        """Return what is on the network; an amplifier that cannot be had is not waited for without end."""
        self._idle += 1
        if self._idle > LAST_CALLS:
            self.stop()
        return [self.info]

    def stop(self) -> None:
        """End the daemon as systemd does."""
        signal.raise_signal(signal.SIGTERM)

    # The outlets.

    def push(self, kind: str, values: list[Any], stamp: float) -> None:
        """Take what is said, unless that fails, and judge it."""
        self._failing("push")
        if kind == "events":
            self._ran.markers.append(values[0])
            if values[0] == "non-seizure":
                self._judge(stamp, "a marker")
            if self._wanted and values[0] == self._wanted[0]:
                del self._wanted[0]
                self._ran.is_whole = not self._wanted
        elif kind == "detail":
            detail = json.loads(values[0])
            self._ran.conditions += [detail["condition"]] if detail["kind"] == "condition" else []
        elif kind == "status":
            probability, state = values[0], State(int(values[1]))
            self._ran.said.append((stamp, state, probability))
            if state is State.NON_SEIZURE:
                self._judge(stamp, "a status")
            if state is State.NOT_MONITORING and not np.isnan(probability):
                self._ran.lies.append(f"a probability of {probability} while nothing is watched")

    def _judge(self, stamp: float, what: str) -> None:
        if stamp < self._not_before_s:
            self._ran.lies.append(f"{what} says non-seizure {self._not_before_s - stamp:.1f} s too early")
        if stamp >= self._next_s:
            self._ran.lies.append(f"{what} says non-seizure of samples that have not come")
        loud = self._wanted[:1] == ["seizure"]
        if loud and stamp > self._loud_s + 2 * FRAME_S:
            self._ran.lies.append(f"{what} says non-seizure {stamp - self._loud_s:.1f} s into a seizure")


def run(failing: Failing, folder: Path, monkeypatch: pytest.MonkeyPatch, before: Ran | None = None) -> Ran:
    """Run the command to its end, and return what came of it; it fails where it hangs.

    Parameters
    ----------
    failing
        The call that fails.
    folder
        Of the configuration, the journal and the checkpoint.
    before
        The run that this one follows: the amplifier has gone on.
    """
    ran, config = Ran(), folder / "bed.toml"
    config.write_text(
        '[bed]\nname = "calls"\n[source]\nsource_id = "amp"\nreplay = true\n[model]\nbundle = "stub"\n'
        f'[outlets]\ndetail = true\n[journal]\npath = "{folder / "journal.sqlite"}"\n'
    )
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setenv("NOTIFY_SOCKET", "/nobody")
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    _replace_edges(World(failing, ran, before), failing, ran, folder, monkeypatch)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM)
    handlers = {number: signal.getsignal(number) for number in numbers}
    umask = os.umask(0o077)
    signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_REAL, HANGS_S)
    try:
        with pytest.raises(SystemExit) as end:
            main(["run", "--config", str(config)])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.umask(umask)
        monkeypatch.undo()
    ran.code = end.value.code
    return ran


def _hangs(_number: int, _frame: FrameType | None) -> None:
    pytest.fail(f"it has not ended within {HANGS_S} s")


def _replace_edges(world: World, failing: Failing, ran: Ran, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Inlet:
        open_stream, info = world.open_stream, world.full_info
        time_correction, pull_chunk = world.time_correction, world.pull_chunk
        samples_available = world.samples_available

        def __init__(self, *_: object, **__: object) -> None: ...

    class Resolver:
        results = world.results

        def __init__(self, *_: object, **__: object) -> None: ...

    class Outlet:
        def __init__(self, info: pylsl.StreamInfo, *_: object, **__: object) -> None:
            self._info, self._kind = info, info.name().rpartition("-")[2]

        def get_info(self) -> pylsl.StreamInfo:
            return self._info

        def push_sample(self, values: list[Any], stamp: float = 0.0) -> None:
            world.push(self._kind, values, stamp)

        def have_consumers(self) -> bool:
            return False

    class Socket:
        def __init__(self, *_: object) -> None: ...

        def setblocking(self, _: bool) -> None: ...

        def close(self) -> None: ...

        def sendto(self, data: bytes, _: str) -> None:
            failing("notify")
            ran.notified += data.decode().splitlines()

    class Connection(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            return tried(super().execute, arguments)

        def executemany(self, *arguments: Any) -> sqlite3.Cursor:
            return tried(super().executemany, arguments)

        def executescript(self, *arguments: Any) -> sqlite3.Cursor:
            return tried(super().executescript, arguments)

    def tried(call: Callable[..., sqlite3.Cursor], arguments: tuple[Any, ...]) -> sqlite3.Cursor:
        failing("journal")
        cursor = call(*arguments)
        failing("journal, done")
        return cursor

    def engine(config: Config) -> tuple[Bundle, LoudIsSeizure]:
        return engine_bundle(config.model.bundle, folder), LoudIsSeizure()

    connect = sqlite3.connect
    for name, value in {
        "detector.loading.load_engine": engine,
        "pylsl.StreamInlet": Inlet,
        "pylsl.StreamOutlet": Outlet,
        "pylsl.ContinuousResolver": Resolver,
        "pylsl.resolve_bypred": lambda *_, **__: [],
        "detector.sd_notify.socket.socket": Socket,
        "detector.journal_file.sqlite3.connect": lambda *a, **k: connect(*a, **k, factory=Connection),
        "detector.run_command.logging.shutdown": lambda: None,
        "detector.run_command.os._exit": _exit,
        # Waits that make a run long and prove nothing.
        "detector.source.lsl_search._SETTLE_S": 0.0,
        "detector.source.lsl._RETRY_S": 0.0,
        "detector.source.lsl.MAX_BLOCK_S": 0.004,
        "detector.sinks.journal_writer._RETRY_S": 0.02,
        "detector.sinks.journal_writer._LONGEST_RETRY_S": 0.02,
    }.items():
        monkeypatch.setattr(name, value)


def _exit(code: int) -> None:
    raise SystemExit(code)
