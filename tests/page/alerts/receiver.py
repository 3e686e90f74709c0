"""A real HTTP server that takes webhooks and does with them as a test wants."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Keeps what was posted; ``answer`` says with what it is answered, ``None`` is not at all."""

    def __init__(self, context: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.posts: list[Post] = []
        self.answer: Callable[[Post], int | None] = lambda post: 204
        self.taken: list[Post] = []  # what was answered with a success
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                outer.posts.append(post)
                status = outer.answer(post)
                if status is None:
                    return
                if 200 <= status < 300:
                    outer.taken.append(post)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"{outer.url}elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that does not trust us, or was killed

        self._server = Server(address, Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def keys(self) -> list[str]:
        """What a receiver that honours the key has, in its order."""
        return list(dict.fromkeys(post.key for post in self.taken))

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    one = Receiver(context)
    yield one
    one.end()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return the context of a server on 127.0.0.1, and the file of its certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl is installed")
    key, own = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", str(key), "-out", str(own),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    return context, own


def secret(folder: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path
