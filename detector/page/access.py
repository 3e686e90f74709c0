"""Who may look and who may change something: a word to log in with, a session cookie, and limits.

On the loopback without a token everybody on the machine may do both. Changes need a header that no form of another site
can send, beside a cookie that no other site's page has sent with it (SameSite=Strict).
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request

from detector.page.config import Server

COOKIE = "seizure-detector-page"
CHANGE_HEADER = "x-seizure-detector-page"
SESSION_S = 16 * 3600.0  # a long shift
_MOST_ENDED = 1000
_MOST_ADDRESSES = 1000


class Access:
    """Knows the sessions of the people who logged in.

    Parameters
    ----------
    config
        Of the server.
    token
        The word to log in with; empty where none is asked for.
    clock
        Seconds that never go back.
    utc
        UNIX time, by which sessions end.
    """

    def __init__(
        self,
        config: Server,
        token: str,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._token, self._utc = config, token, utc
        self._ended: OrderedDict[str, None] = OrderedDict()  # sessions whose people have logged out
        self._logins = Limit(10, 60.0, clock)
        self._changes = Limit(60, 60.0, clock)

    @property
    def asks(self) -> bool:
        """Whether people have to log in."""
        return bool(self._token)

    def may_come(self, request: Request) -> bool:
        """Whether the request comes from where requests may: the trusted proxy, where there is one.

        Without a word to log in with, the page is asked for by an address or ``localhost``: another name may be that of
        a site which has it point to this machine.
        """
        proxy = self._config.trusted_proxy
        if proxy:
            return _peer(request) in (proxy, "127.0.0.1", "::1")
        return self.asks or request.url.hostname == "localhost" or _is_address(request.url.hostname or "")

    def may_change(self, request: Request) -> bool:
        """Whether whoever asks has logged in, where that is asked for."""
        if not self._token:
            return True
        return self._is_session(request.cookies.get(COOKIE, ""))

    def may_look(self, request: Request) -> bool:
        """Whether whoever asks may look."""
        return self._config.read_only_screens or self.may_change(request)

    def is_own(self, request: Request) -> bool:
        """Whether a change was asked for by this page and by no other site."""
        origin = request.headers.get("origin")
        same = origin is None or origin.partition("://")[2] == request.headers.get("host")
        return same and request.headers.get(CHANGE_HEADER) == "1"

    def is_flood(self, request: Request) -> bool:
        """Whether an address changes more than anybody can mean to."""
        return not self._changes.admits(self._address(request))

    def log_in(self, request: Request, word: str) -> str | None:
        """Return a new session's cookie, or ``None`` where the word is another one or too many were tried."""
        if not self._logins.admits(self._address(request)):
            return None
        if not hmac.compare_digest(word.encode(), self._token.encode()):
            return None
        named = f"{self._utc() + SESSION_S:.0f}.{secrets.token_urlsafe(16)}"
        return f"{named}.{self._signed(named)}"

    def log_out(self, request: Request) -> None:
        """End a session."""
        self._ended[request.cookies.get(COOKIE, "")] = None
        while len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)

    def is_secure(self, request: Request) -> bool:
        """Whether the browser speaks TLS, to this page or to the proxy before it."""
        told = request.headers.get("x-forwarded-proto", "") if self._is_proxy(request) else ""
        return (told or request.url.scheme) == "https"

    def _is_session(self, cookie: str) -> bool:
        # It is known by its signature and not by heart: a page that is begun again keeps its screens.
        named, _, signature = cookie.rpartition(".")
        if cookie in self._ended or not hmac.compare_digest(signature.encode(), self._signed(named).encode()):
            return False
        return float(named.partition(".")[0]) > self._utc()

    def _signed(self, text: str) -> str:
        return hmac.new(self._token.encode(), text.encode(), "sha256").hexdigest()

    def _is_proxy(self, request: Request) -> bool:
        return bool(self._config.trusted_proxy) and _peer(request) == self._config.trusted_proxy

    def _address(self, request: Request) -> str:
        """Return who asks: the last that the proxy, where there is one, has written down."""
        forwarded = request.headers.get("x-forwarded-for", "") if self._is_proxy(request) else ""
        return forwarded.rpartition(",")[2].strip()[:100] or _peer(request)


class Limit:
    """Admits so many requests of one address in so many seconds, evenly refilled.

    Parameters
    ----------
    most
        At once.
    per_s
        In which as many come back.
    clock
        Seconds that never go back.
    """

    def __init__(self, most: int, per_s: float, clock: Callable[[], float]) -> None:
        self._most, self._rate, self._clock = most, most / per_s, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, address: str) -> bool:
        """Count a request; return whether it is admitted."""
        now_s = self._clock()
        left, at_s = self._left.pop(address, (float(self._most), now_s))
        left = min(self._most, left + (now_s - at_s) * self._rate)
        admitted = left >= 1
        self._left[address] = (left - 1 if admitted else left), now_s
        while len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)
        return admitted


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
