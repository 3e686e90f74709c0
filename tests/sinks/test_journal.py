"""What was said is written in order, with its times; after a crash one knows until when, and what was going on."""

from __future__ import annotations

import math
import os
import stat
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from detector.config import make_config
from detector.journal_reading import JournalReader
from detector.journal_schema import RowKind
from detector.messages import Cause, Condition, Event, Outcome, Priority, Reset, SessionReset, State, Status
from detector.monitor import Monitor, MonitorConfig
from detector.sinks.journal import ALIVE_S, SILENCE_S, OpenSeizure, config_sha256, journal_path
from tests.journals import START, UTC_S, Bed, rows_of, said

GIVEN = {"bed": {"name": "ward-1"}, "source": {"source_id": "amp"}}
SEIZURE = Event(1, 996.0, 1001.5, None, 0.9, Outcome.ONGOING)


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path / "state" / "ward-1.journal.sqlite")


def test_what_the_monitor_says_is_written_in_its_order(bed: Bed) -> None:
    monitor = Monitor(MonitorConfig(0.5, 2.0), [bed.start()])
    monitor.start(1000.0)
    monitor.take(Status(1001.0, 0.1, State.NON_SEIZURE, None, 22, 0, 0.0), 1001.1)
    monitor.take(SEIZURE, 1001.6)
    monitor.take(replace(SEIZURE, outcome=Outcome.ENDED, offset_s=1020.0), 1025.0)
    monitor.take(SessionReset(1025.5, Reset.GAP), 1025.6)
    monitor.tell(Condition("lost", Priority.HIGH, "gone", 1026.0, 1, None), 1026.0)
    monitor.stop(1030.0)
    bed.stop()
    assert said(bed.path) == [
        ("start", None),
        ("state", "not-monitoring/starting"),
        ("state", "non-seizure"),
        ("seizure", "ongoing"),
        ("seizure", "ended"),
        ("session", "gap"),
        ("state", "not-monitoring/warmup"),
        ("condition", "raised"),
        ("state", "not-monitoring/stopping"),
        ("stop", None),
    ]
    rows = rows_of(bed.path)
    assert rows[0].facts == START
    assert [row.lsl_s for row in rows[1:]] == [1000, 1001, 1001.5, 1020, 1025.5, 1025.6, 1026, 1030, 1030]
    assert [row.id for row in rows] == [*range(1, 11)]
    assert rows[3].facts == {
        "id": monitor.event_id,
        "number": 1,
        "onset_s": 996.0,
        "declared_s": 1001.5,
        "offset_s": None,
        "emitted_s": 1001.6,
        "outcome": "ongoing",
        "peak_probability": 0.9,
    }


def test_a_session_has_an_id_of_its_own_from_its_boundary_on(bed: Bed) -> None:
    bed.start()
    bed.say("non-seizure", 1)
    bed.journal.push_marker("session-reset/gap", bed.now_s)
    bed.say("not-monitoring/warmup", 1)
    bed.stop()
    sessions = [row.session for row in rows_of(bed.path)]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3] == sessions[4]


def test_both_clocks_of_a_row_name_the_same_instant_and_the_correction_is_that_of_then(bed: Bed) -> None:
    journal = bed.start()
    journal.push_marker("non-seizure", 990.0)  # samples that came 10 s late
    bed.correction_s = math.nan
    bed.utc_ahead_s += 3600
    journal.push_marker("seizure", 1000.0)
    bed.stop()
    _, late, stepped, _ = rows_of(bed.path)
    assert (late.boot, late.lsl_s, late.utc_s, late.correction_s) == ("boot-1", 990, UTC_S + 990, 0.25)
    assert (stepped.lsl_s, stepped.utc_s, stepped.correction_s) == (1000, UTC_S + 4600, None)


@pytest.mark.parametrize("time_s", [math.nan, math.inf, -1e300, 1000.0 + 200_000])
def test_what_is_no_time_is_stamped_with_now(bed: Bed, time_s: float) -> None:
    bed.start().push_marker("non-seizure", time_s)
    bed.stop()
    assert rows_of(bed.path)[1].lsl_s == 1000


