"""TensorFlow comes without its commentary, and what goes wrong is not hidden."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from detector.network.keras_tensorflow import _held_stderr


def test_importing_tensorflow_writes_nothing_on_stderr() -> None:
    script = "from detector.network.keras_tensorflow import tf; print(float(tf.function(lambda x: x + 1)(1.0)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "2.0\n"
    assert done.stderr == ""


def test_what_was_held_back_is_shown_when_the_import_fails() -> None:
    script = (
        "import os\nfrom detector.network.keras_tensorflow import _held_stderr\n"
        "with _held_stderr():\n    os.write(2, b'the reason')\n    raise ImportError\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "the reason" in done.stderr
    assert "ImportError" in done.stderr


def test_stderr_is_whole_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with _held_stderr():
        os.write(2, b"held")
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"
