"""An archive is scored once: by as many as like, across kills, and again only where something is another one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main
from detector.errors import UsageError
from detector.evaluation.matching import pairs_of
from detector.manifest import NAME, Manifest
from detector.network.bundle import load_bundle
from detector.training.light import lighten
from tests.bundles import make_bundle
from tests.clusters import cluster
from tests.live import until
from tests.synthetic_edf import run_program, write_edf

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

N = 6
Score = Callable[..., int]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BIDS data set of six people; what one of them has is no EEG."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "dataset_description.json").write_text("{}")
    for k in range(N):
        eeg = folder / f"sub-{k:02}" / "eeg"
        eeg.mkdir(parents=True)
        write_edf(eeg / f"sub-{k:02}_task-x_eeg.edf", 40 + k, (20.0, 35.0), seed=k)
    (folder / "sub-00/eeg/sub-00_task-broken_eeg.edf").write_text("this is no EEG")
    return folder


@pytest.fixture
def archive(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "archive")
    (tmp_path / "out").mkdir()
    return tmp_path / "archive"


@pytest.fixture
def score(bundle: Path, archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Score:
    """Score the archive in this process, where the engine is loaded already."""

    def run(*more: str, folder: str = "out") -> int:
        with pytest.raises(SystemExit) as left:
            main(
                [
                    "score",
                    "--jobs",
                    "1",
                    "--bundle",
                    str(bundle),
                    str(archive),
                    "--output",
                    str(tmp_path / folder),
                    *more,
                ]
            )
        assert isinstance(left.value.code, int)
        return left.value.code

    return run


def results(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / NAME).read_text().splitlines()]


def test_a_data_set_is_scored_into_one_of_the_same_shape_that_evaluate_takes(
    score: Score, archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert score("--probabilities", str(out)) == 65
    assert sorted(results(out)) == sorted(
        f"sub-{k:02}/eeg/sub-{k:02}_task-x_{kind}" for k in range(N) for kind in ("events.tsv", "eeg.csv")
    )
    [failure] = [line for line in capfd.readouterr().err.splitlines() if line.startswith("seizure-detector: ")]
    assert "sub-00_task-broken_eeg.edf" in failure
    assert len(pairs_of(out, out)) == N
    assert [entry["recording"] for entry in entries(out)] == [
        f"sub-{k:02}/eeg/sub-{k:02}_task-x_eeg.edf" for k in range(N)
    ]


def test_what_is_done_is_not_done_again_and_says_so(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    score()
    before = results(tmp_path / "out")
    monkeypatch.setattr("detector.archive_scoring.score", None)
    capfd.readouterr()
    assert score() == 65, "the one that is no EEG is tried again"
    assert capfd.readouterr().err.count("(as before)") == N
    assert results(tmp_path / "out") == before
    assert len(entries(tmp_path / "out")) == N


def touched(path: Path) -> None:
    os.utime(path, (1, 1))


def another(path: Path) -> None:
    write_edf(path, 50, (20.0, 35.0), seed=99)


def swapped(path: Path) -> None:
    """Put another recording of the same size in its place."""
    stat = path.stat()
    write_edf(path, 42, (22.0, 35.0), seed=99)
    assert path.stat().st_size == stat.st_size


@pytest.mark.parametrize(("change", "again"), [(touched, 0), (another, 1), (swapped, 1)])
def test_a_recording_that_is_another_one_is_scored_again(
    score: Score, archive: Path, tmp_path: Path, change: Callable[[Path], None], again: int
) -> None:
    score()
    change(archive / "sub-02/eeg/sub-02_task-x_eeg.edf")
    score()
    assert len(entries(tmp_path / "out")) == N + again


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("onset\n")])
def test_a_result_that_is_not_what_was_written_is_made_again(
    score: Score, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    score()
    before = results(tmp_path / "out")
    damage(tmp_path / "out/sub-03/eeg/sub-03_task-x_events.tsv")
    score()
    assert results(tmp_path / "out") == before
    assert len(entries(tmp_path / "out")) == N + 1


@pytest.mark.parametrize("what", ["model", "setting", "steps", "version"])
def test_another_way_of_scoring_begins_anew(
    score: Score, tmp_path: Path, bundle: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    score()
    more: tuple[str, ...] = ()
    if what == "model":
        other = make_bundle(tmp_path / "other", changes={"onset_hold_s": "onset_hold_s = 3.0"})
        more = ("--bundle", str(other))
    elif what == "setting":
        more = ("--stand-ins",)
    elif what == "steps":
        more = ("--probabilities", str(tmp_path / "out"))
    else:
        monkeypatch.setattr("detector.archive_scoring.__version__", "9.9")
    score(*more)
    assert len(entries(tmp_path / "out")) == 2 * N
    score(*more)
    assert len(entries(tmp_path / "out")) == 2 * N


def test_another_engine_begins_anew(score: Score, tmp_path: Path, bundle: Path) -> None:
    light = lighten(load_bundle(str(shutil.copytree(bundle, tmp_path / bundle.name)))).folder
    for engine, times in (("auto", 1), ("litert", 1), ("tensorflow", 2), ("tensorflow", 2)):
        score("--bundle", str(light), "--engine", engine)
        assert len(entries(tmp_path / "out")) == times * N


def test_a_run_that_is_killed_goes_on_and_the_results_are_those_of_one_that_was_not(
    score: Score, archive: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    out.mkdir()
    command = ("score", "--bundle", str(bundle), str(archive), "--output", str(out), "--jobs", "2")
    with subprocess.Popen([sys.executable, "-m", "detector", *command], stderr=subprocess.DEVNULL) as run:
        until(lambda: has_begun(out, run), 60, "the first is done")
        run.send_signal(signal.SIGKILL)
    n_done = len(entries(out))
    with (out / NAME).open("ab") as file:
        file.write(b'{"recording": "sub-0')  # as a kill in the middle of a line would leave it
    done = run_program(*command)
    assert done.returncode == 65
    assert done.stderr.count("(as before)") == n_done
    assert len((out / NAME).read_text().splitlines()) == N + 1
    score()
    assert results(out) == results(tmp_path / "out"), "and as one process makes them"


def has_begun(folder: Path, run: subprocess.Popen[Any]) -> bool:
    assert run.poll() is None
    return (folder / NAME).exists() and b"\n" in (folder / NAME).read_bytes()


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with Manifest(tmp_path, {}), pytest.raises(UsageError, match="another run writes into"):
        Manifest(tmp_path, {})
    Manifest(tmp_path, {}).__exit__(None, None, None)


def test_a_cluster_that_loses_a_worker_makes_what_one_process_makes_byte_for_byte(
    score: Score, archive: Path, bundle: Path, tmp_path: Path
) -> None:
    with cluster(tmp_path) as (address, kill_one):
        out = tmp_path / "clustered"
        out.mkdir()
        command = ("score", "--bundle", str(bundle), str(archive), "--output", str(out), "--scheduler", address)
        with subprocess.Popen([sys.executable, "-m", "detector", *command], stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            until(lambda: has_begun(out, run), 60, "the first is done")
            kill_one()
            err = run.stderr.read()
    assert run.returncode == 65
    [failure] = [line for line in err.splitlines() if line.startswith("seizure-detector: ")]
    assert "sub-00_task-broken_eeg.edf" in failure
    score()
    assert results(out) == results(tmp_path / "out")
    assert len(entries(out)) == N