def test_a_condition_is_raised_changed_and_cleared_and_its_text_is_bounded(bed: Bed) -> None:
    journal = bed.start()
    condition = Condition("lost", Priority.HIGH, "\x1b[31m" + "x" * 5000, 1000.0, 1, None)
    for told in (condition, replace(condition, count=2), replace(condition, count=2, cleared_s=1050.0), condition):
        journal.push_condition(told, 1060.0)
    bed.stop()
    rows = rows_of(bed.path)[1:-1]
    assert [row.facts["change"] for row in rows] == ["raised", "changed", "cleared", "raised"]
    assert (rows[2].facts["count"], rows[2].facts["cleared_s"], rows[2].lsl_s) == (2, 1050, 1060)
    assert all(len(row.payload) < 3000 and row.payload.isprintable() for row in rows)


def test_a_note_of_the_service_has_its_own_kind(bed: Bed) -> None:
    bed.start().note(RowKind.CHECKPOINT, {"because": "another model", "age_s": math.inf}, 1002.0)
    bed.stop()
    row = rows_of(bed.path)[1]
    assert (row.kind, row.lsl_s, row.facts) == ("checkpoint", 1002, {"because": "another model", "age_s": None})


def test_it_is_written_every_few_seconds_that_the_program_lives_and_what_it_says(bed: Bed) -> None:
    bed.start()
    bed.say("non-seizure", 2)
    bed.settle()
    bed.say("non-seizure", int(ALIVE_S) + 1, mark=False)  # no row, so it is written for its own sake
    bed.crash()
    with closing(JournalReader(bed.path)) as reader:
        assert reader.alive is not None
        assert (reader.alive.boot, reader.alive.state) == ("boot-1", "non-seizure")
        assert bed.now_s - ALIVE_S <= reader.alive.lsl_s <= bed.now_s
        assert reader.alive.utc_s == UTC_S + reader.alive.lsl_s


def test_what_is_not_watched_any_more_was_watched_up_to_the_newest_sample(bed: Bed) -> None:
    bed.start()
    bed.say("non-seizure", 2)
    bed.now_s += 2
    bed.journal.push_status(Status(bed.now_s, 0.1, State.NON_SEIZURE, None, 22, 0, 0.0), 1.5)  # said again, no sample
    bed.say("not-monitoring/lost", 2)
    bed.say("not-monitoring/waiting", 2)
    bed.stop()
    states = [row.facts for row in rows_of(bed.path) if row.kind == "state"]
    assert states[1:] == [
        {"state": "not-monitoring/lost", "seen_s": 1002.5},
        {"state": "not-monitoring/waiting"},
    ]


def test_a_program_that_is_killed_while_samples_fail_to_come_watched_up_to_the_newest(bed: Bed) -> None:
    bed.start()
    bed.say("non-seizure", 2)
    bed.now_s += 2
    bed.journal.push_status(Status(bed.now_s, 0.1, State.NON_SEIZURE, None, 22, 0, 0.0), 1.5)
    bed.crash()
    bed.start()
    bed.stop()
    [crash] = [row for row in rows_of(bed.path) if row.kind == "crash-detected"]
    assert crash.facts["alive"]["lsl_s"] == 1002.5


def test_killed_before_its_first_sign_of_life_it_lived_until_its_last_state(bed: Bed) -> None:
    bed.start()
    bed.crash()
    bed.now_s += 10
    bed.start()
    bed.say("non-seizure", 1)
    bed.settle()
    bed.now_s += 3
    bed.journal.push_marker("not-monitoring/lost", bed.now_s)
    bed.crash()
    bed.now_s += 10
    bed.start()
    bed.stop()
    first, second = [row.facts["alive"] for row in rows_of(bed.path) if row.kind == "crash-detected"]
    assert (first["lsl_s"], first["state"]) == (1000, "")
    assert (second["lsl_s"], second["state"]) == (1014, "not-monitoring/lost")


