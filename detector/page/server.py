"""The page over HTTP: its files, what may be shown, as a stream of server-sent events, and the few things to change."""

from __future__ import annotations

import asyncio
import datetime
import functools
import json
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from detector import __version__
from detector.errors import DetectorError, UsageError
from detector.page.access import COOKIE, SESSION_S, Access
from detector.page.alarm import LabelKind
from detector.page.alerts.dispatch import Alerts
from detector.page.config import PageConfig
from detector.page.lsl_feeds import Feeds
from detector.page.lsl_ward import STUCK_S, Ward, is_safe
from detector.page.requests import Guard, failed, number_of, read_body, refused, said, text_of, written
from detector.page.review.routes import Review
from detector.page.store import Store

STATIC = Path(__file__).with_name("static")
TICK_S = 0.5
LABELS = tuple(LabelKind)
_MOST_SCREENS = 50
Handler = Callable[[Request], Awaitable[Response]]


class Page:
    """Answers requests.

    Parameters
    ----------
    config
        Of the page.
    access
        Who may do what.
    ward
        The beds.
    store
        What was kept of them.
    alerts
        To other systems.
    """

    def __init__(self, config: PageConfig, access: Access, ward: Ward, store: Store, alerts: Alerts) -> None:
        self._config, self._access, self._ward, self._store, self._alerts = config, access, ward, store, alerts
        self.feeds = Feeds(config.eeg, store)
        self._review = Review(config.review.root(), ward, store.path)
        self._n_screens = 0
        self.stopping = False
        self._told: tuple[float, str] = (-math.inf, "")

    def app(self) -> Starlette:
        """Return the application."""
        look, change = self._look, self._change
        return Starlette(
            routes=[
                Route("/", self._index),
                Route("/livez", self._livez),
                Route("/api/session", self._session),
                Route("/api/session", self._log_in, methods=["POST"]),
                Route("/api/session", self._log_out, methods=["DELETE"]),
                Route("/api/ward", look(self._ward_now)),
                Route("/api/ward/stream", look(self._ward_stream)),
                Route("/api/beds/{bed}/history", look(self._history)),
                Route("/api/beds/{bed}/eeg", look(self._eeg)),
                Route("/api/beds/{bed}/spectrum", look(self._spectrum)),
                Route("/api/beds/{bed}/labels", change(self._label), methods=["POST"]),
                Route("/api/beds/{bed}/forget", change(self._forget), methods=["POST"]),
                Route("/api/alarms/{alarm}/acknowledge", change(self._acknowledge), methods=["POST"]),
                Route("/api/alarms/{alarm}/undo", change(self._undo), methods=["POST"]),
                Route("/api/alerts", look(self._alert_report)),
                Route("/api/alerts/{target}/test", change(self._alert_test), methods=["POST"]),
                *self._review.routes(look, change),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[Middleware(Guard, access=self._access)],
            exception_handlers={UsageError: refused, DetectorError: failed, HTTPException: said},
        )

    def close(self) -> None:
        """End what reads files."""
        self._review.close()

    def _look(self, handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def guarded(request: Request) -> Response:
            if not self._access.may_look(request):
                raise HTTPException(401, "log in first")
            return await handler(request)

        return guarded

    def _change(self, handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def guarded(request: Request) -> Response:
            if not self._access.is_own(request):
                raise HTTPException(403, "a change must come from this page itself")
            if not self._access.may_change(request):
                raise HTTPException(401, "log in first")
            if self._access.is_flood(request):
                raise HTTPException(429, "too many changes; wait a minute")
            return await handler(request)

        return guarded

    async def _index(self, _: Request) -> Response:
        return Response((STATIC / "index.html").read_bytes(), media_type="text/html")

    async def _livez(self, _: Request) -> Response:
        stuck = self._ward.age_s > STUCK_S
        return JSONResponse({"reading_age_s": round(self._ward.age_s, 1)}, 503 if stuck else 200)

    async def _session(self, request: Request) -> Response:
        return JSONResponse(
            {
                "asks": self._access.asks,
                "may_look": self._access.may_look(request),
                "may_change": self._access.may_change(request),
                "version": __version__,
            }
        )

    async def _log_in(self, request: Request) -> Response:
        if not self._access.is_own(request):
            raise HTTPException(403, "a change must come from this page itself")
        session = self._access.log_in(request, text_of(await read_body(request), "word"))
        if session is None:
            raise HTTPException(401, "this is not the word, or too many were tried: wait a minute")
        response = JSONResponse({"may_change": True})
        response.set_cookie(
            COOKIE, session, max_age=int(SESSION_S), httponly=True, samesite="strict",
            secure=self._access.is_secure(request),
        )  # fmt: skip
        return response

    async def _log_out(self, request: Request) -> Response:
        self._access.log_out(request)
        response = JSONResponse({"may_change": not self._access.asks})
        response.delete_cookie(COOKIE)
        return response

    async def _ward_now(self, _: Request) -> Response:
        return Response(self._facts(), media_type="application/json")

    async def _ward_stream(self, request: Request) -> Response:
        async def tell() -> AsyncGenerator[str]:
            while not self.stopping:
                yield f"data: {self._facts()}\n\n"
                await asyncio.sleep(TICK_S)

        return self._stream(request, tell())

    async def _history(self, request: Request) -> Response:
        bed = request.path_params["bed"]
        hours = min(max(number_of(request.query_params.get("hours", "24")), 0.01), self._config.storage.trend_hours)
        since_s = time.time() - hours * 3600
        store = self._store
        return JSONResponse(
            {
                "since_s": since_s,
                "trend": await run_in_threadpool(store.trends, bed, since_s),
                "markers": await run_in_threadpool(store.markers, bed, since_s),
                "alarms": await run_in_threadpool(store.alarm_log, bed, since_s),
                "labels": await run_in_threadpool(store.labels, bed, since_s),
                "thresholds": await run_in_threadpool(store.told_thresholds, bed, since_s),
            }
        )

    async def _spectrum(self, request: Request) -> Response:
        bed, hours = request.path_params["bed"], self._config.storage.trend_hours
        since_s = max(number_of(request.query_params.get("since", "0")), time.time() - hours * 3600)
        return JSONResponse({"since_s": since_s, **await run_in_threadpool(self.feeds.told, bed, since_s)})

    async def _eeg(self, request: Request) -> Response:
        bed = request.path_params["bed"]
        book = self._ward.book(bed)
        if book is None:
            raise HTTPException(404, "there is no such bed")
        if self._n_screens >= _MOST_SCREENS:
            raise HTTPException(503, f"{_MOST_SCREENS} screens are open already")
        try:
            feed = self.feeds.open(book)
        except DetectorError as error:  # the screen shows why, and asks again
            return StreamingResponse(
                iter([f"data: {json.dumps({'obstacle': str(error)})}\n\n"]), media_type="text/event-stream"
            )

        async def tell() -> AsyncGenerator[str]:
            blocks = feed.join()
            try:
                yield f"data: {json.dumps({'derivations': feed.derivations})}\n\n"
                while not self.stopping and not feed.ended and feed.is_of(book):
                    sent = False
                    while blocks:
                        sent = True
                        yield f"data: {json.dumps(blocks.popleft())}\n\n"
                    if not sent:
                        yield ": nothing\n\n"  # a screen that has gone is noticed when it is written to
                    await asyncio.sleep(0.1)
            finally:
                feed.leave(blocks)

        return self._stream(request, tell())

    async def _acknowledge(self, request: Request) -> Response:
        who = text_of(await read_body(request), "who")
        safe = await run_in_threadpool(self._ward.acknowledge, request.path_params["alarm"], who)
        return written(safe)

    async def _undo(self, request: Request) -> Response:
        who = text_of(await read_body(request), "who")
        return written(await run_in_threadpool(self._ward.undo, request.path_params["alarm"], who))

    async def _forget(self, request: Request) -> Response:
        who = text_of(await read_body(request), "who")
        return written(await run_in_threadpool(self._ward.forget, request.path_params["bed"], who))

    async def _label(self, request: Request) -> Response:
        body, bed = await read_body(request), request.path_params["bed"]
        kind, who, at_s = text_of(body, "kind"), " ".join(text_of(body, "who").split()), body.get("at_s")
        if kind not in LABELS:
            raise UsageError(f"got the label {kind!r}; the choices are {', '.join(LABELS)}")
        if not 0 < len(who) <= 60 or not who.isprintable():
            raise UsageError("expected who it is, in 1 to 60 letters")
        if not isinstance(at_s, int | float) or not abs(at_s - time.time()) < 400 * 86400:
            raise UsageError("expected at_s, the time that is meant, in UNIX seconds")
        if self._ward.book(bed) is None:
            raise HTTPException(404, "there is no such bed")
        alarm = body.get("alarm", "")
        if not isinstance(alarm, str) or not alarm.isprintable() or len(alarm) > 200:
            raise UsageError("expected alarm, the id of one, or nothing")
        kept = self._store.label(time.time(), bed, kind, float(at_s), who, alarm)
        return written(await run_in_threadpool(is_safe, kept))

    async def _alert_report(self, _: Request) -> Response:
        return JSONResponse({"time_s": time.time(), "targets": await run_in_threadpool(self._alerts.report)})

    async def _alert_test(self, request: Request) -> Response:
        return written(await run_in_threadpool(self._alerts.send_test, request.path_params["target"]))

    def _facts(self) -> str:
        """Return the ward as JSON, made once for all screens."""
        now_s = time.monotonic()
        if now_s - self._told[0] >= TICK_S / 2:
            facts = self._ward.facts()
            quiet = self._config.alarms.is_quiet(datetime.datetime.now().time())
            facts["notices"] += self._alerts.notices()
            self._told = now_s, json.dumps({**facts, "quiet": quiet}, allow_nan=False)
        return self._told[1]

    def _stream(self, request: Request, told: AsyncGenerator[str]) -> Response:
        if self._n_screens >= _MOST_SCREENS:
            raise HTTPException(503, f"{_MOST_SCREENS} screens are open already")

        async def counted() -> AsyncGenerator[str]:
            self._n_screens += 1
            try:
                async with aclosing(told):
                    async for text in told:
                        if not self._access.may_look(request):  # the session has ended since
                            break
                        yield text
            finally:
                self._n_screens -= 1

        return StreamingResponse(
            counted(), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )  # a proxy must not keep what is of now
