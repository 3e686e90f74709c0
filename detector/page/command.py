"""The command that serves the page."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from types import FrameType

import click

_TURN_S = 0.1


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path, readable=False), help="The page's configuration.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen at, over the configuration.")
def page(path: Path | None, port: int | None) -> None:
    """Serve the bedside page: every bed on the network, its alarms and its EEG."""
    from detector.errors import ConfigError, UsageError

    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UsageError(f"the page needs an extra ({error}): pip install 'seizure-detector[page]'") from error
    from detector.page.config import load_page_config, read_token

    config = load_page_config(path, **({} if port is None else {"port": port}))
    token = read_token(config.server)
    from detector.lsl_setup import quiet

    quiet()
    from detector.page.access import Access
    from detector.page.lsl_ward import Ward
    from detector.page.server import Page
    from detector.page.store import Store
    from detector.sd_notify import Notifier
    from detector.state_folder import state_folder

    os.umask(0o077)  # what is written down about patients is nobody else's
    file = Path(config.storage.path) if config.storage.path else state_folder() / "page.sqlite"
    try:
        store = Store(file)
    except Exception as error:
        raise ConfigError(f"[storage] path {file} cannot be written: {error}") from error
    ward = Ward(config, store)
    served = Page(config, Access(config.server, token), ward, store)
    notifier = Notifier(os.environ)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            served.stopping = True  # the streams of events end by themselves
            super().handle_exit(sig, frame)

    server = Server(
        uvicorn.Config(
            served.app(),
            host=config.server.host,
            port=config.server.port,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=200,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=1,
        )
    )
    stop, ready = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.wait(_TURN_S):
                ward.turn()
                if server.started and not ready.is_set():
                    ready.set()
                    notifier.ready()
                notifier.watchdog()
        except BaseException as error:  # noqa: BLE001 - a page that reads no more must end, not look as if it did
            failed.append(error)
            served.stopping = server.should_exit = True

    thread = threading.Thread(target=read, name="ward", daemon=True)
    thread.start()
    click.echo(f"http://{config.server.host}:{config.server.port}/", err=True)
    try:
        asyncio.run(server.serve())
    finally:
        notifier.stopping()
        stop.set()
        thread.join(2)
        store.close()
    if failed:
        raise failed[0]
