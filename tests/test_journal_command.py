"""``events`` and ``export`` as a user runs them: exit codes, what is printed, and the files that are left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detector.cli import main
from detector.messages import Condition, Priority
from tests.journals import Bed
from tests.synthetic_edf import run_program

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal with a crash in a seizure."""
    bed = Bed(tmp_path_factory.mktemp("state") / "ward-1.journal.sqlite")
    bed.start()
    bed.say("not-monitoring/warmup", 10)
    bed.say("non-seizure", 50)
    bed.journal.push_condition(Condition("lost", Priority.HIGH, "\x1b[31mred", bed.now_s, 3, None), bed.now_s)
    bed.declare(1)
    bed.say("seizure", 20)
    bed.crash()
    bed.now_s += 3600
    bed.start()
    bed.journal.give_up_open_seizure(bed.now_s)
    bed.say("non-seizure", 30)
    bed.journal.note("config", {"change": "stall_s"}, bed.now_s)
    bed.stop()
    return bed.path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([*map(str, arguments)])
        assert isinstance(left.value.code, int)
        return left.value.code, *capfd.readouterr()

    return command


def test_events_are_listed_in_the_order_in_which_they_were_said(run: Run, journal: Path) -> None:
    code, out, _ = run("events", "--journal", journal)
    assert code == 0
    lines = [line.split(maxsplit=2) for line in out.splitlines() if "settled" not in line]
    assert [line[1] for line in lines] == [
        "start", "state", "state", "condition", "seizure", "state",
        "crash-detected", "start", "seizure", "state", "config", "stop",
    ]  # fmt: skip
    assert lines[0][0] == "2023-11-14T22:30:00.000Z"
    assert lines[2][2] == "non-seizure"
    assert lines[3][2] == "lost raised (high priority, 3 times): \\x1b[31mred"
    assert lines[4][2] == "1: ongoing, onset at LSL time 1055.000 s, peak probability 0.90"
    assert lines[6][2] == "the program before was seen last at 2023-11-14T22:31:20.000Z, seizure"
    assert lines[8][2].startswith("1: unknown")


def test_events_as_json_are_one_object_a_line(run: Run, journal: Path) -> None:
    code, out, _ = run("events", "--journal", journal, "--json", "--kind", "seizure", "--kind", "stop")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["kind"] for row in rows] == ["seizure", "seizure", "stop"]
    assert set(rows[0]) == {"id", "boot", "session", "kind", "lsl_s", "utc", "correction_s", "payload"}
    assert (rows[0]["lsl_s"], rows[0]["utc"], rows[0]["correction_s"]) == (1060, "2023-11-14T22:31:00.000Z", 0.25)
    assert rows[0]["payload"]["outcome"] == "ongoing"


@pytest.mark.parametrize("since", ["2023-11-14T23:00", "2023-11-14T23:00Z", "2023-11-15 00:00+01:00"])
def test_events_since_a_time_begin_there(run: Run, journal: Path, since: str) -> None:
    code, out, _ = run("events", "--journal", journal, "--since", since, "--kind", "start")
    assert (code, len(out.splitlines())) == (0, 1)


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)])
def test_events_since_some_time_ago_begin_there(run: Run, journal: Path, unit: str, seconds: int) -> None:
    ago = datetime.now(UTC) - datetime(2023, 11, 14, 23, tzinfo=UTC)
    code, out, _ = run("events", "--journal", journal, "--since", f"{ago / timedelta(seconds=seconds):.5f}{unit}")
    assert (code, len(out.splitlines())) == (0, 6)


def test_export_writes_one_form_and_says_how_much_was_watched(run: Run, journal: Path, tmp_path: Path) -> None:
    for option, name in (("--bids", "bids"), ("--edf-annotations", "a.edf"), ("--csv", "a.csv")):
        code, out, err = run("export", "--journal", journal, option, tmp_path / name)
        assert (code, out) == (0, "")
        assert err == f"{tmp_path / name}: 1 seizure, 0.03 h watched, 1.00 h not, 1 boot\n"
    assert len([*(tmp_path / "bids").rglob("*_events.tsv")]) == 1
    assert (tmp_path / "a.edf").read_bytes().startswith(b"0       ")
    assert "not-monitoring/crashed" in (tmp_path / "a.csv").read_text()


