"""A peer that announces a stream as liblsl does, and then answers with anything but one.

What liblsl says to whom was read off its sockets: ``LSL:shortinfo`` comes as a datagram to each port of the range, with
the query and where to answer; ``LSL:fullinfo`` and ``LSL:streamfeed`` come over TCP to the port that was announced.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

CLOSES, KEEPS_SILENT = b"", None
_WAKE_S = 0.1
_INFO = """<?xml version="1.0"?>
<info>
<name>amplifier</name><type>EEG</type><channel_count>22</channel_count><channel_format>float32</channel_format>
<source_id>{source_id}</source_id><nominal_srate>256.0</nominal_srate><version>1.1</version>
<created_at>1.0</created_at><uid>{uid}</uid><session_id>{session}</session_id><hostname>{hostname}</hostname>
<v4address></v4address><v4data_port>{tcp_port}</v4data_port><v4service_port>{udp_port}</v4service_port>
<v6address></v6address><v6data_port>0</v6data_port><v6service_port>0</v6service_port><desc/>
</info>
"""


class FakePeer:
    """Counts the connections that it got."""

    def __init__(self) -> None:
        self.connections = 0


@contextmanager
def fake_peer(source_id: str, answer: bytes | None, hostname: str = "peer") -> Iterator[FakePeer]:
    """Announce a stream and answer whoever connects.

    Parameters
    ----------
    source_id
        Of the stream.
    answer
        What each connection gets before it is closed; `KEEPS_SILENT` keeps it open.
    hostname
        As announced; the bytes of a text that is no UTF-8 are surrogates.
    """
    peer, stopped = FakePeer(), threading.Event()
    kept: list[socket.socket] = []
    config = configparser.ConfigParser()
    config.read(os.environ["LSLAPICFG"])
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(_free_port(config.getint("ports", "BasePort"), config.getint("ports", "PortRange")))
        info = _INFO.format(
            source_id=source_id,
            uid=uuid.uuid4(),
            session=config.get("lab", "SessionID"),
            hostname=hostname,
            tcp_port=tcp.getsockname()[1],
            udp_port=udp.getsockname()[1],
        ).encode(errors="surrogateescape")

        def introduce() -> None:
            while not stopped.is_set():
                try:
                    query, (address, _) = udp.recvfrom(65536)
                except TimeoutError:
                    continue
                kind, predicate, back, *_ = query.decode().split("\r\n")
                if kind == "LSL:shortinfo" and source_id in predicate:
                    port, number = back.split()
                    udp.sendto(f"{number}\r\n".encode() + info, (address, int(port)))

        def serve() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = tcp.accept()
                except TimeoutError:
                    continue
                peer.connections += 1
                if answer is KEEPS_SILENT:
                    kept.append(connection)
                    continue
                with connection, contextlib.suppress(ConnectionError):  # the other side may go first
                    connection.recv(4096)
                    connection.sendall(answer)

        for listener, run in ((tcp, serve), (udp, introduce)):
            listener.settimeout(_WAKE_S)
            thread = threading.Thread(target=run, name="fake-peer")
            thread.start()
            stack.callback(thread.join)
        stack.callback(stopped.set)
        yield peer
    for connection in kept:
        connection.close()


def _free_port(first: int, n: int) -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(first + n - 1, first, -1):
        try:
            udp.bind(("127.0.0.1", port))
        except OSError:
            continue
        return udp
    raise AssertionError("all ports of the range are taken")
