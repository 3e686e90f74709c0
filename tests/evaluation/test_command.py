"""``evaluate`` as a user runs it: what is said, the files, and the exit code."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from detector.cli import main
from detector.training.labelled import DataSet, Labelled, Problem
from tests.bundles import make_bundle
from tests.evaluation.files import made_up_steps, write_events, write_steps
from tests.synthetic_edf import run_program, write_edf

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@dataclass
class Ran:
    code: object
    out: str
    err: str
    json: dict[str, object] = field(default_factory=dict)


Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path) -> Ran:
        with pytest.raises(SystemExit) as left:
            main(["evaluate", *map(str, arguments)])
        out, err = capfd.readouterr()
        return Ran(left.value.code, out, err)

    return run


@pytest.fixture
def folders(tmp_path: Path) -> list[str | Path]:
    for person in ("sub-01", "sub-02", "sub-03"):
        name = f"{person}/eeg/{person}_run-1_events"
        write_events(tmp_path / "reference" / f"{name}.tsv", 3600, (100, 130), (2000, 2040))
        write_events(tmp_path / "hypothesis" / f"{name}.tsv", 3600, (110, 130), (3000, 3030))
    return ["--reference", tmp_path / "reference", "--hypothesis", tmp_path / "hypothesis"]


def test_figures_are_said_with_data_scorer_and_denominators(run: Run, folders: list[str | Path]) -> None:
    ran = run(*folders)
    assert ran.code == 0, ran.err
    said = " ".join(ran.out.split())
    assert "3 recordings of 3 persons, 6 seizures" in said
    assert "scorer: timescoring 0." in said
    assert "3.000 h of whole recordings, of which it is not known what was monitored" in said
    assert "onset latency: hypothesis onset - reference onset" in said
    assert "3 of 6 events" in said
    assert "3 in 3.00 h" in said
    assert re.search(r"sub-02 │ 2 │ 0.50 ", said)


def test_json_and_report_hold_everything(run: Run, folders: list[str | Path], tmp_path: Path) -> None:
    for path in (tmp_path / "hypothesis").rglob("*.tsv"):
        write_steps(path.with_suffix(".csv"), made_up_steps(3600, ((114, 130), (3004, 3030))))
    ran = run(*folders, "--json", tmp_path / "all.json", "--report", tmp_path / "report")
    assert ran.code == 0, ran.err
    said = json.loads((tmp_path / "all.json").read_text())
    assert said["schema_version"] == 1
    assert said["pooled"]["figures"]["alarm_sensitivity"]["value"] == 0.5
    assert said["pooled"]["figures"]["latency_median_s"]["value"] == 14.0
    assert said["pooled"]["tally"]["false_alarms"] == 3
    [report] = list((tmp_path / "report").iterdir())
    text = html.unescape(report.read_text(encoding="utf-8"))
    # One file with everything in it: latency, calibration, and a page for each recording.
    assert len(re.findall(r'src="data:image/png;base64,', text)) == 2 + 3
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert "sub-03: sub-03/eeg/sub-03_run-1" in text
    assert said["denominators"] in text
    assert said["scorer"] in text


def test_a_missing_hypothesis_is_never_taken_for_no_seizure(
    run: Run, folders: list[str | Path], tmp_path: Path
) -> None:
    next((tmp_path / "hypothesis").rglob("sub-02*.tsv")).unlink()
    ran = run(*folders, "--json", tmp_path / "all.json")
    assert ran.code == 65
    assert ran.out == ""
    assert "sub-02_run-1_events.tsv: no hypothesis in" in ran.err
    assert not (tmp_path / "all.json").exists()


def test_an_unreadable_hypothesis_is_named(folders: list[str | Path], tmp_path: Path) -> None:
    path = next((tmp_path / "hypothesis").rglob("sub-02*.tsv"))
    path.write_text(path.read_text().replace("sz", "seizure", 1))
    done = run_program("evaluate", *folders)
    assert done.returncode == 65
    assert f"{path}, line 2: eventType 'seizure'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 64, "nothing given; expected --reference and --hypothesis, or --bundle and --data"),
        (("--reference", "."), 64, "--reference given; expected"),
        (("--reference", ".", "--hypothesis", ".", "--bundle", "x"), 64, "--bundle given; expected"),
        (("--reference", ".", "--hypothesis", ".", "--skip-bad"), 64, "--skip-bad says nothing together"),
        (("--bundle", "x", "--data", ".", "--probabilities", "."), 64, "--probabilities says nothing together"),
        (("--reference", "nowhere", "--hypothesis", "."), 66, "the reference folder nowhere is not there"),
        (("--reference", ".", "--hypothesis", ".", "--json", "no/a.json"), 64, "the folder no is not there"),
    ],
)
def test_what_is_wrong_is_told_first(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments)
    assert ran.code == code
    assert said in ran.err


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Put a data set where `find` looks for one."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "broken.edf").write_text("this is no EEG" * 100)
    recordings = (
        Labelled("a", write_edf(folder / "a.edf", 60, (20, 40)), ((20.0, 40.0),)),
        Labelled("b", write_edf(folder / "b.edf", 60, (20, 40)), ()),
        Labelled("c", folder / "broken.edf", ()),
    )
    found = DataSet("made up", folder, recordings, (Problem(folder / "d.edf", "has no reference"),))
    module = ModuleType("detector.training.datasets")
    module.find = lambda _folder: found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "detector.training.datasets", module)
    return found


def test_a_bundle_is_run_and_what_was_bad_is_listed_at_the_end(run: Run, data: DataSet, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundles")
    arguments = ("--bundle", bundle, "--data", data.folder)
    refused = run(*arguments)
    assert refused.code == 65
    assert "d.edf: has no reference" in refused.err
    ran = run(*arguments, "--skip-bad", "--json", tmp_path / "all.json", "--report", tmp_path)
    assert ran.code == 65
    assert "made up in " in ran.out
    assert "bundle tiny-1 (sha256 " in ran.out
    bad = [line for line in ran.out.splitlines() if line.startswith("not evaluated: ")]
    assert [line.split(":")[1].strip() for line in bad] == ["d.edf", "broken.edf"]
    said = json.loads((tmp_path / "all.json").read_text())
    assert [one["name"] for one in said["recordings"]] == ["a.edf", "b.edf"]
    assert [one["recording"] for one in said["skipped"]] == ["d.edf", "broken.edf"]
    own = next(point for point in said["operating_curve"] if point["onset_threshold"] == 0.6)
    assert (own["detected"], own["seizures"], own["false_alarms"]) == (1, 1, 1)
    assert own["latency_median_s"] == said["pooled"]["figures"]["latency_median_s"]["value"]
    assert len(re.findall("<img", (tmp_path / "evaluation.html").read_text(encoding="utf-8"))) == 3 + 2