def test_export_since_a_time_begins_there(run: Run, journal: Path, tmp_path: Path) -> None:
    code, _, err = run("export", "--journal", journal, "--csv", tmp_path / "a.csv", "--since", "2023-11-14T23:31:20")
    assert code == 0
    assert "0 seizures, 0.01 h watched, 0.00 h not" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("events", "--journal", "nowhere.sqlite"), 66, "cannot read the journal nowhere.sqlite"),
        (("events", "--journal", "text"), 65, "is no journal"),
        (("events", "--journal", "J", "--bed", "ward-1"), 64, "give one of them"),
        (("events", "--journal", "J", "--since", "yesterday"), 64, "expected a time as"),
        (("events", "--journal", "J", "--since", "24"), 64, "expected a time as"),
        (("events", "--journal", "J", "--kind", "siezure"), 64, "did you mean 'seizure'"),
        (("events", "--json=yes"), 64, "--json"),
        (("export", "--journal", "J"), 64, "nothing given; expected one of --bids, --edf-annotations, --csv"),
        (("export", "--journal", "J", "--bids", "a", "--csv", "b"), 64, "--bids and --csv given"),
        (("export", "--journal", "J", "--csv", "nowhere/a.csv"), 64, "make it first"),
        (("export", "--journal", "J", "--csv", "."), 64, "expected a file"),
        (("export", "--journal", "J", "--bids", "text"), 64, "expected a folder"),
        (("export", "--journal", "text", "--csv", "a"), 65, "is no journal"),
        (("export", "--journal", "nowhere", "--csv", "a"), 66, "cannot read the journal"),
        (("export", "--journal", "J", "--csv", "a", "--since", "2100-01-01"), 65, "says nothing of any time since"),
    ],
)
def test_what_is_wrong_is_told_and_leaves_nothing(
    run: Run, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no journal " * 500)
    found, out, err = run(*(journal if argument == "J" else argument for argument in arguments))
    assert (found, out) == (code, "")
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_a_clip_is_listed_by_its_file_or_by_why_there_is_none(run: Run, tmp_path: Path) -> None:
    bed = Bed(tmp_path / "ward-1.journal.sqlite")
    bed.start()
    bed.journal.note("clip", {"event_id": "abc", "file": "a_1.edf", "length_s": 120.0}, bed.now_s)
    bed.journal.note("clip", {"event_id": "", "lost": "no room"}, bed.now_s)
    bed.stop()
    _, out, _ = run("events", "--journal", bed.path, "--kind", "clip")
    assert [line.split(maxsplit=2)[2] for line in out.splitlines()] == [
        "a_1.edf, 120.0 s",
        "of event unknown is lost: no room",
    ]


def test_a_kind_without_rows_is_no_mistake_where_there_could_be_some(run: Run, journal: Path) -> None:
    assert run("events", "--journal", journal, "--kind", "rows-lost") == (0, "", "")


def test_the_journal_of_a_bed_is_found_in_the_state_folder(
    run: Run, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.journal_command._SERVICE_FOLDERS", (tmp_path / "service",))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    assert "there is no journal in" in run("events")[2]
    assert run("events")[0] == 66
    (tmp_path / "service" / "ward-2").mkdir(parents=True)
    link = tmp_path / "service" / "ward-2" / "ward-2.journal.sqlite"
    link.symlink_to(journal)
    monkeypatch.setattr("detector.journal_command._SERVICE_FOLDERS", (tmp_path / "service", tmp_path / "service"))
    code, out, _ = run("events", "--kind", "stop")
    assert (code, len(out.splitlines())) == (0, 1)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ward-1.journal.sqlite").write_bytes(journal.read_bytes())
    code, _, err = run("events")
    assert (code, "ward-1, ward-2; say which by --bed" in err) == (64, True)
    assert run("events", "--bed", "ward-1", "--kind", "stop")[0] == 0
    code, _, err = run("events", "--bed", "ward-3")
    assert (code, "no journal of bed 'ward-3' (did you mean 'ward-" in err) == (66, True)


def test_a_damaged_row_is_shown_as_one_and_without_what_it_says(run: Run, journal: Path, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "a.journal.sqlite"
    path.write_bytes(journal.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER rows_stay")
        connection.execute("UPDATE rows SET payload = replace(payload, 'non-seizure', 'seizure') WHERE id = 3")
    connection.close()
    code, out, _ = run("events", "--journal", path, "--kind", "damaged")
    assert (code, out.split()[1:]) == (0, ["damaged"])


def test_a_reader_that_goes_away_is_no_internal_error(journal: Path) -> None:
    command = [sys.executable, "-m", "detector", "events", "--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
    assert b"Traceback" not in said


def test_the_program_has_the_commands() -> None:
    done = run_program("events", "--help")
    assert (done.returncode, "--since" in done.stdout) == (0, True)
    done = run_program("export", "--help")
    assert (done.returncode, "--edf-annotations" in done.stdout) == (0, True)
