"""TensorFlow comes without its commentary, and where it is not installed, what to do is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from detector.network.bundle import DEFAULT_BUNDLE
from tests.bundles import make_bundle
from tests.installations import run_without
from tests.synthetic_edf import write_edf


def test_importing_tensorflow_writes_nothing_on_stderr() -> None:
    script = "from detector.network.keras_tensorflow import tf; print(float(tf.function(lambda x: x + 1)(1.0)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "2.0\n"
    assert done.stderr == ""


def test_tensorflow_brings_no_jax_and_does_not_keep_it_out() -> None:
    script = (
        "import sys; from detector.network.keras_tensorflow import tf; print(*[m for m in sys.modules if m == 'jax'])\n"
        "import jax; print(jax.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\njax\n"


# Keras 3.15 under numpy 2.4, when weights are saved.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("keras", ["train", "--id", "own"]),
        ("tensorflow", ["train", "--id", "own"]),
        ("keras", ["calibrate", "--bundle", DEFAULT_BUNDLE, "--patient", ".", "--id", "own"]),
        ("keras", ["models", "lighten", "{bundle}"]),
        ("keras", ["score", "{recording}", "--engine", "tensorflow"]),
        ("keras", ["score", "{recording}", "--bundle", "{bundle}"]),
    ],
)
def test_what_cannot_be_done_without_tensorflow_says_what_to_install(
    tmp_path: Path, missing: str, arguments: list[str]
) -> None:
    bundle, recording = make_bundle(tmp_path), tmp_path / "recording.edf"
    write_edf(recording, 10)
    done = run_without(missing, *(text.format(bundle=f"{bundle}/", recording=recording) for text in arguments))
    assert done.returncode == 78, done.stderr
    assert f"{'Keras' if missing == 'keras' else 'TensorFlow'} is not installed" in done.stderr
    assert "pip install 'seizure-detector[tensorflow]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert ("models lighten" in done.stderr) == ("--bundle {bundle}" in " ".join(arguments))
