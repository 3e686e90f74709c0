"""``report`` as a user runs it: what it finds by itself, exit codes, and the file that is left."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from detector.cli import main
from tests.morning_report.nights import Files, night

Run = Callable[..., tuple[int, str]]
SPAN = ("--since", "2023-11-14T22:13:20", "--until", "2023-11-15T01:00")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "seizure-detector"
    folder.mkdir()
    night(folder)
    return folder


@pytest.fixture
def files(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("detector.journal_command._SERVICE_FOLDERS", ())
    monkeypatch.setattr("detector.morning_report.command.PAGE_FOLDERS", ())
    folder = tmp_path / "seizure-detector"
    shutil.copytree(written, folder)
    return Files(folder / "ward-1.journal.sqlite", folder / "page.sqlite", folder / "clips" / "ward-1")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def command(*arguments: str | Path, output: Path = tmp_path / "report.html") -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(["report", *map(str, arguments), "--output", str(output)])
        assert isinstance(left.value.code, int)
        return left.value.code, capfd.readouterr().err

    return command


def test_a_bed_is_all_that_has_to_be_said(run: Run, files: Files, tmp_path: Path) -> None:
    code, err = run("--bed", "ward-1", *SPAN)
    assert (code, err.splitlines()[-1]) == (0, f"{tmp_path / 'report.html'}: 2 seizures")
    text = (tmp_path / "report.html").read_text()
    assert text.count("data:image/png") == 2, "the page's file and the clip were found beside the journal"
    assert "Clips: 1 file." in text


def test_only_its_owner_reads_a_report(run: Run, files: Files, tmp_path: Path) -> None:
    assert run("--bed", "ward-1", *SPAN)[0] == 0
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600


def test_files_elsewhere_are_given(run: Run, files: Files, tmp_path: Path) -> None:
    moved = {path: path.rename(tmp_path / path.name) for path in (files.page, files.clips)}
    code, _ = run("--journal", files.journal, "--page-file", moved[files.page], "--clips", moved[files.clips], *SPAN)
    assert code == 0
    assert (tmp_path / "report.html").read_text().count("data:image/png") == 2


def test_since_yesterday_nothing_is_known_and_that_is_what_it_says(run: Run, files: Files, tmp_path: Path) -> None:
    code, _ = run("--bed", "ward-1")
    assert code == 0
    text = (tmp_path / "report.html").read_text()
    assert "which was not all of the span" in text
    assert "<td>not monitored</td><td class=n>24.00 h</td>" in text, "it was stopped long ago"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--bed", "ward-2"), 66, "there is no journal of bed 'ward-2'"),
        (("--since", "then"), 64, "--since 'then': expected a time"),
        (("--until", "then"), 64, "--until 'then': expected a time"),
        (("--since", "2023-11-15", "--until", "2023-11-14"), 64, "is not before --until 2023-11-14"),
        (("--clips", "/nowhere"), 66, "--clips /nowhere: there is no such folder"),
        (("--page-file", "/nowhere"), 66, "cannot read the page's file /nowhere: No such file"),
    ],
)
def test_what_is_wrong_is_said(run: Run, files: Files, arguments: tuple[str, ...], code: int, words: str) -> None:
    found, err = run(*arguments)
    assert (found, words in err) == (code, True), err


def test_a_journal_of_another_version_or_damaged_is_refused(run: Run, files: Files, tmp_path: Path) -> None:
    with closing(sqlite3.connect(files.journal)) as connection:
        connection.execute("PRAGMA user_version = 99")
    code, err = run("--bed", "ward-1", *SPAN)
    assert (code, "is of version 99" in err) == (65, True), err
    files.journal.write_bytes(b"nothing of a journal" * 999)
    code, err = run("--bed", "ward-1", *SPAN)
    assert (code, "is no journal that can be read" in err) == (65, True), err
    assert not (tmp_path / "report.html").exists()


def test_a_folder_that_is_not_there_is_not_made(run: Run, files: Files, tmp_path: Path) -> None:
    code, err = run("--bed", "ward-1", *SPAN, output=tmp_path / "none" / "report.html")
    assert (code, "make it first" in err) == (64, True), err


def test_without_matplotlib_it_is_said_what_to_install(run: Run, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    code, err = run("--bed", "ward-1", *SPAN)
    assert (code, "pip install 'seizure-detector[evaluation]'" in err) == (64, True), err
