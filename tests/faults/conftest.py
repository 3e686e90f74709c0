"""Tests that take a ``bed`` run all at once, on daemons that they share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.beds import Beds

# A switch of the library's documentation: after a vfork the child shares our memory, in which other threads go on, and
# once in some hundred starts execve found a bad address there.
vars(subprocess)["_USE_VFORK"] = False


@pytest.fixture(scope="package")  # nine daemons must not run beside all other tests
def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beds]:
    """Return what runs the tests; each gets a `tests.faults.bed.Bed` from it."""
    here = Path(__file__).parent  # other tests have other beds
    items = [item for item in request.session.items if item.path.is_relative_to(here)]
    tests = [item for item in items if isinstance(item, pytest.Function) and "bed" in item.fixturenames]
    beds = Beds(tests, tmp_path_factory.mktemp("faults"))
    yield beds
    beds.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the test where it runs among others."""
    beds = pyfuncitem.funcargs.get("bed")
    if not isinstance(beds, Beds):
        return None
    beds.outcome(pyfuncitem)
    return True
