"""``score`` as a user runs it: a process, its exit code, and the files that it leaves."""

from __future__ import annotations

import math
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.cli import main
from detector.network.bundle import load_bundle
from detector.source.synthetic import CHB_MIT_22
from detector.training.light import lighten
from tests.bundles import make_bundle
from tests.synthetic_edf import rows, run_program, write_edf

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ONSET_S, END_S = 20.0, 40.0
Score = Callable[..., int]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    write_edf(folder / "seizure.edf", 60, (ONSET_S, END_S))
    write_edf(folder / "quiet.edf", 30)
    write_edf(folder / "holes.edf", 60, (ONSET_S, END_S), holes=((15, 30), (45, 5)))
    write_edf(folder / "flat.edf", 30, flat=True)
    write_edf(folder / "short.edf", 8)
    write_edf(folder / "other.edf", 30, labels=tuple(f"X{i}" for i in range(len(CHB_MIT_22))))
    (folder / "cut.edf").write_bytes((folder / "quiet.edf").read_bytes()[:-300_000])
    (folder / "text.edf").write_text("this is no EEG" * 100)
    (folder / "empty.edf").touch()
    return folder


@pytest.fixture
def score(bundle: Path, capfd: pytest.CaptureFixture[str]) -> Score:
    """Run the command in this process, where TensorFlow is loaded already, and return its exit code."""

    def run(*arguments: str | Path) -> int:
        with pytest.raises(SystemExit) as left:
            main(["score", "--jobs", "1", "--bundle", str(bundle), *map(str, arguments)])
        assert isinstance(left.value.code, int)
        return left.value.code

    return run


def test_one_bad_file_never_stops_the_rest(folder: Path, bundle: Path, tmp_path: Path) -> None:
    names = ("short", "seizure", "cut", "flat", "quiet", "other", "holes", "missing")
    out, steps = tmp_path / "events", tmp_path / "steps"
    out.mkdir()
    steps.mkdir()
    paths = [folder / f"{name}.edf" for name in names]
    done = run_program("score", "--bundle", bundle, "--output", out, "--probabilities", steps, *paths)

    assert done.returncode == 65
    assert done.stdout == ""
    assert sorted(path.name for path in out.iterdir()) == ["holes.tsv", "manifest.jsonl", "quiet.tsv", "seizure.tsv"]
    assert sorted(path.name for path in steps.iterdir()) == ["holes.csv", "quiet.csv", "seizure.csv"]
    # What failed is listed at the end, in order, with what came and why.
    failures = [line for line in done.stderr.splitlines() if line.startswith("seizure-detector: ")]
    assert failures == done.stderr.splitlines()[-len(failures) :]
    expected = ("short", "warm"), ("cut", "truncated"), ("flat", "poor"), ("other", "X0"), ("missing", "No such")
    for line, (name, why) in zip(failures, expected, strict=True):
        assert f"{name}.edf" in line
        assert why in line
    assert "Traceback" not in done.stderr

    text = (out / "seizure.tsv").read_text()
    assert text.startswith("onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n")
    [event] = [row for row in rows(text) if row["eventType"] == "sz"]
    assert ONSET_S + 10 < float(event["onset"]) < END_S - 2
    assert END_S < float(event["onset"]) + float(event["duration"]) < END_S + 5
    [background] = rows((out / "quiet.tsv").read_text())
    assert background["eventType"] == "bckg"
    assert float(background["onset"]) + float(background["duration"]) == 30

    table = rows((steps / "seizure.csv").read_text(), ",")
    assert list(table[0]) == ["time_s", "probability", "state", "good_channels"]
    assert [float(row["time_s"]) for row in table] == pytest.approx(range(2, 61), abs=2e-4)
    assert {row["state"] for row in table} == {"0", "1", "2"}
    assert all(math.isnan(float(row["probability"])) == (row["state"] == "0") for row in table)
    [said] = [line for line in done.stderr.splitlines() if line.startswith("holes.edf:")]
    assert said.startswith("holes.edf: 1 seizure in 95.0 s; ")
    assert "; not monitored: " in said
    assert said.endswith("; 2 resets")


