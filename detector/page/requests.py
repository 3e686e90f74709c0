"""What comes with a request, checked, and what goes with every answer."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detector.errors import UsageError
from detector.page.access import Access

MOST_BYTES = 4096
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Turns away who may not come at all, and says with each answer what a browser may do with it.

    Parameters
    ----------
    app
        What answers.
    access
        Who may come.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)  # what is no page of ours has a policy of its own
            await send(message)

        if not self._access.may_come(Request(scope)):
            await JSONResponse({"error": "this page is not asked for from here"}, 403)(scope, receive, send_with)
            return
        await self._app(scope, receive, send_with)


async def read_body(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; raises UsageError, or HTTPException where it is too long."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise HTTPException(413, f"got more than {MOST_BYTES} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise UsageError("expected an object in JSON") from None
    if not isinstance(body, dict):
        raise UsageError("expected an object in JSON")
    return body


def text_of(body: dict[str, Any], key: str) -> str:
    """Return a text of it; raises UsageError where there is none."""
    value = body.get(key)
    if not isinstance(value, str):
        raise UsageError(f"expected {key}, a text")
    return value


def number_of(text: str) -> float:
    """Return a finite number; raises UsageError where it is none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"got {text[:20]!r}; expected a number")
    return value


def written(safe: bool) -> Response:
    """Say whether it is safe on disk: what is only in memory must not be taken for written."""
    return JSONResponse({"written": safe}, 200 if safe else 503)


async def refused(_: Request, error: Exception) -> Response:
    """Answer to what cannot be done as it was asked for."""
    return JSONResponse({"error": str(error)}, 400)


async def failed(_: Request, error: Exception) -> Response:
    """Answer to what cannot be done now."""
    return JSONResponse({"error": str(error)}, 503)


async def said(_: Request, error: Exception) -> Response:
    """Answer with an error of HTTP."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
