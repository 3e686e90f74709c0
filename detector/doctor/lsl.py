"""What the doctor asks of liblsl and of the LSL network."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pylsl
from pylsl.util import InternalError, LostError
from pylsl.util import TimeoutError as LslTimeoutError

from detector.config import Config
from detector.doctor.finding import Finding, fail, ok, warn
from detector.doctor.lsl_query import Target, ask, multicast_interfaces
from detector.errors import ConfigError
from detector.lsl_settings import LslSettings, read_settings
from detector.lsl_setup import quiet
from detector.source.lsl_describe import printable

OWN_SOURCE_ID = "seizure-detector-doctor:"
OLDEST_LIBLSL = 116  # what pylsl asks for, as liblsl counts: 1.16
_FIND_S = 3.0
_CLOCK_S = 3.0
_ANSWER_S = 1.0
_MOST_SHOWN = 5
_ANY = "not(name='')"  # every stream has a name

prepare = quiet


def library() -> Iterator[Finding]:
    """Which liblsl is in use."""
    named = os.environ.get("PYLSL_LIB", "")
    version = pylsl.library_version()
    protocol = pylsl.protocol_version()
    text = f"liblsl {version // 100}.{version % 100}, protocol {protocol / 100:.2f}, pylsl {pylsl.__version__}"
    if named and not Path(named).is_file():
        yield warn("liblsl", f"{text}; PYLSL_LIB names {named}, which is no file", "correct it, or unset it")
    elif version < OLDEST_LIBLSL:
        yield warn("liblsl", f"{text}; expected 1.16 or later", "set PYLSL_LIB to the path of a newer liblsl.so")
    else:
        yield ok("liblsl", text)


def configuration() -> Iterator[Finding]:
    """Which file liblsl reads, and what it says."""
    settings = read_settings()  # or what is wrong with it
    yield ok(
        "LSL configuration",
        f"{settings.path or 'no file, so its defaults'}: session {settings.session!r}, ResolveScope {settings.scope}, "
        f"IPv6 {settings.ipv6}, KnownPeers {', '.join(settings.peers) or 'none'}",
    )


def ports(config: Config) -> Iterator[Finding]:
    """Whether there are ports for the bed's outlets."""
    settings = _settings()
    first, last = settings.base_port, settings.base_port + settings.port_range - 1
    n_free = sum(_is_free(port) for port in range(first, last + 1) if port < 65536)
    # An outlet takes one number for IPv4 and another one for IPv6.
    n_needed = (2 + config.outlets.detail + config.outlets.codes) * (2 if settings.ipv6 == "allow" else 1)
    text = f"{n_free} of {settings.port_range} free from BasePort {first} to {last}; a bed takes {n_needed}"
    advice = "raise PortRange in the LSL configuration, of this and of all other machines, and open it in the firewall"
    if settings.ipv6 == "force" and not _has_ipv6():
        yield fail("ports", "IPv6 = force, and this machine has no IPv6", "set it to allow or disable")
    elif n_free >= n_needed:
        yield ok("ports", text)
    elif settings.random_ports:
        yield warn("ports", f"{text}, and gets others, which a firewall may not let pass", advice)
    else:
        yield fail("ports", f"{text}, and none beyond, as AllowRandomPorts is false", advice)


def network() -> Iterator[Finding]:
    """Whether an outlet of this program can be found, measured and reached over each interface."""
    settings = _settings()
    source_id = f"{OWN_SOURCE_ID}{uuid.uuid4()}"
    try:
        outlet = pylsl.StreamOutlet(pylsl.StreamInfo("doctor", "Doctor", 1, 0, "int32", source_id))
    except RuntimeError as error:
        yield fail("discovery", f"liblsl could not open an outlet ({error})", "look for used-up ports, see above")
        return
    session = outlet.get_info().session_id()
    if session != settings.session:
        text = f"liblsl is in session {printable(session)!r}, its configuration says {settings.session!r}"
        yield fail("session", text, "see what is said of the LSL configuration")
    yield from _discovery(source_id, settings)
    yield from _multicast(source_id, settings)


def elsewhere() -> Iterator[Finding]:
    """Whether the machines that are to be asked answer, and whether there are streams that are not seen from here."""
    settings = _settings()
    targets = {"this machine": _unicast("127.0.0.1", settings)}
    for peer in settings.peers:
        check = f"peer {printable(peer)}"
        try:
            targets[peer] = _unicast(socket.gethostbyname(peer), settings)
        except OSError as error:
            yield warn(
                check, f"its address is not known ({error.strerror})", "correct KnownPeers in the LSL configuration"
            )
            continue
        answers, _ = ask(_ANY, targets[peer], _ANSWER_S)
        if answers:
            yield ok(check, f"{len({answer.uid for answer in answers})} streams answer")
        else:
            advice = f"is a sender running there, and may UDP {_range(settings)} pass its firewall?"
            yield warn(check, "no stream answers", advice)
    yield from _other_sessions(settings, [target for several in targets.values() for target in several])


