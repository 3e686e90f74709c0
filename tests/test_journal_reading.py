"""A journal can be read while it is written; a row that is another one is not believed, and missing ones are told."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from detector.errors import BadDataError, DetectorError, MissingInputError
from detector.journal_file import JournalFile
from detector.journal_reading import _PAGE_ROWS, JournalReader
from detector.journal_schema import MIGRATIONS, PAGE_BYTES, Alive, Row, RowKind
from detector.journal_spans import watches_of
from tests.journals import UTC_S, Bed, rows_of
from tests.live import until


def written(path: Path, n: int) -> Path:
    file = JournalFile(path)
    file.open()
    states = ("non-seizure", "not-monitoring/lost")
    rows = [Row("b", "s", "state", float(k), UTC_S + k, None, f'{{"state": "{states[k % 2]}"}}') for k in range(n)]
    file.append(rows, Alive("b", float(n), UTC_S + n, "non-seizure"))
    file.close()
    return path


def changed(path: Path, statement: str) -> None:
    """Change a file as no writer would."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER rows_stay")
        connection.execute(statement)
        connection.commit()


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    n = 2 * _PAGE_ROWS + 3
    with closing(JournalReader(written(tmp_path / "a.sqlite", n))) as reader:
        rows = [*reader.rows()]
        assert reader.alive == Alive("b", n, UTC_S + n, "non-seizure")
    assert [row.id for row in rows] == [*range(1, n + 1)]
    assert rows[4] == Row("b", "s", "state", 4.0, UTC_S + 4, None, '{"state": "non-seizure"}', 5)


def renumbered(path: Path, places: dict[int, int]) -> None:
    """Give rows of a small journal other places on disk, where they are one page of one-byte places."""
    with closing(sqlite3.connect(path)) as connection:
        [[root]] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'rows'")
    content = bytearray(path.read_bytes())
    page = (root - 1) * PAGE_BYTES
    assert content[page] == 0x0D  # a leaf of a table: https://www.sqlite.org/fileformat2.html
    for old, new in places.items():
        pointer = page + 8 + 2 * (old - 1)
        cell = page + int.from_bytes(content[pointer : pointer + 2], "big")
        place = cell + (1 if content[cell] < 0x80 else 2)  # behind the size of what is in it
        assert content[place] == old
        content[place] = new
    path.write_bytes(content)


