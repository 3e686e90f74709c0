"""Runs the scenario once under a real systemd, where that can be done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

SANDBOX = ROOT.parent / "shared" / "tools" / "systemd-sandbox"
_DEBIAN_PYTHON = "/usr/bin/python3"
_LIMIT_S = 900.0


def why_not() -> str | None:
    """Return what is missing to run a systemd here, and ``None`` where nothing is."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "not root on Linux"
    if not SANDBOX.exists():
        return f"no {SANDBOX.name} in shared/tools beside this checkout"
    needed = ("unshare", "nsenter", "setpriv", "ip", "systemctl", "systemd-analyze", "journalctl")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} on this machine"
    ask = "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"
    found = subprocess.run([_DEBIAN_PYTHON, "-c", ask], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        return f"{_DEBIAN_PYTHON} cannot make virtual environments (python3-venv)"
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if found.stdout.strip() != own:
        return f"the packages here are for Python {own}, {_DEBIAN_PYTHON} is {found.stdout.strip()}"
    return None


def facts() -> dict[str, Any]:
    """Return what the scenario tells; see its source for the names."""
    # Below /var, as /tmp is another one in the sandbox.
    with tempfile.TemporaryDirectory(prefix="seizure-detector-", dir="/var/tmp") as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)],
            check=True,
        )
        [wheel] = Path(folder).glob("*.whl")
        packages = sysconfig.get_path("purelib")
        boot = ["bash", str(Path(__file__).with_name("boot.sh")), str(SANDBOX), str(ROOT), packages]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": "/root",
            "PYTHONPATH": "/mnt/checkout:/mnt/packages",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
        }
        ran = subprocess.run(
            [*boot, _DEBIAN_PYTHON, "-m", "tests.systemd.scenario", str(wheel)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=_LIMIT_S,
            check=False,
        )
    lines = ran.stdout.splitlines()
    assert lines, f"the sandbox ended with {ran.returncode}:\n{ran.stderr}"
    told: dict[str, Any] = json.loads(lines[-1])
    return told