def _discovery(source_id: str, settings: LslSettings) -> Iterator[Finding]:
    found = pylsl.resolve_byprop("source_id", source_id, 1, _FIND_S)
    if not found:
        yield fail(
            "discovery",
            f"an outlet of this very program was not found in {_FIND_S:g} s",
            f"let UDP {settings.multicast_port} and TCP and UDP {_range(settings)} pass the firewall of this machine, "
            "the loopback included",
        )
        return
    yield ok("discovery", "an outlet of this program is found")
    offset_s = correction_s(found[0])
    if offset_s is None:
        yield warn(
            "clock correction",
            f"the clock of an outlet of this program could not be measured in {_CLOCK_S:g} s: UDP is blocked",
            f"let UDP {_range(settings)} pass; until then stamps are taken from the samples' arrival",
        )
    else:
        yield ok("clock correction", f"an outlet of this program is measured, {offset_s * 1e3:+.3f} ms off")


def _multicast(source_id: str, settings: LslSettings) -> Iterator[Finding]:
    groups = [group for group in settings.groups if not group.startswith("127.")]
    if not groups:
        yield ok("multicast", f"ResolveScope = {settings.scope}: only streams of this machine are looked for")
        return
    interfaces = multicast_interfaces()
    if not interfaces:
        yield warn(
            "multicast", "no interface but the loopback is up: only streams of this machine can be found", "plug it in"
        )
        return
    asked = [Target(group, settings.multicast_port, index) for index in interfaces.values() for group in groups]
    answers, unsent = ask(f"source_id='{source_id}'", asked, _ANSWER_S)
    answered = {answer.target for answer in answers}
    some_work = any(target in answered for target in asked)
    for name, index in interfaces.items():
        lost = [target.address for target in asked if target.interface == index and target not in answered]
        reasons = {why for target, why in unsent.items() if target.interface == index}
        check, why = f"multicast {name}", f" ({', '.join(sorted(reasons))})" if reasons else ""
        if not lost:
            yield ok(check, f"{', '.join(groups)} come back; whether the switch lets them pass, another machine shows")
            continue
        say = warn if some_work or settings.peers or len(lost) < len(groups) else fail
        advice = f"let UDP {settings.multicast_port} pass, or name the sender's machine in KnownPeers"
        yield say(check, f"no answer by {', '.join(lost)}{why}", advice)


def _other_sessions(settings: LslSettings, targets: list[Target]) -> Iterator[Finding]:
    indices = multicast_interfaces().values()
    targets = targets + [Target(group, settings.multicast_port, i) for group in settings.groups for i in (0, *indices)]
    answers, _ = ask(_ANY, targets, _ANSWER_S)
    others = {answer.uid: answer for answer in answers if answer.session != settings.session}
    if others:
        listed = [f"{one.name!r} of {one.host} is in {one.session!r}" for one in others.values()]
        yield warn(
            "sessions",
            f"{_listed(listed)}: not seen from session {settings.session!r}",
            "where one of them is meant, give both machines the same SessionID in the LSL configuration",
        )
    else:
        yield ok("sessions", f"no stream answers from another session than {settings.session!r}")


def correction_s(info: pylsl.StreamInfo) -> float | None:
    """Return what takes a stream's stamps to this machine's LSL clock, s; ``None`` where it cannot be measured."""
    try:
        inlet = pylsl.StreamInlet(info, max_buflen=1, recover=False, processing_flags=0)
        return float(inlet.time_correction(timeout=_CLOCK_S))
    except (LslTimeoutError, LostError, InternalError):
        return None


def _unicast(machine: str, settings: LslSettings) -> list[Target]:
    """Return the ports at which a machine's outlets answer."""
    last = min(settings.base_port + settings.port_range, 65536)
    return [Target(machine, port) for port in range(settings.base_port, last)]


def _settings() -> LslSettings:
    """Return the settings; liblsl's defaults where it does not understand what it was given."""
    try:
        return read_settings()
    except ConfigError:  # which `configuration` says
        return read_settings({"HOME": "/nonexistent"})


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with closing(socket.socket(socket.AF_INET, kind)) as one:
                if kind is socket.SOCK_STREAM:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("", port))
    except OSError:
        return False
    return True


def _has_ipv6() -> bool:
    try:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as one:
            one.bind(("::", 0))
    except OSError:
        return False
    return True


def _range(settings: LslSettings) -> str:
    return f"{settings.base_port} to {settings.base_port + settings.port_range - 1}"


def _listed(texts: list[str]) -> str:
    more = len(texts) - _MOST_SHOWN
    return ", ".join(texts[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
