"""How liblsl is set up before its first use."""

from __future__ import annotations

import os
import socket
from contextlib import closing

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


def search_ports_used_up() -> str:
    """Return why answers to a search may not be heard; empty where there is a port for them.

    liblsl hears them at a UDP port of the range, too, and where it may take no other it finds nothing and says nothing.
    """
    try:
        settings = read_settings()
    except ConfigError:  # which the doctor tells
        return ""
    ports = range(settings.base_port, min(settings.base_port + settings.port_range, 65536))
    if settings.random_ports or any(_is_free(port) for port in ports):
        return ""
    return (
        f"no UDP port of {ports[0]} to {ports[-1]} is free to hear the answers of streams at; raise PortRange in the "
        "LSL configuration, or set AllowRandomPorts = true"
    )


def _is_free(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True
