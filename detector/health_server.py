"""The HTTP server of `detector.health`: small, and bounded against whoever asks too much or too slowly."""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

MOST_REQUESTS = 8  # at the same time; who comes then is hung up on
DEADLINE_S = 5.0  # for the whole of a request: one that comes in drops must not keep its place
_SILENT_S = 2.0  # for each wait on the other side
_PAUSE_S = 0.1


class Answer(NamedTuple):
    """What is sent back."""

    code: HTTPStatus
    content_type: str
    body: bytes


class HealthServer(ThreadingHTTPServer):
    """Listens from its construction; call `turn` again and again.

    Parameters
    ----------
    host, port
        Where.
    answer
        Gives the answer to a path; called in the thread of a request.

    Raises
    ------
    OSError
        When the address does not exist or the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True  # a daemon that was killed leaves connections behind that block the port for a minute
    allow_reuse_port = False  # ... but two daemons must not share it
    request_queue_size = 2 * MOST_REQUESTS

    def __init__(self, host: str, port: int, answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self._open: dict[Any, float] = {}  # connection -> since when
        self.address_family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        super().__init__((str(address[0]), port), _Handler)

    def turn(self, timeout_s: float) -> None:
        """Take a request if one comes in that time, and end those that take too long."""
        self.timeout = timeout_s
        self.handle_request()
        late = [one for one, since_s in list(self._open.items()) if time.monotonic() - since_s > DEADLINE_S]
        for connection in late:
            with contextlib.suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        """Bind, and ask no name server what this machine is called, as the library would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def get_request(self) -> Any:
        """Accept; without free descriptors, not at full speed."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(_PAUSE_S)
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - as the library has it
        """Whether there is room for one more."""
        return len(self._open) < MOST_REQUESTS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread."""
        self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the library has it
        """Log what is our mistake; that somebody hung up is none."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("a question about the health could not be answered", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
    timeout = _SILENT_S
    server_version, sys_version = "seizure-detector", ""

    def do_GET(self) -> None:
        """Answer, by the path alone."""
        code, content_type, body = self.server.answer(self.path.partition("?")[0])
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: whoever asks could fill the log."""
