"""What is wrong with a bed's configuration beyond its text: who may change it, and whom it contradicts."""

from __future__ import annotations

import http.client
import json
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from detector.config import Config, Health, Source, load_config
from detector.errors import ConfigError, DetectorError

_ANSWER_S = 2.0
_MOST_BYTES = 1_000_000


def check_files(path: Path, config: Config) -> None:
    """Refuse a file that anybody may change, or that contradicts another bed's file in its folder.

    Parameters
    ----------
    path
        The bed's file.
    config
        What was read from it.

    Raises
    ------
    ConfigError
        Naming each of them and what to do.
    """
    wrong = [*open_to_anybody(path), *twins(path, config)]
    if wrong:
        raise ConfigError("; ".join(wrong))


def open_to_anybody(path: Path) -> Iterator[str]:
    """Yield why somebody without rights could change what a bed does."""
    mode = path.stat().st_mode
    if mode & stat.S_IWOTH:
        yield f"{path} may be written by everybody (mode {stat.S_IMODE(mode):04o}): chmod o-w {path}"
    folder = path.resolve().parent
    mode = folder.stat().st_mode
    # Where the sticky bit is set, as in /tmp, nobody can put another file in the place of this one.
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        yield f"{folder}, with {path.name} in it, may be written by everybody: chmod o-w {folder}"


def twins(path: Path, config: Config) -> Iterator[str]:
    """Yield which other files of the folder name the same bed, the same source or the same port.

    Files that are no bed's, or cannot be read, say nothing of this bed.
    """
    for other in sorted(path.resolve().parent.glob("*.toml")):
        if other.resolve() == path.resolve():
            continue
        try:
            theirs = load_config(other)
        except DetectorError:
            continue
        if theirs.bed.name == config.bed.name:
            yield (
                f"{other} names the bed {config.bed.name!r}, too: readers could not tell them apart; give each bed a "
                "name of its own, and keep no copies that end in .toml"
            )
        elif same := _same(config.source, theirs.source):
            yield (
                f"{other} (bed {theirs.bed.name!r}) watches the same {same}, too: one of the two would show another "
                "patient's EEG; give each bed its own source, or tell them apart by hostname"
            )
        elif config.health.port and _same_port(config.health, theirs.health):
            yield f"{other} (bed {theirs.bed.name!r}) has [health] port {config.health.port}, too: give each its own"


def check_health_port(config: Config) -> str:
    """Return who listens at ``[health] port`` already: empty, or that it is this bed's own daemon.

    Raises
    ------
    ConfigError
        When somebody else does, or the address is none of this machine's.
    """
    host, port = config.health.host, config.health.port
    if not port:
        return ""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, socket.SOCK_STREAM)) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except OSError as error:
        if _bed_at(host, port) == config.bed.name:
            return f"the daemon of {config.bed.name} answers there"
        raise ConfigError(
            f"[health] {host}:{port} cannot be listened at ({error.strerror or error}): expected a port of its own, "
            "and an address of this machine"
        ) from error
    return ""


def _same(ours: Source, theirs: Source) -> str:
    """Return what both ask for, where nothing that both say keeps them apart."""
    said = [(key, getattr(ours, key), getattr(theirs, key)) for key in ("source_id", "name", "predicate", "hostname")]
    if any(our and their and our != their for _, our, their in said):
        return ""
    return ", ".join(f"{key} {our!r}" for key, our, their in said[:3] if our and our == their)


def _same_port(ours: Health, theirs: Health) -> bool:
    everywhere = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened at
    return ours.port == theirs.port and (
        ours.host == theirs.host or ours.host in everywhere or theirs.host in everywhere
    )


def _bed_at(host: str, port: int) -> str | None:
    """Return the bed of the daemon that answers there."""
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=_ANSWER_S)) as connection:
            connection.request("GET", "/status.json")
            said = json.loads(connection.getresponse().read(_MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return said.get("bed") if isinstance(said, dict) else None
