"""How liblsl is set up before its first use."""

from __future__ import annotations

import os
from pathlib import Path

import pylsl


def quiet() -> None:
    """Keep liblsl's running commentary off stderr, unless the user has a configuration, which is used as it is."""
    if os.environ.get("LSLAPICFG") or any(os.access(path, os.R_OK) for path in _files()):
        return
    pylsl.set_config_content("[log]\nlevel = -3\n")  # the loss of a stream is told by whoever reads it


def _files() -> list[Path]:
    """Return where liblsl looks for a configuration (https://labstreaminglayer.readthedocs.io/info/lslapicfg.html).

    A service's user may have no home, or one that it may not look into.
    """
    home = os.environ.get("HOME", "")
    own = [Path(home, "lsl_api", "lsl_api.cfg")] if home else []
    return [Path("lsl_api.cfg"), *own, Path("/etc/lsl_api/lsl_api.cfg")]
