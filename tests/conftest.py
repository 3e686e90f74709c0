"""Every run of the tests has an LSL session of its own on the loopback, and reads the real EEG where it is."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _private_lsl_network(folder: Path) -> Path:
    """Write the LSL configuration that this process and all its children use: nobody else is heard or disturbed."""
    port = 20000 + os.getpid() % 60 * 200
    path = folder / "lsl_api.cfg"
    path.write_text(
        f"[ports]\nBasePort = {port}\nPortRange = 190\nIPv6 = disable\n"
        f"[multicast]\nResolveScope = machine\n"
        f"[lab]\nSessionID = test-{uuid.uuid4()}\n"
        "[log]\nlevel = -3\n"
    )
    return path


# liblsl reads this once, when it is loaded, so it must be set before any test module imports pylsl.
_folder = tempfile.TemporaryDirectory(prefix="lsl-")
os.environ["LSLAPICFG"] = str(_private_lsl_network(Path(_folder.name)))
os.environ["XDG_STATE_HOME"] = _folder.name  # journals and checkpoints of the tests
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A fork ends the threads of OpenBLAS, and whoever is multiplying then waits for ever. Read when numpy is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep in one process what shares fixtures or the machine itself: a file, all faults, all that boot a systemd."""
    for item in items:
        path = item.path.relative_to(ROOT / "tests")
        group = path.parts[0] if path.parts[0] in ("faults", "systemd") else str(path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def eeg_data() -> Path:
    """Return the folder with the real recordings; skip, visibly, where they are absent."""
    given = os.environ.get("SEIZURE_DETECTOR_DATA")
    if given:
        return Path(given)
    unpack = ROOT.parent / "shared" / "data" / "unpack"
    if not unpack.exists():
        pytest.skip("the real recordings are not here (set SEIZURE_DETECTOR_DATA to their folder)")
    with unpack.open() as script:
        fcntl.flock(script, fcntl.LOCK_EX)  # several processes run tests, and one of them unpacks
        done = subprocess.run([str(unpack)], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


@pytest.fixture(scope="session", autouse=True)
def _forget_the_folder() -> Iterator[None]:
    yield
    _folder.cleanup()
