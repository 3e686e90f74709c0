"""How liblsl is set up before its first use."""

from __future__ import annotations

import os

import pylsl

from detector.errors import ConfigError
from detector.lsl_settings import places, read_settings


def quiet() -> None:
    """Keep liblsl's running commentary off stderr, unless the user has a configuration, which is used as it is."""
    if os.environ.get("LSLAPICFG") or any(os.access(path, os.R_OK) for path in places()):
        return
    pylsl.set_config_content("[log]\nlevel = -3\n")  # the loss of a stream is told by whoever reads it


def stream_ports() -> range:
    """Return the ports in which outlets are looked for: liblsl takes any other one, silently, when they are used up."""
    try:
        settings = read_settings()
    except ConfigError:  # which the doctor tells; liblsl reads of it what it can
        return range(1, 65536)
    return range(settings.base_port, settings.base_port + settings.port_range)
