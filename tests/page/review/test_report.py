"""A report is made by another program, one at a time and within a limit, and is kept for a while."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.errors import DetectorError
from detector.page.review.files import BedFiles
from detector.page.review.report import Reports
from tests.live import until
from tests.morning_report.nights import BED, night

_POPEN = subprocess.Popen


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("detector.page.review.report.SPAN", "2023-11-14T22:00")  # of the night
    files = night(tmp_path)
    reports = Reports(BedFiles(tmp_path), files.page)
    yield reports
    reports.close()
    assert [*(tmp_path / "temporary").iterdir()] == [], "nothing of a patient is left behind"


def text(reports: Reports) -> str:
    opened = reports.open(BED)
    assert opened is not None
    with opened:
        return opened.read().decode()


def instead(monkeypatch: pytest.MonkeyPatch, script: str) -> list[int]:
    """Have another program run in place of the report's; return the ids of its processes."""
    pids: list[int] = []

    def start(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        process = _POPEN([sys.executable, "-c", script, command[-1]], **options)  # type: ignore[call-overload]
        pids.append(process.pid)
        return process  # type: ignore[no-any-return]

    monkeypatch.setattr("subprocess.Popen", start)
    return pids


def test_a_report_of_the_bed_is_made_and_has_its_eeg_and_what_the_page_knows(reports: Reports) -> None:
    reports.make(BED)
    said = text(reports)
    assert f"<h1>Bed {BED}" in said
    assert "Dr Who" in said
    assert said.count("<img") >= 2, "the time line, and the EEG of a seizure"


def test_it_is_not_drawn_by_the_page() -> None:
    script = "import sys, detector.page.server; print(sorted({'matplotlib', 'scipy.stats', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_one_that_is_young_is_not_made_again_and_an_old_one_is(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = instead(monkeypatch, "import sys; open(sys.argv[1], 'w').write('made')")
    first = reports.make(BED)
    assert reports.make(BED) is first
    assert len(pids) == 1
    monkeypatch.setattr("detector.page.review.report.KEPT_S", 0.0)
    second = reports.make(BED)
    assert second.path != first.path
    assert not first.path.exists()
    assert text(reports) == "made"


def test_why_it_was_not_made_is_told_and_the_one_before_stays(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, "import sys; open(sys.argv[1], 'w').write('made')")
    reports.make(BED)
    monkeypatch.setattr("detector.page.review.report.KEPT_S", 0.0)
    instead(monkeypatch, "import sys; sys.exit('error: the journal\\x1b[2J is damaged')")
    with pytest.raises(DetectorError, match=r"the report was not made: error: the journal\\x1b\[2J is damaged"):
        reports.make(BED)
    assert text(reports) == "made"
    with pytest.raises(DetectorError, match="there is no journal of this bed"):
        reports.make("bed9")


def test_one_that_takes_too_long_is_ended(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.page.review.report._LIMIT_S", 0.5)
    [pid] = _failing(reports, monkeypatch, "import threading; threading.Event().wait()", "was given up")
    assert not Path(f"/proc/{pid}").exists()


def test_one_that_is_killed_is_told(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    _failing(reports, monkeypatch, "import os; os.kill(os.getpid(), 9)", "ended by signal 9")


def test_it_lets_others_go_first_and_is_what_is_ended_when_memory_is_short(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, sys, time\n"
        "def modest(): return os.nice(0) >= 10 and open('/proc/self/oom_score_adj').read().strip() == '1000'\n"
        "while not modest(): time.sleep(0.01)\n"
        "open(sys.argv[1], 'w').write('modest')"
    )
    instead(monkeypatch, script)
    monkeypatch.setattr("detector.page.review.report._LIMIT_S", 20.0)
    reports.make(BED)
    assert text(reports) == "modest"


def test_a_page_that_stops_waits_for_no_report(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = instead(monkeypatch, "import threading; threading.Event().wait()")
    said: list[str] = []

    def make() -> None:
        try:
            reports.make(BED)
        except DetectorError as error:
            said.append(str(error))

    thread = threading.Thread(target=make)
    thread.start()
    until(lambda: pids, 10, "it is being made")
    reports.close()
    thread.join(10)
    assert said == ["the report was not made: its program was ended by signal 9"]
    with pytest.raises(DetectorError, match="being stopped"):
        reports.make(BED)


def test_a_few_are_kept(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import sys; open(sys.argv[1], 'w').write('made')")
    monkeypatch.setattr("detector.page.review.files.BedFiles.journal", lambda _self, bed: Path(bed))
    made = [reports.make(f"bed{n}").path for n in range(10)]
    assert [path.exists() for path in made] == [False] * 2 + [True] * 8
    assert {*made[-1].parent.iterdir()} == set(made[2:])


def _failing(reports: Reports, monkeypatch: pytest.MonkeyPatch, script: str, said: str) -> list[int]:
    pids = instead(monkeypatch, script)
    with pytest.raises(DetectorError, match=said):
        reports.make(BED)
    return pids
