"""Beyond the list: whichever call out of the daemon fails, once or from then on, nothing false is said of it.

Each test fails the first call, then the second, and so on, until a run makes no call that has not been failed.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pylsl
import pytest

from detector.errors import BadDataError
from detector.journal_schema import RowKind
from detector.messages import Outcome
from tests.faults.calls import Failing, Ran, run

Each = Callable[..., Iterator[tuple[int, Ran, Path]]]


@pytest.fixture
def each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Each:
    """Return what runs the daemon once for each call that can be failed."""

    def runs(
        calls: str, error: Callable[[], Exception], *, for_good: bool = False, step: int = 1
    ) -> Iterator[tuple[int, Ran, Path]]:
        for n in itertools.count(1, step):
            folder = tmp_path / f"{calls}-{n}"
            folder.mkdir()
            failing = Failing(calls, n, error, for_good)
            ran = run(failing, folder, monkeypatch)
            assert not ran.lies, f"call {n}: {ran.lies}"
            if not failing.fired:
                assert n > 10, f"only {n} calls"
                return
            yield n, ran, folder / "journal.sqlite"

    return runs


def _disk_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


def test_a_call_for_samples_that_loses_the_stream_costs_a_session_and_no_more(each: Each) -> None:
    for n, ran, journal in each("pull", pylsl.util.LostError):
        ran.read_journal(journal)
        assert (ran.code, ran.is_whole) == (0, True), f"call {n}: {ran.markers}"
        assert ran.written == ran.states
        assert ran.kinds.count(RowKind.STOP) == 1


@pytest.mark.parametrize("calls", ["pull", "push"])
def test_a_call_that_fails_in_an_unknown_way_ends_the_program_with_the_reason(
    calls: str, each: Each, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_seizures = 0
    for n, ran, journal in each(calls, pylsl.util.InternalError):
        if ran.code == 0:  # a connection that could not be made is made again
            assert ran.is_whole
            continue
        assert ran.code == 70
        ran.read_journal(journal)
        errors = [row.facts["error"] for row in ran.rows if row.kind == RowKind.ERROR]
        # An outlet that fails when it was asked to stop anyway is no other reason.
        assert errors == ["InternalError()"] or (ran.is_whole and RowKind.STOP in ran.kinds), f"call {n}: {ran.kinds}"
        assert ran.written == ran.states, f"call {n}"
        assert ran.markers[-1] == "monitoring-stop" or ran.states[-1] == "not-monitoring/stopping", f"call {n}"
        if ran.states[-2:-1] == ["seizure"]:
            in_seizures += 1
            again = run(Failing("none", 0, ValueError), journal.parent, monkeypatch, ran)
            again.read_journal(journal)
            assert (again.code, again.is_whole, again.lies) == (0, True, [])
            assert again.kinds.count(RowKind.CRASH) == (RowKind.ERROR in ran.kinds)
            outcomes: dict[str, list[Outcome]] = {}
            for row in again.rows:
                if row.kind == RowKind.SEIZURE:
                    outcomes.setdefault(row.facts["id"], []).append(row.facts["outcome"])
            assert len(outcomes) == 2, "the one that was on, and the one of the second run"
            for told in outcomes.values():
                # An end that was written just before the checkpoint with it was not is found once more.
                assert told[0] == Outcome.ONGOING
                assert Outcome.ONGOING not in told[1:]
                assert len(told) > 1, f"call {n}: nothing tells what became of it"
    assert in_seizures > 1


@pytest.mark.parametrize("for_good", [False, True])
def test_a_supervisor_that_cannot_be_told_changes_nothing(each: Each, for_good: bool) -> None:
    for n, ran, journal in each("notify", OSError, for_good=for_good):
        ran.read_journal(journal)
        assert (ran.code, ran.is_whole) == (0, True), f"call {n}"
        assert ran.written == ran.states
        assert ("READY=1" in ran.notified) == (n > 1 or not for_good), "what could not be told is told with the next"


@pytest.mark.parametrize("calls", ["journal", "journal, done"])
def test_a_journal_that_cannot_be_written_once_has_every_row_once_in_the_end(calls: str, each: Each) -> None:
    for n, ran, journal in each(calls, _disk_error):
        ran.read_journal(journal)
        assert (ran.code, ran.is_whole) == (0, True), f"call {n}"
        assert ran.written == ran.states, f"call {n}"
        assert (ran.kinds[0], ran.kinds.count(RowKind.START), ran.kinds.count(RowKind.STOP)) == (RowKind.START, 1, 1)
        outcomes = [row.facts["outcome"] for row in ran.rows if row.kind == RowKind.SEIZURE]
        assert outcomes == [Outcome.ONGOING, Outcome.ENDED], f"call {n}"


def test_a_journal_that_cannot_be_written_any_more_ends_no_detection(each: Each) -> None:
    conditions, written = set[str](), set[bool]()
    for n, ran, journal in each("journal", _disk_error, for_good=True, step=5):
        assert (ran.code, ran.is_whole) == (0, True), f"call {n}"
        conditions |= {*ran.conditions}
        with contextlib.suppress(BadDataError):  # it has no tables yet
            ran.read_journal(journal)
        assert ran.states[: len(ran.written)] == ran.written, f"call {n}"
        written.add(RowKind.START in ran.kinds)
    assert conditions == {"journal-behind"}
    assert written == {False, True}
