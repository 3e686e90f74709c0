"""What of a bed is looked at later, over HTTP: events, clips and the morning report.

Files are read in a thread of its own, one after the other and a bounded part at a time; reports have another one. No
alarm waits for either.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from detector.errors import BadDataError, DetectorError, MissingInputError
from detector.morning_report.markup import CSS
from detector.page.lsl_ward import Ward
from detector.page.requests import number_of
from detector.page.review.clip import MOST_S, ClipEeg
from detector.page.review.events import events_of
from detector.page.review.files import BedFiles, ClipFile
from detector.page.review.report import Reports
from detector.printable import printable

log = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]
Wrap = Callable[[Handler], Handler]

_MOST_WAITING = 30  # requests for files; more are asked to come again
_MOST_OPEN = 4  # clips, each mapped into memory
_MOST_TOLD = 200
_PART_BYTES = 1 << 18
_MOST_HOURS = 24.0 * 31
_STYLE = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
#: A report is text, one style and pictures: it can run nothing, ask for nothing and belongs to no page.
REPORT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)


class Review:
    """Answers requests for what beds have written; to be closed.

    Parameters
    ----------
    root
        See `BedFiles`.
    ward
        The beds, which say their montage.
    page_file
        The page's own, for reports.
    """

    def __init__(self, root: Path | None, ward: Ward, page_file: Path) -> None:
        self._files, self._ward = BedFiles(root), ward
        self._reports = Reports(self._files, page_file)
        self._reader = ThreadPoolExecutor(1, "review")
        self._maker = ThreadPoolExecutor(1, "report")
        self._making: tuple[str, asyncio.Future[Any]] | None = None
        self._n_waiting = 0
        self._open: OrderedDict[tuple[object, ...], ClipEeg] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()

    def routes(self, look: Wrap, change: Wrap) -> list[Route]:
        """Return the routes; ``look`` and ``change`` let only those through who may."""
        clip = "/api/beds/{bed}/clips/{file}"
        return [
            Route("/api/beds/{bed}/clips", look(self._events)),
            Route(clip, look(self._facts)),
            Route(f"{clip}/eeg", look(self._eeg)),
            Route(f"{clip}/edf", look(self._download)),
            Route("/api/beds/{bed}/report", look(self._report)),
            Route("/api/beds/{bed}/report", change(self._make_report), methods=["POST"]),
        ]

    def close(self) -> None:
        """Read no more."""
        self._reports.close()
        self._reader.shutdown(wait=False, cancel_futures=True)
        self._maker.shutdown(wait=False, cancel_futures=True)

    async def _events(self, request: Request) -> Response:
        hours = min(max(number_of(request.query_params.get("hours", "24")), 0.01), _MOST_HOURS)
        return JSONResponse(await self._read(self._list, request.path_params["bed"], hours))

    async def _facts(self, request: Request) -> Response:
        return JSONResponse(await self._of_clip(request, ClipEeg.facts))

    async def _eeg(self, request: Request) -> Response:
        given = request.query_params
        from_s, length_s = number_of(given.get("from_s", "0")), number_of(given.get("length_s", str(MOST_S)))
        length_s = min(max(length_s, 0.0), MOST_S)
        return JSONResponse(await self._of_clip(request, lambda clip: clip.block(from_s, length_s)))

    async def _download(self, request: Request) -> Response:
        bed, file = request.path_params["bed"], request.path_params["file"]
        try:
            opened = await self._read(self._files.open_clip, bed, file)
        except MissingInputError as error:
            raise HTTPException(404, str(error)) from error
        # A clip's name has letters, digits, - and _ only.
        headers = {"content-disposition": f'attachment; filename="{file}"'}
        return self._sent(opened, "application/octet-stream", headers)

    async def _report(self, request: Request) -> Response:
        opened = await self._read(self._reports.open, request.path_params["bed"])
        if opened is None:
            raise HTTPException(404, "there is no report of this bed; it is made from the bed's view")
        headers = {"content-security-policy": REPORT_POLICY}
        return self._sent(opened, "text/html; charset=utf-8", headers)

    async def _make_report(self, request: Request) -> Response:
        bed = request.path_params["bed"]
        if self._making is None or self._making[1].done():
            made = asyncio.get_running_loop().run_in_executor(self._maker, self._reports.make, bed)
            made.add_done_callback(lambda one: one.cancelled() or one.exception())  # also where nobody waits any more
            self._making = bed, made
        elif self._making[0] != bed:
            raise HTTPException(503, "the report of another bed is being made: try again in a minute")
        report = await asyncio.shield(self._making[1])
        return JSONResponse({"made_s": report.utc_s})

    def _list(self, bed: str, hours: float) -> dict[str, Any]:
        now_s = time.time()
        clips: list[ClipFile] | str
        try:
            clips = self._files.clips(bed)
        except MissingInputError as error:
            clips = str(error)
        journal, why = None, ""
        try:
            journal = self._files.journal(bed)
            events = events_of(journal, clips, now_s - hours * 3600, now_s)
        except DetectorError as error:
            why = printable(str(error))
            self._tell_once(why)
            events = events_of(None, clips, now_s - hours * 3600, now_s)
        return {"events": [one.facts() for one in events], "why": why}

    async def _of_clip(self, request: Request, ask: Callable[[ClipEeg], dict[str, Any]]) -> dict[str, Any]:
        bed, file = request.path_params["bed"], request.path_params["file"]

        def read() -> dict[str, Any]:
            return ask(self._clip(bed, file))

        try:
            return await self._read(read)
        except MissingInputError as error:
            raise HTTPException(404, str(error)) from error
        except BadDataError as error:
            said = printable(str(error))
            self._tell_once(f"bed {bed}: {said}")
            raise HTTPException(422, said) from error

    def _clip(self, bed: str, file: str) -> ClipEeg:
        """Return a clip, opened; in the reader's thread."""
        with self._files.open_clip(bed, file) as opened:
            seen = os.fstat(opened.fileno())
            book = self._ward.book(bed)
            montage = None if book is None or book.about is None else book.about.montage
            key = file, seen.st_ino, seen.st_size, seen.st_mtime_ns, montage
            clip = self._open.pop(key, None) or ClipEeg(opened, file, montage)
        self._open[key] = clip
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        return clip

    async def _read(self, read: Callable[..., T], *arguments: object) -> T:
        if self._n_waiting >= _MOST_WAITING:
            raise HTTPException(503, "too many clips are being looked at: try again in a moment")
        self._n_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, read, *arguments)
        finally:
            self._n_waiting -= 1

    def _sent(self, opened: BufferedReader, kind: str, headers: dict[str, str]) -> Response:
        size = os.fstat(opened.fileno()).st_size

        async def parts() -> AsyncIterator[bytes]:
            left = size  # not more than was promised, also where the file grows
            try:
                while left > 0 and (part := await self._read(opened.read, min(_PART_BYTES, left))):
                    left -= len(part)
                    yield part
            finally:
                opened.close()

        return StreamingResponse(parts(), media_type=kind, headers={**headers, "content-length": str(size)})

    def _tell_once(self, text: str) -> None:
        if text in self._told:
            return
        self._told[text] = None
        while len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
        log.warning("%s", text)