def test_a_program_that_stood_still_says_from_when_until_when(bed: Bed) -> None:
    bed.start()
    bed.say("non-seizure", 3)
    bed.now_s += SILENCE_S - 1
    bed.say("non-seizure", 1, mark=False)
    still_s = bed.now_s
    bed.now_s += 30
    bed.say("non-seizure", 1, mark=False)
    bed.stop()
    [silence] = [row for row in rows_of(bed.path) if row.kind == RowKind.SILENCE]
    assert (silence.lsl_s, silence.facts) == (still_s, {"until_s": still_s + 31})


def test_after_a_crash_the_next_start_says_so_and_until_when_the_one_before_lived(bed: Bed) -> None:
    bed.start()
    bed.say("non-seizure", 20)
    bed.crash()
    seen_s, bed.now_s = bed.now_s, bed.now_s + 100
    bed.start()
    bed.stop()
    rows = rows_of(bed.path)
    assert [row.kind for row in rows] == ["start", "state", "crash-detected", "start", "stop"]
    alive = {"boot": "boot-1", "lsl_s": seen_s, "utc_s": UTC_S + seen_s, "state": "non-seizure"}
    assert rows[2].facts == {"alive": alive}
    assert rows[2].lsl_s == rows[3].lsl_s == bed.now_s


def test_after_an_orderly_stop_no_crash_is_told(bed: Bed) -> None:
    for _ in range(3):
        bed.start()
        bed.say("non-seizure", 2)
        bed.stop()
    assert [row.kind for row in rows_of(bed.path)] == ["start", "state", "stop"] * 3


def test_a_stop_that_was_said_is_a_stop_even_if_the_program_is_killed_before_it_closes(bed: Bed) -> None:
    bed.start().push_marker("monitoring-stop", bed.now_s)
    bed.crash()
    bed.start()
    bed.stop()
    assert [row.kind for row in rows_of(bed.path)] == ["start", "stop", "start", "stop"]


def test_a_seizure_that_was_going_on_at_a_crash_is_found_and_can_be_given_up(bed: Bed) -> None:
    bed.start()
    bed.declare(3)
    bed.crash()
    bed.now_s += 10
    journal = bed.start()
    assert journal.open_seizure(10) == OpenSeizure("seizure-3", 3, 995, 1000, 0.9, same_boot=True)
    journal.give_up_open_seizure(bed.now_s)
    bed.stop()
    assert said(bed.path)[-3:] == [("start", None), ("seizure", "unknown"), ("stop", None)]
    row = rows_of(bed.path)[-2]
    assert (row.facts["id"], row.facts["onset_s"], row.facts["boot"]) == ("seizure-3", 995, "boot-1")
    assert bed.start().open_seizure(10) is None
    bed.stop()


def test_a_seizure_of_a_boot_before_cannot_be_compared_with_times_of_now(bed: Bed) -> None:
    bed.start()
    bed.declare(1)
    bed.crash()
    bed.boot, bed.now_s = "boot-2", 20.0
    found = bed.start().open_seizure(10)
    assert found is not None
    assert not found.same_boot
    bed.stop()


def test_a_seizure_that_is_resumed_stays_one_and_its_end_is_its_end(bed: Bed) -> None:
    bed.start()
    event = bed.declare(1)
    bed.crash()
    bed.now_s += 2
    assert bed.start().open_seizure(10) is not None
    bed.journal.push_event(replace(event, offset_s=1030.0, outcome=Outcome.ENDED), 1035.0)
    bed.stop()
    assert bed.start().open_seizure(10) is None
    bed.stop()


def test_giving_up_late_gives_up_the_seizure_of_before_and_not_one_that_was_declared_since(bed: Bed) -> None:
    bed.start()
    bed.declare(1)
    bed.crash()
    bed.now_s += 2
    bed.start()
    again = bed.declare(2)  # what goes on did not know of the first
    bed.settle()
    bed.journal.give_up_open_seizure(bed.now_s)
    bed.settle()
    assert bed.journal.open_seizure(10) is None
    bed.crash()
    found = bed.start().open_seizure(10)
    assert found is not None
    assert found.id == "seizure-2"
    bed.journal.push_event(replace(again, offset_s=1030.0, outcome=Outcome.ENDED), 1035.0)
    bed.stop()
    told = [(row.facts["number"], row.facts["outcome"]) for row in rows_of(bed.path) if row.kind == "seizure"]
    assert told == [(1, "ongoing"), (2, "ongoing"), (1, "unknown"), (2, "ended")]
    assert bed.start().open_seizure(10) is None
    bed.stop()


