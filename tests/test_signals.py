"""Signals reach the daemon as a process: at any time, any number of them, and it stops when it is told to."""

from __future__ import annotations

import re
import signal
import uuid
from pathlib import Path

import pytest

from tests.bundles import make_bundle
from tests.live import program, until

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def _ignores(pid: int, number: signal.Signals) -> bool:
    found = re.search(r"^SigIgn:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)


def test_signals_while_it_loads_and_a_flood_of_them_neither_end_nor_hold_it(tmp_path: Path) -> None:
    name = f"signals-{uuid.uuid4().hex[:8]}"
    config, log = tmp_path / "bed.toml", tmp_path / "daemon.log"
    bundle = make_bundle(tmp_path)
    config.write_text(f'[bed]\nname = "{name}"\n[source]\nsource_id = "{name}"\n[model]\nbundle = "{bundle}"\n')
    with program("run", "--config", str(config), log=log) as daemon:
        both = (signal.SIGHUP, signal.SIGUSR1)
        until(lambda: all(_ignores(daemon.pid, number) for number in both), 30, "it has begun to load")

        def ready() -> bool:
            for number in both:
                daemon.send_signal(number)
            assert daemon.poll() is None, log.read_text()
            return "waiting for its stream" in log.read_text()

        until(ready, 60, "it is ready")
        for _ in range(500):
            daemon.send_signal(signal.SIGUSR1)
            daemon.send_signal(signal.SIGHUP)
        until(lambda: "asked for by the operator" in log.read_text(), 30, "a new session")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            daemon.send_signal(number)
        assert daemon.wait(10) == 0, log.read_text()
    assert "stopped" in log.read_text()
