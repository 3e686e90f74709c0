"""What is held back is shown where it matters: when something goes wrong, and when somebody else has written it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from detector.network.held_stderr import held_stderr


def test_what_was_held_back_is_shown_when_the_block_fails() -> None:
    script = (
        "import os\nfrom detector.network.held_stderr import held_stderr\n"
        "with held_stderr():\n    os.write(2, b'the reason')\n    raise ImportError\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "the reason" in done.stderr
    assert "ImportError" in done.stderr


def test_stderr_is_whole_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with held_stderr():
        os.write(2, b"held")
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def test_lines_that_begin_otherwise_are_shown_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with held_stderr(b"INFO: "):
        os.write(2, b"INFO: of a library\n12:00 of another thread\nINFO: more\n")
    assert capfd.readouterr().err == "12:00 of another thread\n"
