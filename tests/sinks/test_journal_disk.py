"""A disk that is full or read-only costs no row, unless for so long that there is no room; then it is told which."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module", autouse=True)
def _may_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("probe")
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("a small disk of one's own needs unshare and the right to mount (root)")


@pytest.mark.parametrize(
    "scenario",
    [
        "full_while_running",
        "full_from_the_start",
        "full_for_too_long",
        "read_only_at_the_start",
        "read_from_where_nothing_can_be_written",
    ],
)
def test_on_a_small_disk_of_its_own(scenario: str, tmp_path: Path) -> None:
    command = ["unshare", "-m", sys.executable, "-m", "tests.sinks.journal_on_a_small_disk", scenario, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
