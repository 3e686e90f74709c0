"""The morning report, made by a program of its own: what draws it is larger than this page may become."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from detector.errors import DetectorError
from detector.page.review.files import BedFiles
from detector.printable import printable

log = logging.getLogger(__name__)

SPAN = "24h"
KEPT_S = 300.0  # for so long the report that was made last is good enough
_LIMIT_S = 120.0
_MOST_KEPT = 8  # reports, one of each bed
_MOST_LETTERS = 500
_NICE = 10  # a tenth of what it would get beside somebody who wants all


@dataclass(frozen=True)
class Report:
    """One that was made, at a time of the monotonic clock and of UTC, s."""

    path: Path
    at_s: float
    utc_s: float


class Reports:
    """Makes reports, one at a time, and keeps the last one of a bed for a while; to be closed.

    Parameters
    ----------
    files
        Of the beds.
    page_file
        The page's own.
    """

    def __init__(self, files: BedFiles, page_file: Path) -> None:
        self._files, self._page_file = files, page_file
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made: dict[str, Report] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._n = 0

    def make(self, bed: str) -> Report:
        """Return a report of the last hours; the one that is there, where it is young enough. It takes its time.

        Raises
        ------
        DetectorError
            It cannot be made; says why.
        """
        made = self._made.get(bed)
        if made is not None and time.monotonic() - made.at_s < KEPT_S:
            return made
        journal = self._files.journal(bed)
        self._n += 1
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="seizure-detector-report-")
        path = Path(self._folder.name) / f"{self._n}.html"
        began_s = time.monotonic(), time.time()
        self._run(
            "report", "--journal", str(journal), "--page-file", str(self._page_file), "--since", SPAN,
            "--output", str(path),
        )  # fmt: skip
        with self._lock:
            old = [self._made.pop(bed, None)]
            self._made[bed] = Report(path, *began_s)
            while len(self._made) > _MOST_KEPT:
                old.append(self._made.pop(next(iter(self._made))))
        for one in old:
            if one is not None:
                one.path.unlink(missing_ok=True)
        return self._made[bed]

    def open(self, bed: str) -> BufferedReader | None:
        """Return the report that was made last, opened; ``None`` where there is none."""
        with self._lock:
            made = self._made.get(bed)
            return None if made is None else made.path.open("rb")

    def close(self) -> None:
        """Make none any more, and remove what was made."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()
            if self._folder is not None:
                self._folder.cleanup()

    def _run(self, *arguments: str) -> None:
        with tempfile.TemporaryFile() as said:
            # -P: nothing is imported from the folder that the page was started in.
            command = [sys.executable, "-P", "-m", "detector", *arguments]
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
            with self._lock:
                if self._is_closed:
                    raise DetectorError("this page is being stopped")
                process = self._process = subprocess.Popen(  # noqa: S603 - our own program
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
                )
            try:
                _make_modest(process.pid)
                code = process.wait(_LIMIT_S)
            except subprocess.TimeoutExpired:
                raise DetectorError(f"the report was not made in {_LIMIT_S:.0f} s and was given up") from None
            finally:
                process.kill()
                process.wait()
                self._process = None
            said.seek(0)
            words = [line for line in said.read(100_000).decode("utf-8", "replace").splitlines() if line.strip()]
        if code < 0:
            raise DetectorError(f"the report was not made: its program was ended by signal {-code}")
        if code:
            log.warning("a report was not made: %s", " / ".join(map(printable, words[-20:])))
            why = words[-1][:_MOST_LETTERS] if words else f"its program ended with {code}"
            raise DetectorError(f"the report was not made: {printable(why)}")


def _make_modest(pid: int) -> None:
    """Let the beds' page, and the detectors beside it, go first; and let it be what is ended when memory is short."""
    with contextlib.suppress(OSError):  # it is as well made without
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
