"""LSL's own question for streams, sent where one chooses: out of one interface, to one group, or for other sessions.

liblsl asks everywhere at once and does not say which way an answer came. The question is a datagram of three lines:
``LSL:shortinfo``, an XPath predicate, the port for the answer and a number that it repeats. The answer is the stream's
short description.
"""

from __future__ import annotations

import fcntl
import html
import re
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from detector.source.lsl_describe import MAX_TEXT, printable

_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915  # netdevice(7)
_UP, _LOOPBACK, _MULTICAST = 0x1, 0x8, 0x1000  # flags of an interface, of linux/if.h
_TTL = 24  # as liblsl has it for a site
_MOST_ANSWERS = 1000
_MOST_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask.

    Parameters
    ----------
    address, port
        A group, a broadcast address or a machine.
    interface
        Out of which interface, by its index; 0 for the machine's own choice.
    """

    address: str
    port: int
    interface: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """A stream that answered; its texts can be shown."""

    target: Target
    host: str
    name: str
    source_id: str
    session: str
    uid: str


def multicast_interfaces() -> dict[str, int]:
    """Return the interfaces over which others can be reached by IPv4 multicast, with their indices."""
    found = {}
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
        for index, name in socket.if_nameindex():
            asked = struct.pack("16s24x", name.encode())
            try:
                answer = fcntl.ioctl(one, _SIOCGIFFLAGS, asked)
                fcntl.ioctl(one, _SIOCGIFADDR, asked)
            except OSError:  # it has no address, or has just gone
                continue
            flags = struct.unpack_from("16xH", answer)[0]
            if flags & _UP and flags & _MULTICAST and not flags & _LOOPBACK:
                found[name] = index
    return found


def ask(predicate: str, targets: Iterable[Target], wait_s: float) -> tuple[list[Answered], dict[Target, str]]:
    """Ask all targets and wait for the answers.

    Parameters
    ----------
    predicate
        An XPath predicate of streams.
    targets
        Whom; IPv4.
    wait_s
        How long for answers, in seconds.

    Returns
    -------
    answers
        One for each way on which a stream answered.
    unsent
        Why a question could not be sent.
    """
    asked = dict(enumerate(targets))
    unsent: dict[Target, str] = {}
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as socket_:
        socket_.bind(("", 0))
        for number, target in asked.items():
            text = f"LSL:shortinfo\r\n{predicate}\r\n{socket_.getsockname()[1]} {number}\r\n"
            try:
                _send(target, text.encode())
            except OSError as error:
                unsent[target] = error.strerror or str(error)
        return _answers(socket_, asked, time.monotonic() + wait_s), unsent


def _send(target: Target, message: bytes) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
        if target.interface:
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"", b"", target.interface))
        one.sendto(message, (target.address, target.port))


def _answers(socket_: socket.socket, asked: dict[int, Target], ends_s: float) -> list[Answered]:
    found: dict[Answered, None] = {}
    while (left_s := ends_s - time.monotonic()) > 0 and len(found) < _MOST_ANSWERS:
        socket_.settimeout(left_s)
        try:
            data, (host, _) = socket_.recvfrom(_MOST_BYTES)
        except OSError:  # nothing more came
            break
        number, _, description = data.decode(errors="backslashreplace").partition("\r\n")
        target = asked.get(int(number)) if number.isdigit() and len(number) < 10 else None
        if target is None:
            continue  # not what was asked for
        name, source_id, session, uid = (_value(description, tag) for tag in ("name", "source_id", "session_id", "uid"))
        found[Answered(target, host, name, source_id, session, uid)] = None
    return list(found)


def _value(description: str, tag: str) -> str:
    match = re.search(rf"<{tag}>([^<]*)</{tag}>", description)
    return printable(html.unescape(match[1]))[:MAX_TEXT] if match else ""
