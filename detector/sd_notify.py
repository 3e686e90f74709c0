"""What systemd is told of the service, by its notify protocol (``man sd_notify``, ``man sd_watchdog_enabled``).

Nothing here waits and nothing here raises: what cannot be delivered is no reason to stop watching a patient.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

_MAX_BYTES = 4096  # systemd ignores a longer message whole
_FED_EARLY = 0.25  # of the watchdog's time: twice as often as systemd asks for, so that one may get lost


class Notifier:
    """Speaks to the service manager that started this process; without one it says nothing.

    Parameters
    ----------
    environment
        Where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` may stand.
    clock
        Seconds that never go back.

    Attributes
    ----------
    watchdog_s
        How long systemd waits for a sign of life, in seconds; ``None`` where it does not, or not for this process.
    """

    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self.watchdog_s = _watchdog_s(environment)
        self._address = _address(environment)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._clock = clock
        self._fed_s: float | None = None
        self._said = ""  # the status that systemd has
        self._owed = ""  # the last change of state, until systemd has it
        self._fails = False

    def ready(self) -> None:
        """Say that the service watches or, after `reloading`, watches on."""
        self._change("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` must follow."""
        self._change(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service has begun to end."""
        self._change("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows; a text that stands already is not sent again."""
        if self._socket is None or text == self._said:
            return
        # A line break would begin another message, and the text may hold what a peer on the network has chosen.
        line = "".join(letter if letter.isprintable() else " " for letter in text)
        if self._send(f"STATUS={line}"):
            self._said = text

    def watchdog(self) -> None:
        """Give a sign of life; to be called at every turn that proves it, and sent as often as is needed."""
        if self.watchdog_s is None:
            return
        now_s = self._clock()
        is_fed = self._fed_s is not None and now_s - self._fed_s < self.watchdog_s * _FED_EARLY
        if not is_fed and self._send("WATCHDOG=1"):
            self._fed_s = now_s

    def close(self) -> None:
        """Give the socket back; nothing more is said."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _change(self, state: str) -> None:
        self._owed = state
        self._send("")

    def _send(self, message: str) -> bool:
        """Send what is owed and the message as one; return whether systemd has them."""
        if self._socket is None:
            return False
        text = "\n".join(part for part in (self._owed, message) if part)
        data = text.encode()[:_MAX_BYTES].decode(errors="ignore").encode()  # without the half of a letter at the end
        try:
            self._socket.sendto(data, self._address)
        except OSError as error:  # full, gone or never there
            if not self._fails:
                log.warning("systemd cannot be told %s: %s", text.partition("\n")[0], error)
            self._fails = True
            return False
        self._fails, self._owed = False, ""
        return True


def _address(environment: Mapping[str, str]) -> str:
    """Return the address of systemd's socket, empty where there is none; an abstract one begins with a zero."""
    given = environment.get("NOTIFY_SOCKET", "")
    if given and given[0] not in "/@":
        log.warning("NOTIFY_SOCKET is %r, expected a path or an abstract name (@...); systemd is told nothing", given)
        return ""
    return "\0" + given[1:] if given.startswith("@") else given


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    given, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not given or pid not in ("", str(os.getpid())):
        return None
    if not given.isascii() or not given.isdigit() or not int(given):
        log.warning("WATCHDOG_USEC is %r, expected microseconds; the watchdog is not fed", given)
        return None
    return int(given) / 1e6