def test_places_that_lead_back_are_an_error_and_not_read_for_ever(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", 20)
    renumbered(path, {9: 4, 10: 100})
    with closing(JournalReader(path)) as reader, pytest.raises(BadDataError, match="row 4 comes behind row 8"):
        deque(reader.rows(), maxlen=0)


def test_rows_can_be_read_from_a_time_on(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", 10)
    for since_s, expected in ((-5, [*range(10)]), (6.5, [7, 8, 9]), (9, [9]), (9.1, [])):
        with closing(JournalReader(path)) as reader:
            assert [row.lsl_s for row in reader.rows(UTC_S + since_s)] == expected


def test_it_is_read_while_a_program_writes_and_keeps_it_from_nothing(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "a.journal.sqlite")
    bed.start()
    bed.say("non-seizure", 1)
    bed.settle()
    with closing(JournalReader(bed.path)) as reader:
        rows = reader.rows()
        assert next(rows).kind == "start"
        for _ in range(50):  # meanwhile
            bed.say("not-monitoring/lost", 1)
        bed.settle()
        assert bed.journal.trouble is None
        # It is the journal of the moment in which it was opened.
        assert [row.kind for row in rows] == ["state", "settled"]
    bed.stop()
    assert len(rows_of(bed.path)) == 1 + 51 + 1


def test_readers_and_a_writer_in_other_processes_do_not_disturb_one_another(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.journals import Bed\n"
        "bed = Bed(Path(sys.argv[1]))\n"
        "bed.start()\n"
        "while bed.journal.trouble is None:\n"
        "    bed.say('non-seizure', 1)\n"
        "    time.sleep(0.001)\n"
        "print(bed.journal.trouble)\n"
    )
    path = tmp_path / "a.journal.sqlite"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as writer:

        def n_rows() -> int:
            try:
                return len(rows_of(path))
            except DetectorError:
                assert not path.exists() or path.stat().st_size < 50_000  # its tables are not made yet
                return 0

        until(lambda: n_rows() > 300, 30, "rows are read")
        seen = [n_rows() for _ in range(30)]
        assert seen == sorted(seen)
        assert writer.poll() is None
        writer.kill()
        assert writer.communicate()[0] == ""


def test_what_is_alive_is_never_newer_than_the_rows_that_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", 3)
    with closing(JournalReader(path)) as reader:
        file = JournalFile(path)
        file.open()
        row = Row("b", "s", "state", 50.0, UTC_S + 50, None, '{"state": "not-monitoring/lost"}')
        file.append([row], Alive("b", 99.0, UTC_S + 99, "not-monitoring/lost"))
        file.close()
        [watch] = watches_of(reader.rows(), reader.alive)
    assert watch.end_s == 3


@pytest.mark.parametrize("n", [0, 3])
def test_what_is_written_while_it_is_opened_is_not_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    path = written(tmp_path / "a.sqlite", n)
    file = JournalFile(path)
    file.open()
    ask = JournalReader._run

    def ask_and_write(self: JournalReader, statement: str, *values: object) -> list[tuple[Any, ...]]:
        answer = ask(self, statement, *values)
        if statement.startswith("SELECT") and not values:
            row = Row("b", "s", "state", 50.0, UTC_S + 50, None, '{"state": "not-monitoring/lost"}')
            file.append([row], Alive("b", 99.0, UTC_S + 99, "not-monitoring/lost"))
        return answer

    monkeypatch.setattr(JournalReader, "_run", ask_and_write)
    with closing(JournalReader(path)) as reader:
        assert reader.alive == Alive("b", n, UTC_S + n, "non-seizure")
        assert [row.id for row in reader.rows()] == [*range(1, n + 1)]
    file.close()


@pytest.mark.parametrize(
    "change",
    [
        """payload = '{"state": "seizure"}'""",
        "kind = 'seizure'",
        "lsl_s = lsl_s + 1",
        "utc_s = utc_s - 1e-6",
        "boot = 'c'",
        "checksum = checksum + 1",
        "payload = x'ff'",
        "correction_s = 0",
    ],
)
def test_a_row_that_is_another_one_is_not_believed(tmp_path: Path, change: str) -> None:
    path = written(tmp_path / "a.sqlite", 10)
    changed(path, f"UPDATE rows SET {change} WHERE id = 5")
    rows = rows_of(path)
    assert [row.kind for row in rows] == ["state"] * 4 + [RowKind.DAMAGED] + ["state"] * 5
    assert (rows[4].id, rows[4].lsl_s, rows[4].facts) == (5, 3.0, {})


def test_rows_that_were_swapped_are_not_believed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", 4)
    changed(path, "UPDATE rows SET id = id + 10 WHERE id > 2")
    assert [row.kind for row in rows_of(path)] == ["state", "state", "missing", "damaged", "damaged"]


def test_rows_that_are_not_there_any_more_are_told_unless_they_are_the_oldest(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", 10)
    changed(path, "DELETE FROM rows WHERE id IN (1, 2, 6, 7)")
    rows = rows_of(path)
    assert [(row.kind, row.id) for row in rows[2:5]] == [("state", 5), ("missing", 6), ("state", 8)]
    assert rows[3].lsl_s == rows[2].lsl_s


def test_a_sign_of_life_that_is_another_one_is_not_believed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", 3)
    changed(path, "UPDATE alive SET lsl_s = 1e6")
    with closing(JournalReader(path)) as reader:
        assert reader.alive is None


def test_a_file_that_is_not_there_is_no_input(tmp_path: Path) -> None:
    for path in (tmp_path / "a.sqlite", tmp_path):
        with pytest.raises(MissingInputError, match="cannot read the journal"):
            JournalReader(path)


@pytest.mark.parametrize("content", [b"no database " * 500, b"", b"SQLite format 3\0" + b"\xff" * 4080])
def test_what_is_no_journal_is_bad_data(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(BadDataError, match="is no journal that can be read") as failure:
        JournalReader(path)
    assert str(path) in str(failure.value)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_bad_data(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE rows (name TEXT)")
    with pytest.raises(BadDataError, match="it is a database, but not a journal"):
        JournalReader(path)


@pytest.mark.parametrize(("version", "why"), [(2, "written by a later program"), (1, "which the daemon makes of it")])
def test_another_version_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, why: str
) -> None:
    path = written(tmp_path / "a.sqlite", 3)
    changed(path, f"PRAGMA user_version = {version}")
    if version == 1:  # this program knows a later one
        for module in ("schema", "reading"):
            monkeypatch.setattr(f"detector.journal_{module}.MIGRATIONS", (*MIGRATIONS, "SELECT 1"))
    with pytest.raises(BadDataError, match=why):
        JournalReader(path)


def test_a_page_that_makes_no_sense_is_bad_data_and_what_came_before_it_was_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.sqlite", 4 * _PAGE_ROWS)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096 * 20] = b"\xff" * 4096 * 20
    path.write_bytes(content)
    with closing(JournalReader(path)) as reader:
        rows = reader.rows()
        assert [row.id for row in itertools.islice(rows, _PAGE_ROWS)] == [*range(1, _PAGE_ROWS + 1)]
        with pytest.raises(BadDataError, match="malformed"):
            list(rows)


def test_a_file_that_is_locked_is_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.journal_reading._BUSY_S", 0.01)
    path = written(tmp_path / "a.sqlite", 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MissingInputError, match="close what has locked it"):
            JournalReader(path)
