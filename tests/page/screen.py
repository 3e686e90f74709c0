"""Somebody who keeps the ward view open, without a browser: what the page tells by its stream."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

from tests.live import until


class Screen:
    """Keeps all that it was told, until the page ends."""

    def __init__(self, port: int) -> None:
        self.told: list[dict[str, Any]] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.request("GET", "/api/ward/stream")
        self._thread = threading.Thread(target=self._read, args=(self._connection.getresponse(),))
        self._thread.start()

    def _read(self, stream: http.client.HTTPResponse) -> None:
        try:
            while line := stream.readline():
                if line.startswith(b"data: "):
                    self.told.append(json.loads(line[6:]))
        except (OSError, http.client.HTTPException):
            pass  # the page was killed

    def says(self, bed: str, word: str, within_s: float = 30) -> None:
        """Wait until it is told so, by what comes from now on."""
        n = len(self.told)
        until(
            lambda: any(one["bed"] == bed and one["state"] == word for told in self.told[n:] for one in told["beds"]),
            within_s,
            f"{bed} is told as {word}",
        )

    def is_told(self, times: int) -> None:
        """Wait until it is told more so often."""
        n = len(self.told)
        until(lambda: len(self.told) >= n + times, 60, f"{times} more come")

    def alarms(self) -> list[str]:
        """Return the alarms that it was told last."""
        return [alarm["kind"] for alarm in self.told[-1]["alarms"]] if self.told else []

    def notices(self) -> str:
        """Return the notices that it was told last."""
        return "\n".join(self.told[-1]["notices"]) if self.told else ""

    def end(self) -> None:
        """Wait for the end of what the page sends: it has been ended."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._connection.close()
