"""The command that serves the page."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

import click

_TURN_S = 0.1
_STUCK_S = 3.0


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
    from detector.page.alerts.dispatch import Alerts
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
    alerts = Alerts(config, store)
    ward = Ward(config, store, alerts.put)
    served = Page(config, Access(config.server, token), ward, store, alerts)
    notifier = Notifier(os.environ)

    class Server(uvicorn.Server):
        ticked_s = 0.0

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            served.stopping = True  # the streams of events end by themselves
            super().handle_exit(sig, frame)

        async def on_tick(self, counter: int) -> bool:
            self.ticked_s = time.monotonic()
            return await super().on_tick(counter)

    server = Server(
        uvicorn.Config(
            served.app(),
            host=config.server.host,
            port=config.server.port,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=2000,
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
                if time.monotonic() - server.ticked_s < _STUCK_S:  # both loops turn: the beds are read, screens served
                    notifier.watchdog()
        except BaseException as error:  # noqa: BLE001 - a page that reads no more must end, not look as if it did
            failed.append(error)
            served.stopping = server.should_exit = True

    # uvicorn raises again what it was ended by, which would end the program before its last rows are written.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    thread = threading.Thread(target=read, name="ward", daemon=True)
    thread.start()
    alerts.begin(ward.states)
    served.feeds.begin(lambda: [book for bed in ward.states() if (book := ward.book(bed)) is not None])
    click.echo(f"http://{config.server.host}:{config.server.port}/", err=True)
    try:
        asyncio.run(server.serve())
    finally:
        notifier.stopping()
        served.feeds.close()
        stop.set()
        thread.join(2)
        served.close()
        alerts.close()
        store.close()
    if failed:
        raise failed[0]
