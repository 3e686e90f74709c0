"""How liblsl is set up before its first use."""

from __future__ import annotations

import os

import pylsl

from detector.lsl_settings import places


def quiet() -> None:
    """Keep liblsl's running commentary off stderr, unless the user has a configuration, which is used as it is."""
    if os.environ.get("LSLAPICFG") or any(os.access(path, os.R_OK) for path in places()):
        return
    pylsl.set_config_content("[log]\nlevel = -3\n")  # the loss of a stream is told by whoever reads it
