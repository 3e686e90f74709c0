"""Tests that take a ``bed``, a ``remote_bed`` or a ``pinned_bed`` run all at once, on daemons that they share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.beds import Beds, kind_of
from tests.faults.hosts import missing

# A switch of the library's documentation: after a vfork the child shares our memory, in which other threads go on, and
# once in some hundred starts execve found a bad address there.
vars(subprocess)["_USE_VFORK"] = False


@pytest.fixture(scope="package")  # a dozen daemons must not run beside all other tests
def beds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beds]:
    """Return what runs the tests; each gets a bed of the kind that it asks for from it."""
    here = Path(__file__).parent  # other tests have other beds
    items = [item for item in request.session.items if item.path.is_relative_to(here)]
    tests = [item for item in items if isinstance(item, pytest.Function) and kind_of(item)]
    if missing():
        tests = [test for test in tests if kind_of(test) == "bed"]
    beds = Beds(tests, tmp_path_factory.mktemp("faults"))
    yield beds
    beds.close()


@pytest.fixture
def bed(beds: Beds) -> Beds:
    """Return what gives the test a `tests.faults.bed.Bed`."""
    return beds


@pytest.fixture
def remote_bed(request: pytest.FixtureRequest) -> object:
    """Return what gives the test a `tests.faults.remote_bed.RemoteBed`."""
    if why := missing():
        pytest.skip(why)
    return request.getfixturevalue("beds")


@pytest.fixture
def pinned_bed(request: pytest.FixtureRequest) -> object:
    """Return what gives the test one that believes the amplifier's machine only."""
    if why := missing():
        pytest.skip(why)
    return request.getfixturevalue("beds")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the test where it runs among others."""
    beds = pyfuncitem.funcargs.get(kind_of(pyfuncitem))
    if not isinstance(beds, Beds):
        return None
    beds.outcome(pyfuncitem)
    return True
