"""The program as it is where something is not installed."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = "import sys; sys.modules[{missing!r}] = None; from detector.cli import main; main(sys.argv[1:])"


def run_without(missing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as if this package were not there."""
    command = [sys.executable, "-c", _SCRIPT.format(missing=missing), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
