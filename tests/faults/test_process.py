"""Faults 49, 52, 58 and 59: what happens to the process, and what it is not given."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
import pytest

from detector.cli import main
from detector.errors import DetectorError
from detector.journal_reading import JournalReader
from detector.journal_schema import RowKind
from detector.messages import State
from detector.sinks.journal import Journal
from tests.conftest import ROOT
from tests.faults.bed import SEED, Bed
from tests.faults.calls import Failing, Ran, run
from tests.faults.cgroup import limited
from tests.live import amplifier, program, synthetic_amplifier, until

HOUR_S = 3600.0
WITHOUT_S = 6.0  # three attempts to connect
STALE_S = 10.0
STARVED_S = 12.0  # behind the first word of it, with which most silences come
CALIBRATION_S = 5.5  # what is done every five seconds is in it
DEAD_S = 3.0  # readers call a detector that is silent for longer dead
STALL_S = 2.0  # of the configuration
MEMORY = 500_000  # bytes, beside what it had before


class Wall(Failing):
    """A wall clock that is set while the daemon runs: at these calls for samples, by so many seconds."""

    def __init__(self, steps: dict[int, float]) -> None:
        super().__init__("none", 0, ValueError)
        self._steps, self._pulls, self.ahead_s = steps, 0, 0.0

    def __call__(self, calls: str) -> None:
        if calls == "pull":
            self._pulls += 1
            self.ahead_s += self._steps.get(self._pulls, 0.0)

    def now_s(self) -> float:
        return time.time() + self.ahead_s


def _under(wall: Wall, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    folder.mkdir()
    defaults = Journal.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "utc", wall.now_s)
    ran = run(wall, folder, monkeypatch)
    ran.read_journal(folder / "journal.sqlite")
    return ran


def _watched(ran: Ran) -> list[tuple[float, State, float]]:
    said = [(stamp, state, p) for stamp, state, p in ran.said if state is not State.NOT_MONITORING]
    return [(round(stamp - said[0][0], 3), state, p) for stamp, state, p in said]


@pytest.fixture
def stepped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Ran, Ran, Path]:
    """Return a run on a steady wall clock, and one on a clock that is set on, back over it and right again."""
    steady = _under(Wall({}), tmp_path / "steady", monkeypatch)
    # In the warm-up, in the seizure (the 16th call for samples and on), and behind it.
    wall = _under(Wall({8: HOUR_S, 17: -2 * HOUR_S, 20: HOUR_S}), tmp_path / "stepped", monkeypatch)
    return steady, wall, tmp_path / "stepped" / "journal.sqlite"


def test_fault_49_a_wall_clock_that_is_set_changes_nothing_of_what_is_said(stepped: tuple[Ran, Ran, Path]) -> None:
    steady, ran, _ = stepped
    assert steady.is_whole
    assert ran.code == 0
    assert ran.markers == steady.markers
    assert _watched(ran) == _watched(steady)
    assert ran.kinds == steady.kinds


def test_fault_49_events_are_listed_as_they_were_said_and_exported_as_long_as_they_were(
    stepped: tuple[Ran, Ran, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, ran, journal = stepped
    ahead_s = [row.utc_s - (row.lsl_s or 0.0) for row in ran.rows]
    hours = [round((this_s - ahead_s[0]) / HOUR_S) for this_s in ahead_s]
    assert {*hours} == {0, 1, -1}, "each row has the wall clock of its own time"
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["events", "--journal", str(journal), "--json"])
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in listed] == [*range(1, len(ran.rows) + 1)]
    assert [row["payload"]["state"] for row in listed if row["kind"] == "state"] == ran.states
    table = tmp_path / "table.csv"
    with pytest.raises(SystemExit):
        main(["export", "--journal", str(journal), "--csv", str(table)])
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    ended = next(row.facts for row in ran.rows if row.kind == RowKind.SEIZURE and row.facts["offset_s"])
    [seizure] = [row for row in rows if row["said"] == "seizure"]
    assert float(seizure["duration_s"]) == pytest.approx(ended["offset_s"] - ended["onset_s"], abs=0.002)
    wall_s = {f"{row.lsl_s:.3f}": row.utc_s for row in ran.rows}
    told_s = {row["start_lsl_s"]: datetime.fromisoformat(row["start_utc"]).timestamp() for row in rows}
    common = wall_s.keys() & told_s.keys()
    assert len(common) > 4
    assert [told_s[at] for at in common] == pytest.approx([wall_s[at] for at in common], abs=0.1)
    times = [(float(row["start_lsl_s"]), float(row["last_seen_lsl_s"])) for row in rows]
    assert all(end_s == start_s for (_, end_s), (start_s, _) in itertools.pairwise(times)), "nothing is left out"
    assert [float(row["duration_s"]) for row in rows] == pytest.approx([b - a for a, b in times], abs=0.002)


def test_fault_52_a_daemon_that_is_killed_at_any_moment_leaves_a_whole_journal_and_lies_never() -> None:
    script = ROOT / "benchmarks" / "kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "6", "--beds", "3", "--seed", str(SEED)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    titles, _, figures = (line.strip("| ").split(" | ") for line in done.stdout.splitlines())
    found = dict(zip(titles, map(float, figures), strict=True))
    assert found["starts"] - found["crashes"] == 3, "all lives that began a journal's rows but the first of each bed"
    assert found["starts"] > 3


def test_fault_58_a_daemon_without_descriptors_goes_on_and_finds_its_stream_when_it_has_some(bed: Bed) -> None:
    process = psutil.Process(bed.pid)
    limits = process.rlimit(psutil.RLIMIT_NOFILE)
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("lost")
    bed.said_unwatchable()
    process.rlimit(psutil.RLIMIT_NOFILE, (0, limits[1]))  # those that are open stay so
    try:
        with bed.amplifier(wait=False):
            bed.goes_on(WITHOUT_S)
            process.rlimit(psutil.RLIMIT_NOFILE, limits)
            bed.watched()
    finally:
        process.rlimit(psutil.RLIMIT_NOFILE, limits)


def test_fault_58_a_daemon_without_threads_goes_on_and_connects_when_it_has_some(bed: Bed) -> None:
    with limited("pids", bed.pid) as group:
        bed.watch()
        with bed.amplifier():
            bed.watched()
            bed.unwatchable("lost")
        bed.said_unwatchable()
        group.no_more_threads()
        with bed.amplifier(wait=False):
            bed.until(lambda: "trying again" in bed.log, 10, "a connection that has no thread")
            bed.goes_on(WITHOUT_S)
    bed.recovers()


def test_fault_58_a_daemon_that_the_kernel_kills_for_its_memory_is_told_of_by_the_next_one(tmp_path: Path) -> None:
    config, journal = tmp_path / "bed.toml", tmp_path / "journal.sqlite"
    config.write_text(f'[bed]\nname = "oom"\n[source]\nsource_id = "oom-amp"\n[journal]\npath = "{journal}"\n')
    command = ("run", "--config", str(config))

    def kinds() -> list[str]:
        with contextlib.suppress(DetectorError), closing(JournalReader(journal)) as reader:  # there is none yet
            return [row.kind for row in reader.rows()]
        return []

    with program(*command, log=tmp_path / "first.log") as first:
        until(lambda: RowKind.STATE in kinds(), 60, "it has begun")
        with limited("memory", first.pid) as group, amplifier(synthetic_amplifier("oom-amp")):
            group.memory(MEMORY)
            first.wait(60)
            assert group.kills() > 0
    assert first.returncode == -signal.SIGKILL
    with program(*command, log=tmp_path / "second.log"):
        until(lambda: RowKind.CRASH in kinds() and kinds()[-1] == RowKind.STATE, 60, "the next one has begun")
    assert kinds().count(RowKind.START) == 2
    assert RowKind.STOP not in kinds()


@pytest.mark.slow
@pytest.mark.parametrize("load", [2, 3])
def test_fault_59_a_daemon_with_more_to_do_than_it_may_is_stale_and_not_silent(bed: Bed, load: int) -> None:
    with limited("cpu", bed.pid) as group:
        bed.watch()
        with bed.amplifier(rate_hz=2048.0):  # of a slower one so little is made that a part is a few pauses long
            bed.watched()
            needs = _share_used(bed, CALIBRATION_S)
            bed.silence_s = DEAD_S
            bed.unsure()  # steps that are made in time are watched ones
            group.cpu(needs / load)
            bed.until(lambda: bed.cause == "stale", STALE_S, "stale")
            bed.goes_on(STARVED_S)
            starved = bed.now.samples
            group.cpu(1.0)
            bed.until(lambda: bed.now.samples[-1].input_age_s < 0.5, 8, "it has caught up")
            bed.watched(within_s=1, not_before_s=0)
            bed.goes_on(2)
    late = [s for s in starved if s.state is State.NON_SEIZURE and s.input_age_s > STALL_S]
    assert not late, "non-seizure is said of fresh steps only"
    assert np.mean([s.state is State.NOT_MONITORING for s in starved[-10:]]) > 0.5


def _share_used(bed: Bed, seconds: float) -> float:
    """Return how much of one processor the daemon uses in the next seconds."""
    clock = ~bed.pid << 3 | 2  # of the whole process, see clock_getcpuclockid(3)
    began_s, used_s = time.monotonic(), time.clock_gettime(clock)
    bed.goes_on(seconds)
    return (time.clock_gettime(clock) - used_s) / (time.monotonic() - began_s)
