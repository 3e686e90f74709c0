"""The container does what SzCORE's benchmark asks for: its command is run here as it stands there, without Docker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from detector.evaluation.annotations import read_annotated
from tests.conftest import ROOT
from tests.synthetic_edf import rows, write_edf

# In the benchmark's order: https://epilepsybenchmarks.com/contribute/
AVERAGE = tuple(
    f"{name}-Avg" for name in "Fp1 F3 C3 P3 O1 F7 T3 T5 Fz Cz Pz Fp2 F4 C4 P4 O2 F8 T4 T6".split()
)  # fmt: skip


def steps() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile and what they are given."""
    text = re.sub(r"^#.*\n", "", (ROOT / "container" / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line]


def run(folder: Path, recording: str, events: str) -> subprocess.CompletedProcess[str]:
    """Run the command with folders of a test in the place of its volumes, and without a network where that can be."""
    [command] = [json.loads(given) for step, given in steps() if step == "CMD"]
    command = [part.replace("/data/", f"{folder}/data/").replace("/output/", f"{folder}/output/") for part in command]
    alone = (
        ["unshare", "--net"]
        if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0
        else []
    )
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "INPUT": recording, "OUTPUT": events,
    }  # fmt: skip
    return subprocess.run([*alone, *command], env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data", "output"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_it_asks_for_nothing_but_what_it_copies_and_does_not_run_as_root() -> None:
    given = dict(steps())
    assert given["USER"] == "detector"
    assert json.loads(given["VOLUME"]) == ["/data", "/output"]
    assert 'INPUT="" OUTPUT=""' in given["ENV"]
    for step, what in steps():
        if step == "COPY":
            *sources, _ = what.split()
            assert all((ROOT / source).exists() for source in sources)


def test_a_recording_against_the_common_average_is_scored(folder: Path) -> None:
    write_edf(folder / "data" / "a.edf", 90, (40.0, 70.0), labels=AVERAGE)
    done = run(folder, "a.edf", "a.tsv")
    assert done.returncode == 0, done.stderr
    annotated = read_annotated(folder / "output" / "a.tsv")
    assert annotated.duration_s == 90
    assert "without T7-FT9, FT9-FT10, FT10-T8" in done.stderr


def test_a_bipolar_recording_below_a_folder_is_scored(folder: Path) -> None:
    (folder / "data" / "chb99").mkdir()
    write_edf(folder / "data" / "chb99" / "b.edf", 90, (40.0, 70.0))
    done = run(folder, "chb99/b.edf", "b.tsv")
    assert done.returncode == 0, done.stderr
    table = rows((folder / "output" / "b.tsv").read_text())
    assert {row["eventType"] for row in table} == {"sz", "bckg"}
    assert {row["recordingDuration"] for row in table} == {"90.000"}


@pytest.mark.parametrize(("recording", "code"), [("missing.edf", 66), ("text.edf", 65)])
def test_what_cannot_be_scored_is_said_and_leaves_no_file(folder: Path, recording: str, code: int) -> None:
    (folder / "data" / "text.edf").write_text("this is no EEG" * 100)
    done = run(folder, recording, "c.tsv")
    assert done.returncode == code
    assert recording in done.stderr
    assert not [*(folder / "output").iterdir()]
