"""The command `train`: what it is asked for is what is made, and its help needs no TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from detector.errors import MissingInputError
from detector.training.command import train


def test_help_names_every_option_and_loads_no_tensorflow() -> None:
    code = (
        "import sys; from detector.training.command import train\n"
        "try: train(['--help'])\n"
        "finally: print('loaded', [m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for option in ("--method", "--data", "--output", "--id", "--folds", "--seeds", "--epochs"):
        assert option in done.stdout
    assert "loaded []" in done.stdout


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(train, ["--id", "x", "--data", str(tmp_path), "--output", str(tmp_path / "models")])
    assert isinstance(result.exception, MissingInputError)
    assert "clips.csv" in str(result.exception)
    assert not (tmp_path / "models").exists()
