"""Clips on real disks that are full or read-only: nothing is lost that need not be, and no half file is left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module", autouse=True)
def _may_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path_factory.mktemp("probe"))]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("a small disk of one's own needs unshare and the right to mount (root)")


@pytest.mark.parametrize("scenario", ["full_for_a_while", "full_to_the_end", "read_only_for_a_while"])
def test_on_a_small_disk_of_its_own(scenario: str, tmp_path: Path) -> None:
    command = ["unshare", "-m", sys.executable, "-m", "tests.sinks.clips_on_a_small_disk", scenario, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