@pytest.mark.parametrize("name", ["short", "flat", "other", "cut", "text", "empty"])
def test_what_cannot_be_monitored_leaves_no_file(
    score: Score, folder: Path, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    targets = ("--output", tmp_path / "a.tsv", "--probabilities", tmp_path / "a.csv")
    assert score(folder / f"{name}.edf", *targets) == 65
    assert list(tmp_path.iterdir()) == []
    out, err = capfd.readouterr()
    assert out == ""
    assert f"{name}.edf" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("recording", "options", "code", "said"),
    [
        ("missing.edf", (), 66, "No such file"),
        ("cut.edf", (), 65, "is truncated"),
        ("other.edf", (), 65, "FP1-F7"),
        ("quiet.edf", ("--bundle", "chb-lstm-7"), 78, "'chb-lstm-7' is not there"),
        ("quiet.edf", ("--unit", "mV"), 65, "declares 'uV'"),
        ("quiet.edf", ("--unit", "parsec"), 64, "'parsec' is not known"),
        ("quiet.edf", ("--output", "nowhere/a.tsv"), 64, "nowhere"),
        ("quiet.edf", ("--output", "quiet.edf"), 64, "would overwrite a recording"),
        ("quiet.edf", ("--output", "a.tsv", "--probabilities", "a.tsv"), 64, "would overwrite"),
        ("quiet.edf", ("holes.edf",), 64, "need a folder"),
        ("quiet.edf", ("holes.edf", "--output", "both.tsv"), 64, "need"),
        ("quiet.edf", ("quiet.edf", "--output", "."), 64, "would overwrite"),
        ("quiet.edf", ("--chunk-samples", "0"), 64, "chunk-samples"),
        ("quiet.txt", (), 64, "'.txt'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_scored(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    recording: str, options: tuple[str, ...], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    monkeypatch.setattr("detector.score_command.score", None)
    monkeypatch.setattr("detector.archive_scoring.score", None)
    before = {path.name: path.stat().st_size for path in folder.iterdir()}
    with pytest.raises(SystemExit) as left:
        main(["score", "--bundle", str(bundle), recording, *options])
    assert left.value.code == code
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == before


def test_chunk_size_never_changes_the_files(score: Score, folder: Path, tmp_path: Path) -> None:
    tables = []
    for n in (64, 1000, 4096):
        tsv, csv = tmp_path / f"{n}.tsv", tmp_path / f"{n}.csv"
        options = ("--chunk-samples", str(n), "--output", tsv, "--probabilities", csv)
        assert score(folder / "seizure.edf", *options) == 0
        tables.append((tsv.read_text(), rows(csv.read_text(), ",")))
    assert "\tsz\t" in tables[-1][0]
    for tsv_text, steps in tables[:-1]:
        assert tsv_text == tables[-1][0]
        for row, expected in zip(steps, tables[-1][1], strict=True):
            assert float(row.pop("probability")) == pytest.approx(float(expected["probability"]), abs=1e-5, nan_ok=True)
            assert row == {key: value for key, value in expected.items() if key != "probability"}


def test_both_engines_write_the_same_events(bundle: Path, folder: Path, tmp_path: Path) -> None:
    light = lighten(load_bundle(str(shutil.copytree(bundle, tmp_path / bundle.name)))).folder
    for engine in ("litert", "tensorflow"):
        options = ("--engine", engine, "--output", tmp_path / f"{engine}.tsv")
        done = run_program("score", "--bundle", light, *options, folder / "seizure.edf")
        assert done.returncode == 0, done.stderr
    tables = [(tmp_path / f"{engine}.tsv").read_text() for engine in ("litert", "tensorflow")]
    assert "\tsz\t" in tables[0]
    assert tables[0] == tables[1]


def test_an_engine_that_the_bundle_has_no_file_for_is_refused(
    score: Score, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score("--engine", "litert", folder / "quiet.edf") == 78
    assert "has no model.tflite" in capfd.readouterr().err


def test_without_output_the_events_go_to_the_standard_output_also_below_a_progress_bar(
    folder: Path, bundle: Path, tmp_path: Path
) -> None:
    # Rich redirects the standard output while it draws on a terminal, so the terminal must be a real one.
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "detector", "score", "--bundle", str(bundle), str(folder / "seizure.edf")]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=theirs, env=environment):
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # closed by its last writer
                break
    os.close(ours)
    assert "sz" in [row["eventType"] for row in rows((tmp_path / "out").read_text())]
    assert b"100 %" in shown
    assert b"eventType" not in shown


def test_a_full_disk_is_told_and_the_next_recording_is_scored(
    score: Score, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "quiet.tsv").symlink_to("/dev/full")
    assert score(folder / "quiet.edf", folder / "holes.edf", "--output", tmp_path) == 70
    assert "cannot write" in capfd.readouterr().err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holes.tsv", "manifest.jsonl", "quiet.tsv"]
