"""Which configuration liblsl reads, and what it makes of it.

liblsl says nothing where it does not understand a file: it takes its defaults, another session and other ports. What is
here reads as strictly as it does (https://labstreaminglayer.readthedocs.io/info/lslapicfg.html, and its source:
a comment stands on a line of its own and begins it with ``;``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detector.errors import ConfigError, nearest

_SCOPES = {
    "machine": ("127.0.0.1",),
    "link": ("255.255.255.255", "224.0.0.1", "224.0.0.183"),
    "site": ("239.255.172.215",),
    "organization": (),
    "global": (),
}
_IPV6 = {"allow": "allow", "allowed": "allow", "disable": "disable", "disabled": "disable", "force": "force"}


@dataclass(frozen=True, slots=True)
class LslSettings:
    """What liblsl is told.

    Parameters
    ----------
    path
        The file that it reads; ``None`` where there is none.
    session
        Only streams of the same session are seen.
    multicast_port, base_port, port_range, random_ports
        Where streams are looked for, and the ports that outlets take; whether they take any other where all are taken.
    ipv6
        ``"allow"``, ``"disable"`` or ``"force"``.
    scope
        How far is looked.
    groups
        The IPv4 addresses that are asked.
    peers
        Machines that are asked beside them.
    """

    path: Path | None = None
    session: str = "default"
    multicast_port: int = 16571
    base_port: int = 16572
    port_range: int = 32
    random_ports: bool = True
    ipv6: str = "allow"
    scope: str = "site"
    groups: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


def places(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return where liblsl looks, in its order.

    A service's user may have no home, or one that it may not look into.
    """
    given, home = environment.get("LSLAPICFG", ""), environment.get("HOME", "")
    named = [Path(given)] if given else []
    own = [Path(home, "lsl_api", "lsl_api.cfg")] if home else []
    return [*named, Path("lsl_api.cfg"), *own, Path("/etc/lsl_api/lsl_api.cfg")]


def read_settings(environment: Mapping[str, str] = os.environ) -> LslSettings:
    """Return what liblsl is told by the first of the files that can be read.

    Raises
    ------
    ConfigError
        When the file named by LSLAPICFG cannot be read, or liblsl would not understand what it reads.
    """
    given = environment.get("LSLAPICFG", "")
    if given and not os.access(given, os.R_OK):
        raise ConfigError(
            f"LSLAPICFG names {given}, which cannot be read: liblsl looks elsewhere, or takes its defaults"
        )
    path = next((path for path in places(environment) if os.access(path, os.R_OK)), None)
    if path is None:
        return LslSettings(groups=_groups("site", {}))
    try:
        values = _values(path.read_text(encoding="utf-8", errors="surrogateescape"))
        return _settings(path, values)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; liblsl takes none of this file, or not what it says") from None


def _values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(";") or not line.strip(" \t\r"):
            continue
        if line.startswith("["):
            if "]" not in line:
                raise ValueError(f"line {number}: [ without ]")
            section = line[1 : line.index("]")]
            continue
        key, sign, value = (part.strip(" \t\r") for part in line.partition("="))
        if not sign:
            raise ValueError(f"line {number}: {line.strip()!r} is no `key = value` (a comment begins its line with ;)")
        if not key or not value:
            raise ValueError(f"line {number}: {line.strip()!r} lacks a key or a value")
        if ";" in value or '"' in value:
            raise ValueError(
                f"line {number}: {value!r} is taken as it stands; a comment needs a line of its own, a text no quotes"
            )
        name = f"{section}.{key}"
        if name in values:
            raise ValueError(f"line {number}: {key} of [{section}] is there twice")
        values[name] = value
    return values


def _settings(path: Path, values: Mapping[str, str]) -> LslSettings:
    default = LslSettings()
    scope = values.get("multicast.ResolveScope", default.scope)
    if scope not in _SCOPES:
        raise ValueError(f"ResolveScope is {scope!r}{nearest(scope, _SCOPES)}; the choices are {', '.join(_SCOPES)}")
    ipv6 = values.get("ports.IPv6", default.ipv6)
    if ipv6 not in (*_IPV6, "forced"):
        raise ValueError(f"IPv6 is {ipv6!r}{nearest(ipv6, _IPV6)}; the choices are allow, disable, force")
    return LslSettings(
        path=path,
        session=values.get("lab.SessionID", default.session),
        multicast_port=_port(values, "MulticastPort", default.multicast_port),
        base_port=_port(values, "BasePort", default.base_port),
        port_range=_port(values, "PortRange", default.port_range),
        random_ports=values.get("ports.AllowRandomPorts", "true").lower() in ("1", "true"),
        ipv6=_IPV6.get(ipv6, "force"),
        scope=scope,
        groups=_groups(scope, values),
        peers=_set(values.get("lab.KnownPeers", "{}")),
    )


def _port(values: Mapping[str, str], key: str, default: int) -> int:
    text = values.get(f"ports.{key}", str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise ValueError(f"{key} is {text!r}; expected 1 to 65535")
    return int(text)


def _groups(scope: str, values: Mapping[str, str]) -> tuple[str, ...]:
    instead = _set(values.get("multicast.AddressesOverride", "{}"))
    if instead:
        return tuple(address for address in instead if ":" not in address)
    groups: list[str] = []
    for name, addresses in _SCOPES.items():
        text = values.get(f"multicast.{name.capitalize()}Addresses")
        groups += addresses if text is None else _set(text)
        if name == scope:
            break
    return tuple(address for address in groups if ":" not in address)


def _set(text: str) -> tuple[str, ...]:
    """Return what stands between the braces; liblsl takes a text without them as none."""
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError(f"{text!r}: expected a list like {{10.0.0.5, 10.0.0.6}}")
    return tuple(part.strip() for part in text[1:-1].split(",") if part.strip())
