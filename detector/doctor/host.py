"""What the machine must give: room, memory, a watchdog, a port."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from detector.config import Config
from detector.config_check import check_health_port
from detector.doctor.finding import Finding, fail, ok, warn
from detector.sinks.journal import journal_path
from detector.state_folder import state_folder

NEEDED_MEMORY_BYTES = 1.0e9  # a bed takes 0.8 GB, see the README
SPARE_BYTES = 100e6  # for the checkpoint, and for SQLite beside the journal's own size
_SYSTEMD_S = 5.0
_UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system")
_UNIT = "seizure-detector@.service"
_CONFIG_FOLDER = Path("/etc/seizure-detector")
_STATE_FOLDER = Path("/var/lib/seizure-detector")


def state(path: Path | None) -> Iterator[Finding]:
    """Whether what must outlive the daemon can be written down."""
    folder = _folder(path)
    problem = _unwritable(folder)
    if problem:
        yield fail(
            "state folder",
            f"{folder}: {problem}; without it there is no journal, and a restart warms up",
            "make it writable for whoever runs the daemon, or set STATE_DIRECTORY (systemd: StateDirectory=)",
        )
        return
    text = f"{folder} can be written" if folder.is_dir() else f"{folder} can be made"
    yield ok("state folder", f"{text} by user {os.geteuid()}")


def journal(path: Path | None, config: Config) -> Iterator[Finding]:
    """Whether the journal can be written and is none that is broken."""
    file = _journal(path, config)
    if file is None:
        yield warn(
            "journal", "[journal] path is off: nothing that is said is written down", "remove it, unless it is meant"
        )
        return
    if not file.exists():
        problem = _unwritable(file.parent)
        where = f"{file} does not exist yet"
        yield (
            fail("journal", f"{where}, and {problem}", "name another file in [journal] path")
            if problem
            else ok("journal", f"{where}, and can be made")
        )
        return
    try:
        with file.open("r+b"):
            pass
        # Only looked at: the daemon may be writing to it.
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)) as database:
            n_tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except OSError as error:
        yield fail("journal", f"{file} cannot be written: {error.strerror}", "look at its owner and mode")
    except sqlite3.DatabaseError as error:
        yield warn(
            "journal",
            f"{file} is no journal that can be read ({error})",
            "the daemon sets it aside and begins a new one; keep the old file if you want to know what is in it",
        )
    else:
        yield ok("journal", f"{file} can be written, and read: {n_tables} tables")


def disk(path: Path | None, config: Config) -> Iterator[Finding]:
    """Whether there is room for a journal of its full size."""
    file = _journal(path, config)
    folder = _existing(file.parent if file is not None else _folder(path))
    free = shutil.disk_usage(folder).free
    needed = SPARE_BYTES + (config.journal.max_mb * 1e6 if file is not None else 0)
    text = f"{_size(free)} free at {folder}"
    if free >= needed:
        yield ok("disk", text)
    elif free >= SPARE_BYTES:
        yield warn(
            "disk", f"{text}; the journal may become {config.journal.max_mb} MB", "make room, or lower [journal] max_mb"
        )
    else:
        yield fail("disk", f"{text}, expected {_size(needed)}", "make room")


def memory() -> Iterator[Finding]:
    """Whether another bed fits into memory."""
    match = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    if match is None:
        yield warn(
            "memory", "/proc/meminfo does not say what is available", f"a bed needs {_size(NEEDED_MEMORY_BYTES)}"
        )
        return
    available = int(match[1]) * 1024
    text = f"{_size(available)} available"
    if available >= NEEDED_MEMORY_BYTES:
        yield ok("memory", text)
    else:
        needed = f"a bed that does not run yet needs {_size(NEEDED_MEMORY_BYTES)}"
        yield warn("memory", f"{text}; {needed}", "give this machine more memory, or fewer beds")


def watchdog(path: Path | None) -> Iterator[Finding]:
    """Whether systemd would restart a daemon that stands still."""
    advice = "install the unit that comes with the program (systemd/README.md): it restarts a daemon that stands still"
    if os.environ.get("NOTIFY_SOCKET"):
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        yield (
            ok("watchdog", f"systemd asks for a sign every {int(microseconds) / 1e6:g} s")
            if microseconds.isdigit()
            else (fail("watchdog", "this service has no WatchdogSec=", advice))
        )
        return
    unit = next((file for folder in _UNIT_FOLDERS if (file := Path(folder, _UNIT)).is_file()), None)
    if unit is None:
        yield warn("watchdog", f"no {_UNIT} is installed: nobody restarts a daemon that stands still", advice)
        return
    instance = _UNIT.replace("@", f"@{'none' if path is None else path.stem}")
    # Not `systemctl show`, which knows no watchdog of a service that does not run.
    properties = _properties(_systemctl("cat", instance) or unit.read_text(encoding="utf-8"))
    kind, seconds = properties.get("Type", "simple"), properties.get("WatchdogSec", "0")
    active = _systemctl("show", "--value", "--property=ActiveState", instance).strip()
    if kind != "notify" or seconds in ("0", "infinity"):
        yield fail("watchdog", f"{instance} has Type={kind} and WatchdogSec={seconds}", advice)
    elif path is not None and active not in ("", "active"):
        begin = f"systemctl enable --now {instance}"
        advice = (
            begin if path.resolve().parent == _CONFIG_FOLDER else f"put {path.name} into {_CONFIG_FOLDER}, and {begin}"
        )
        yield warn("watchdog", f"{instance} is {active}", advice)
    else:
        yield ok("watchdog", f"{instance}: Type={kind}, WatchdogSec={seconds}")


def health_port(config: Config) -> Iterator[Finding]:
    """Whether the daemon could be asked how it is."""
    health = config.health
    if not health.port:
        yield ok("health port", "off: [health] port is 0")
        return
    there = check_health_port(config)
    if health.host not in ("127.0.0.1", "::1", "localhost"):
        advice = "let a firewall keep everybody but the monitoring out"
        yield warn("health port", f"{health.host}:{health.port} is open to the network, without a password", advice)
    else:
        yield ok("health port", f"{health.host}:{health.port}: {there or 'free'}")


def _folder(path: Path | None) -> Path:
    """Return the state folder: that of the unit for a configuration which the unit runs."""
    served = path is not None and path.resolve().parent == _CONFIG_FOLDER and not os.environ.get("STATE_DIRECTORY")
    return _STATE_FOLDER / path.stem if served and path is not None else state_folder()


def _journal(path: Path | None, config: Config) -> Path | None:
    file = journal_path(config)
    return file if file is None or config.journal.path else _folder(path) / file.name


def _unwritable(folder: Path) -> str:
    """Return why nothing can be written there; a folder that is not there yet can be made in the one above."""
    try:
        there = _existing(folder)
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{error.strerror} ({folder})"
    return ""


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above that is there."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _systemctl(*arguments: str) -> str:
    """Return what a running systemd says; nothing where there is none."""
    if not Path("/run/systemd/system").is_dir():
        return ""
    try:
        done = subprocess.run(  # noqa: S603
            ["systemctl", "--no-pager", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_SYSTEMD_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _properties(unit: str) -> dict[str, str]:
    """Return what the text of a unit and its drop-ins says; the last word stands."""
    return dict(line.split("=", 1) for line in unit.splitlines() if line.startswith(("Type=", "WatchdogSec=")))


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
