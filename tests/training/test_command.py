"""The command `train`: what it is asked for is what is made, and its help needs no TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from detector.errors import UsageError
from detector.training.command import train
from detector.training.methods import NAMES


def test_help_names_every_option_and_loads_no_tensorflow() -> None:
    code = (
        "import sys; from detector.training.command import train\n"
        "try: train(['--help'])\n"
        "finally: print('loaded', [m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    options = "--method --data --output --id --folds --seeds --epochs --validate-share --run-folder --resume"
    for option in (*options.split(), "--jobs", "--scheduler"):
        assert option in done.stdout
    for method in NAMES:
        assert method in done.stdout
    assert "loaded []" in done.stdout


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    folders = ("--data", str(tmp_path), "--output", str(tmp_path / "models"), "--run-folder", str(tmp_path / "run"))
    result = CliRunner().invoke(train, ["--id", "x", *folders])
    assert isinstance(result.exception, UsageError)
    assert "clips.csv" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_processes_of_this_machine_and_a_cluster_are_not_asked_for_at_once(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        train, ["--id", "x", "--data", str(tmp_path), "--jobs", "2", "--scheduler", "tcp://x:1"]
    )
    assert isinstance(result.exception, UsageError)
    assert "--jobs is for processes of this machine" in str(result.exception)
