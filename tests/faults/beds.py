"""All the tests of a run at once, each on a bed of its own: most of their time is waiting for a warm-up."""

from __future__ import annotations

import json
import os
import queue
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.amplifier import Amplifier
from tests.faults.bed import SEED, Bed, Signals, running_bed

BEDS = int(os.environ.get("FAULTS_BEDS", "8"))  # each a daemon of 0.8 GB
_FREE_S = 600.0
RESULTS = os.environ.get("FAULTS_RESULTS", "")  # where each test's figures are appended, a line of JSON each


class Beds:
    """Daemons that are started once, and one more with a healthy amplifier that must not notice anything.

    Parameters
    ----------
    tests
        All that will be run; they are begun together, in this order, as beds become free.
    folder
        For all files.
    """

    def __init__(self, tests: list[pytest.Function], folder: Path) -> None:
        self._tests = tests
        self._stack = ExitStack()
        self._futures: dict[str, Future[None]] = {}
        self._free: queue.SimpleQueue[Bed] = queue.SimpleQueue()
        signals = Signals(folder, SEED)
        n = min(BEDS, len(tests))
        try:
            beds = [self._stack.enter_context(running_bed(f"bed{k}", folder, signals)) for k in range(n + 1)]
            for bed in beds:
                bed.started()
            self._neighbour = beds.pop()
            self._neighbour.watch()
            self.reference: Amplifier = self._stack.enter_context(self._neighbour.amplifier())
            self._neighbour.watched()
        except BaseException:
            self._stack.close()
            raise
        for bed in beds:
            bed.reference = self.expected
            self._free.put(bed)
        self._pool = ThreadPoolExecutor(n)

    def expected(self) -> dict[int, float]:
        """Return the probabilities of the healthy amplifier, by the number of the half second."""
        return self._neighbour.probabilities(self.reference)

    def outcome(self, test: pytest.Function) -> None:
        """Wait for a test, and raise what it raised."""
        if not self._futures:
            self._futures = {other.nodeid: self._pool.submit(self._run, other) for other in self._tests}
        self._futures[test.nodeid].result()

    def close(self) -> None:
        """End everything; a test that has not begun never will."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._stack.close()

    def _run(self, test: pytest.Function) -> None:
        bed = self._free.get(timeout=_FREE_S)
        bed.rng = np.random.default_rng([SEED, zlib.crc32(test.nodeid.encode())])
        try:
            parameters: dict[str, Any] = test.callspec.params if hasattr(test, "callspec") else {}
            try:
                test.obj(bed=bed, **parameters)
            finally:
                bed.rest()
            complaints, measured = bed.verdict(self._neighbour.whole)
            if RESULTS:
                line = {"test": test.name, "seed": SEED, "complaints": complaints, **asdict(measured)}
                with Path(RESULTS).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            assert not complaints, "\n".join([*complaints, bed.log])
        finally:
            self._free.put(bed)
