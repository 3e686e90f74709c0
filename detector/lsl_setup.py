"""How liblsl is set up before its first use."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

import pylsl

_BASE_PORT, _PORT_RANGE = 16572, 32  # https://labstreaminglayer.readthedocs.io/info/lslapicfg.html


def quiet() -> None:
    """Keep liblsl's running commentary off stderr, unless the user has a configuration, which is used as it is."""
    if os.environ.get("LSLAPICFG") or any(os.access(path, os.R_OK) for path in _files()):
        return
    pylsl.set_config_content("[log]\nlevel = -3\n")  # the loss of a stream is told by whoever reads it


def stream_ports() -> range:
    """Return the ports in which outlets are looked for: liblsl takes any other one, silently, when they are used up."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    given = os.environ.get("LSLAPICFG")
    try:
        for path in [Path(given)] if given else _files():
            if config.read(path, encoding="utf-8"):
                break
        base = config.getint("ports", "BasePort", fallback=_BASE_PORT)
        return range(base, base + config.getint("ports", "PortRange", fallback=_PORT_RANGE))
    except (configparser.Error, ValueError):  # liblsl reads more than Python does
        return range(1, 65536)


def _files() -> list[Path]:
    """Return where liblsl looks for a configuration (https://labstreaminglayer.readthedocs.io/info/lslapicfg.html).

    A service's user may have no home, or one that it may not look into.
    """
    home = os.environ.get("HOME", "")
    own = [Path(home, "lsl_api", "lsl_api.cfg")] if home else []
    return [Path("lsl_api.cfg"), *own, Path("/etc/lsl_api/lsl_api.cfg")]
