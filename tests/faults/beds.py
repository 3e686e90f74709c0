"""All the tests of a run at once, each on a bed of its own: most of their time is waiting for a warm-up."""

from __future__ import annotations

import json
import os
import queue
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.amplifier import Amplifier
from tests.faults.bed import SEED, Bed, Signals, running_bed
from tests.faults.remote_bed import running_remote_bed

BEDS = int(os.environ.get("FAULTS_BEDS", "8"))  # each a daemon of 0.8 GB
# By the argument of the tests: how their beds are run, and how many at most.
KINDS: dict[str, tuple[Callable[[str, Path, Signals], AbstractContextManager[Bed]], int]] = {
    "bed": (running_bed, BEDS),
    "remote_bed": (running_remote_bed, min(BEDS, 4)),
    "pinned_bed": (partial(running_remote_bed, pinned=True), 1),
}
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
        self._free: dict[str, queue.SimpleQueue[Bed]] = {kind: queue.SimpleQueue() for kind in KINDS}
        self._pools: dict[str, ThreadPoolExecutor] = {}
        signals = Signals(folder, SEED)
        try:
            self._neighbour = self._stack.enter_context(running_bed("neighbour", folder, signals))
            beds: list[tuple[str, Bed]] = []
            for kind, (run, most) in KINDS.items():
                if n := min(most, sum(kind_of(test) == kind for test in tests)):
                    self._pools[kind] = ThreadPoolExecutor(n)
                    beds += [(kind, self._stack.enter_context(run(f"{kind}{k}", folder, signals))) for k in range(n)]
            for bed in (self._neighbour, *(bed for _, bed in beds)):
                bed.started()
            self._neighbour.watch()
            self.reference: Amplifier = self._stack.enter_context(self._neighbour.amplifier())
            self._neighbour.watched()
        except BaseException:
            self._stack.close()
            raise
        for kind, bed in beds:
            bed.reference = self.expected
            self._free[kind].put(bed)

    def expected(self) -> dict[int, float]:
        """Return the probabilities of the healthy amplifier, by the number of the half second."""
        return self._neighbour.probabilities(self.reference)

    def outcome(self, test: pytest.Function) -> None:
        """Wait for a test, and raise what it raised."""
        if not self._futures:
            self._futures = {
                other.nodeid: self._pools[kind_of(other)].submit(self._run, other) for other in self._tests
            }
        self._futures[test.nodeid].result()

    def close(self) -> None:
        """End everything; a test that has not begun never will."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._stack.close()

    def _run(self, test: pytest.Function) -> None:
        kind = kind_of(test)
        bed = self._free[kind].get(timeout=_FREE_S)
        bed.rng = np.random.default_rng([SEED, zlib.crc32(test.nodeid.encode())])
        try:
            parameters: dict[str, Any] = test.callspec.params if hasattr(test, "callspec") else {}
            try:
                test.obj(**{kind: bed}, **parameters)
            finally:
                bed.rest()
            complaints, measured = bed.verdict(self._neighbour.whole)
            if RESULTS:
                line = {"test": test.name, "seed": SEED, "complaints": complaints, **asdict(measured)}
                with Path(RESULTS).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            assert not complaints, "\n".join([*complaints, bed.log])
        finally:
            self._free[kind].put(bed)


def kind_of(test: pytest.Function) -> str:
    """Return which kind of bed a test asks for; empty where it asks for none."""
    return next((kind for kind in KINDS if kind in test.fixturenames), "")
