"""What the scenario does to the machine in the sandbox, and how it looks at it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live import until

CHECKOUT, PACKAGES, DEPENDENCIES = Path("/mnt/checkout"), Path("/mnt/packages"), Path("/srv/dependencies")
PREFIX, CONFIGS, UNITS = Path("/srv/seizure-detector"), Path("/etc/seizure-detector"), Path("/etc/systemd/system")
STATES = Path("/var/lib/private/seizure-detector")
INSTALL = CHECKOUT / "systemd" / "install.sh"
# Debian's Python that finds the packages of the tests' own environment in every virtual environment that it makes.
PYTHON = Path("/srv/python3")
WARD = ("ip", "netns", "exec", "ward")  # another machine on the ward's network
START_S = 90.0  # TensorFlow on a busy machine


@dataclass
class Ran:
    """A command that has ended; ``out`` is all that it wrote."""

    code: int
    out: str
    took_s: float

    def facts(self) -> dict[str, Any]:
        return {"code": self.code, "out": self.out, "took_s": round(self.took_s, 2)}


def run(*command: object, **environment: str) -> Ran:
    """Run a command to its end, whatever that is."""
    began = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    return Ran(done.returncode, done.stdout, time.monotonic() - began)


def must(*command: object, **environment: str) -> str:
    """Run a command that must succeed and return what it wrote."""
    ran = run(*command, **environment)
    assert ran.code == 0, f"{command}: exit status {ran.code}\n{ran.out}"
    return ran.out.strip()


def python(module: str) -> tuple[str, ...]:
    """Return the command that runs a module of the checkout."""
    return "env", f"PYTHONPATH={CHECKOUT}:{PACKAGES}", "/usr/bin/python3", "-m", module


def install(*arguments: object, **environment: str) -> Ran:
    return run("bash", INSTALL, *arguments, **{"PYTHON": str(PYTHON), **environment})


def unit(bed: str) -> str:
    return f"seizure-detector@{bed}.service"


def shown(name: str, what: str) -> str:
    return must("systemctl", "show", "--property", what, "--value", name)


def pid(bed: str) -> int:
    return int(shown(unit(bed), "MainPID"))


def status(bed: str) -> str:
    return shown(unit(bed), "StatusText")


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def log(bed: str) -> str:
    return must("journalctl", "--unit", unit(bed), "--output=cat", "--no-pager")


def restarts(bed: str) -> int:
    return int(shown(unit(bed), "NRestarts"))


def until_restarted(bed: str, before: int) -> float:
    """Wait until systemd has started the bed once more and it is ready; return the seconds."""
    return until(
        lambda: restarts(bed) > before and shown(unit(bed), "ActiveState") == "active", START_S, f"{bed} is back"
    )


@dataclass
class Listener:
    """What a client in a process of its own has heard of a bed."""

    path: Path
    heard: list[dict[str, Any]] = field(default_factory=list)

    def read(self, kind: str) -> list[dict[str, Any]]:
        whole = self.path.read_text().rpartition("\n")[0] if self.path.exists() else ""
        self.heard = [json.loads(line) for line in whole.splitlines()]
        return [record for record in self.heard if record["kind"] == kind]

    def said(self, kind: str = "marker") -> list[str]:
        return [record["said"] for record in self.read(kind)]

    def until_marker(self, text: str, after: int = 0) -> None:
        """Wait for a marker behind the first ``after`` ones."""
        until(lambda: text in self.said()[after:], START_S, f"{self.path.stem} says {text}; said {self.said()}")


class Processes:
    """Programs that run beside the scenario, each with a file of what it wrote."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *command: object) -> Path:
        path = Path("/srv") / name
        with path.open("wb") as output:
            self._running.append(
                subprocess.Popen([str(word) for word in command], stdout=output, stderr=subprocess.DEVNULL)
            )
        return path

    def amplifier(self, bed: str, *options: str, within: tuple[str, ...] = ()) -> None:
        program = PREFIX / "current" / "bin" / "seizure-detector"
        self.start(f"amplifier-{bed}", *within, program, "simulate", "--source-id", f"amp-{bed}", *options)

    def listener(self, bed: str, within: tuple[str, ...] = ()) -> Listener:
        command = (*python("tests.systemd.listener"), bed, f"amp-{bed}")
        return Listener(self.start(f"listener-{bed}", *within, *command))

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        self._running.clear()


def lay_out_dependencies() -> None:
    """Make Debian's Python find TensorFlow and the rest without a download, as it would after one."""
    DEPENDENCIES.mkdir()
    for path in PACKAGES.iterdir():
        if not path.name.startswith(("seizure_detector", "_editable")):
            (DEPENDENCIES / path.name).symlink_to(path)
    # Debian's own setuptools in it would hide the one there, and is older than what is asked for.
    PYTHON.write_text(
        '#!/bin/sh\n/usr/bin/python3 "$@" || exit\n[ "$1 $2" != "-m venv" ] || '
        'for folder in "$3"/lib/python3*/site-packages; do\n'
        'rm -rf "$folder"/setuptools* "$folder"/pkg_resources "$folder"/_distutils_hack "$folder"/distutils-*.pth\n'
        f'echo {DEPENDENCIES} > "$folder/dependencies.pth"; done\n'
    )
    PYTHON.chmod(0o755)


def share_mounts() -> None:
    """Have systemd's mounts of credentials seen by services, as where it is not in a container."""
    must("mount", "--make-rshared", "/")


def lay_network() -> None:
    """Connect this machine with another one, by a cable and multicast as on a ward."""
    must("ip", "netns", "add", "ward")
    must("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1", "netns", "ward")
    for within, device, address in (((), "lan0", "10.77.0.1/24"), (WARD, "lan1", "10.77.0.2/24")):
        must(*within, "ip", "address", "add", address, "dev", device)
        must(*within, "ip", "link", "set", device, "up", "multicast", "on")
        must(*within, "ip", "link", "set", "lo", "up")
        must(*within, "ip", "route", "add", "default", "dev", device)  # LSL asks by multicast on the way out
    target = Path("/etc/lsl_api/lsl_api.cfg")
    target.parent.mkdir(exist_ok=True)
    target.write_bytes((CHECKOUT / "systemd" / "lsl_api.cfg").read_bytes())
