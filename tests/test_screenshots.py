"""The continuous integration keeps the page's pictures; where there is a browser, one that is not there fails it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.page.browser import THEMES, VIEWS

PNG = b"\x89PNG\r\n\x1a\n"
ALL = [f"{view}-{theme}.png" for view in VIEWS for theme in THEMES]
# In place of where the tests put them, and of the browser.
_RUN = (
    "import runpy, sys, pathlib, tests.page.browser as b; b.SHOTS = pathlib.Path(sys.argv[1]); "
    "b.why_not = lambda: sys.argv[2]; runpy.run_path('.ci/screenshots.py')"
)


def keep(shots: Path, why_not: str = "", **variables: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if name != "CI_ARTIFACTS"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, shots, why_not],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = tmp_path / "build" / "screenshots"
    folder.mkdir(parents=True)
    for name in ALL:
        (folder / name).write_bytes(PNG + name.encode())
    return folder


def test_all_are_listed_and_packed_the_same_bytes_each_time(shots: Path) -> None:
    code, said = keep(shots)
    assert code == 0, said
    archive = shots.parent / "artefacts" / "screenshots.tar.gz"
    first = archive.read_bytes()
    for name in ALL:
        data = PNG + name.encode()
        assert f"{hashlib.sha256(data).hexdigest()}  {len(data):>8}  {name}\n" in said
    with tarfile.open(archive) as tar:
        assert sorted(tar.getnames()) == sorted(f"screenshots/{name}" for name in ALL)
        member = tar.extractfile("screenshots/ward-dark.png")
        assert member is not None
        assert member.read() == PNG + b"ward-dark.png"
    keep(shots)
    assert archive.read_bytes() == first


def test_they_go_where_the_environment_says(shots: Path, tmp_path: Path) -> None:
    assert keep(shots, CI_ARTIFACTS=str(tmp_path / "kept"))[0] == 0
    assert (tmp_path / "kept" / "screenshots.tar.gz").exists()
    assert not (shots.parent / "artefacts").exists()


@pytest.mark.parametrize("how", ["away", "empty"])
def test_one_that_is_missing_fails_the_run_where_there_is_a_browser_and_is_told_where_there_is_none(
    shots: Path, how: str
) -> None:
    if how == "away":
        (shots / "bed-dark.png").unlink()
    else:
        (shots / "bed-dark.png").write_bytes(b"")
    code, said = keep(shots)
    assert code == 1
    assert "no picture was taken of bed-dark.png" in said
    code, said = keep(shots, "no browser is installed")
    assert code == 0
    assert "NO PICTURES of bed-dark.png: no browser is installed" in said