def test_the_seizure_that_goes_on_is_not_given_up_and_another_one_is(bed: Bed) -> None:
    bed.start()
    bed.declare(1)
    told = []
    for resumed_id in ("seizure-1", "seizure-0"):
        bed.crash()
        bed.start().give_up_open_seizure(bed.now_s, resumed_id=resumed_id)
        bed.settle()
        told.append([what for kind, what in said(bed.path) if kind == "seizure"])
    bed.stop()
    assert told == [["ongoing"], ["ongoing", "unknown"]]


def test_a_seizure_is_still_found_when_the_next_start_was_killed_before_it_gave_it_up(bed: Bed) -> None:
    bed.start()
    bed.declare(1)
    bed.crash()
    bed.start()
    bed.crash()
    assert bed.start().open_seizure(10) is not None
    bed.stop()


def test_giving_up_what_was_not_going_on_writes_nothing(bed: Bed) -> None:
    journal = bed.start()
    assert journal.open_seizure(10) is None
    journal.give_up_open_seizure(bed.now_s)
    event = bed.declare(1)
    journal.push_event(replace(event, offset_s=1010.0, outcome=Outcome.ENDED), 1015.0)
    bed.stop()
    bed.start().give_up_open_seizure(bed.now_s)
    bed.stop()
    assert [what for kind, what in said(bed.path) if kind == "seizure"] == ["ongoing", "ended"]


def test_only_its_owner_can_read_what_it_writes(bed: Bed) -> None:
    before = os.umask(0)
    try:
        bed.start()
        bed.settle()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in bed.path.parent.iterdir()}
    finally:
        os.umask(before)
    bed.stop()
    assert set(modes.values()) == {0o600}
    assert len(modes) == 4  # the file, its log, its index and its lock
    assert stat.S_IMODE(bed.path.parent.stat().st_mode) == 0o700


def test_threads_and_descriptors_are_as_before_once_it_is_closed(bed: Bed) -> None:
    def own() -> tuple[int, int]:
        # Not all that this process has: other tests' connections may end at this moment.
        folder = str(bed.path.parent)
        files = [file.path for file in psutil.Process().open_files() if file.path.startswith(folder)]
        return sum(thread.name == "journal" for thread in threading.enumerate()), len(files)

    for _ in range(3):
        bed.start()
        bed.say("non-seizure", 10)
        bed.settle()
        threads, files = own()
        assert threads == 1
        assert files > 0
        bed.stop()
        assert own() == (0, 0)


def test_pushing_after_the_end_harms_nobody(bed: Bed) -> None:
    journal = bed.start()
    bed.stop()
    journal.push_marker("non-seizure", 1001.0)
    journal.push_status(Status(1001.0, 0.1, State.NOT_MONITORING, Cause.LOST, 0, 0, 0.0), 0.1)
    journal.close(10)
    assert [row.kind for row in rows_of(bed.path)] == ["start", "stop"]


def test_it_lies_in_the_state_folder_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    # The environment was looked at when the module was loaded; it is the same object.
    assert journal_path(make_config(GIVEN)) == tmp_path / "ward-1.journal.sqlite"
    assert journal_path(make_config(GIVEN | {"journal": {"path": "/data/x.sqlite"}})) == Path("/data/x.sqlite")
    assert journal_path(make_config(GIVEN | {"journal": {"path": "off"}})) is None


def test_the_digest_of_a_configuration_is_another_one_with_any_other_setting() -> None:
    digests = {
        config_sha256(make_config(GIVEN | more))
        for more in ({}, {"journal": {"keep_days": 3}}, {"source": {"source_id": "amp", "stall_s": 3.0}})
    }
    assert len(digests) == 3
    assert config_sha256(make_config(GIVEN)) in digests
