"""The service's life on a machine with systemd, from installation to removal; runs in the sandbox and tells the facts.

python -m tests.systemd.scenario WHEEL

What it finds is printed as one line of JSON, the last of its output. It judges nothing: `test_service.py` does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pylsl

from tests.live import until
from tests.systemd import machine, page, review
from tests.systemd.machine import (
    CONFIGS,
    INSTALL,
    PREFIX,
    PYTHON,
    STATES,
    UNITS,
    WARD,
    Listener,
    Processes,
    install,
    must,
)

Facts = dict[str, Any]
TENSORFLOW = '[bed]\nname = "bed2"\n[source]\nsource_id = "amp-bed2"\n[model]\nengine = "tensorflow"\n'


def refuse(facts: Facts, wheel: str) -> None:
    """Ask for what cannot be done: nothing may be touched."""
    old, bare = Path("/srv/old-python"), Path("/srv/bare-python")
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    bare.write_text('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\n')
    for path in (old, bare):
        path.chmod(0o755)
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    hidden = "mount -t tmpfs none {} && {} exec bash {} install --prefix {}"
    to_home = f"cp {PYTHON} /home/ && PYTHON=/home/{PYTHON.name}"
    facts["refused"] = {
        "not root": machine.run(*as_nobody, "bash", INSTALL, "install", wheel).facts(),
        "no systemd": machine.run("unshare", "--mount", "sh", "-c", hidden.format("/run", "", INSTALL, PREFIX)).facts(),
        "python in a home": machine.run(
            "unshare", "--mount", "sh", "-c", hidden.format("/home", to_home, INSTALL, PREFIX)
        ).facts(),
        "old python": install("install", "--prefix", PREFIX, wheel, PYTHON=str(old)).facts(),
        "no venv": install("install", "--prefix", PREFIX, wheel, PYTHON=str(bare)).facts(),
        "no python": install("install", "--prefix", PREFIX, wheel, PYTHON="/srv/none").facts(),
        "no source": install("install", "--prefix", PREFIX, "/etc").facts(),
        "relative prefix": install("install", "--prefix", "opt", wheel).facts(),
        "not installed": install("enable", "bed1", "amp-bed1").facts(),
        "bed's name": install("enable", "../bed1", "amp-bed1").facts(),
        "long name": install("enable", "b" * 28, "amp-bed1").facts(),
        "source_id": install("enable", "bed1", 'amp"\n[model]').facts(),
    }
    facts["touched"] = [str(p) for p in (PREFIX, CONFIGS, UNITS / "seizure-detector@.service") if p.exists()]


def set_up(facts: Facts, wheel: str) -> None:
    facts["installed"] = install("install", "--prefix", PREFIX, wheel).facts()
    facts["enabled"] = install("enable", "bed1", "amp-bed1").facts()
    until(lambda: machine.status("bed1"), 10, "bed1 says what it does")
    facts["first_state"] = _state_of("bed1")
    config = CONFIGS / "bed1.toml"
    before, release = config.read_text(), (PREFIX / "current").resolve()
    facts["config"] = {"text": before, "mode": oct(config.stat().st_mode & 0o777)}
    broken = Path("/srv/broken.whl")
    broken.write_bytes(b"not a wheel")
    facts["broken"] = install("install", "--prefix", PREFIX, broken).facts()
    facts["broken"] |= {"is_current": (PREFIX / "current").resolve() == release}
    facts["broken"] |= {"releases": len(list((PREFIX / "releases").iterdir()))}
    facts["again"] = install("install", "--prefix", PREFIX, wheel).facts()
    facts["again"] |= {"is_other": (PREFIX / "current").resolve() != release, "is_kept": release.is_dir()}
    facts["enabled_again"] = install("enable", "bed1", "other-amp").facts()
    facts["enabled_again"] |= {"config_is_same": config.read_text() == before}
    facts["verify"] = machine.run("systemd-analyze", "verify", machine.unit("bed1")).facts()
    facts["security"] = must("systemd-analyze", "security", "--no-pager", machine.unit("bed1")).splitlines()[-1]
    (CONFIGS / "bed2.toml").write_text(TENSORFLOW)
    facts["enabled_other"] = install("enable", "bed2", "amp-bed2").facts()


def open_network(facts: Facts, processes: Processes) -> None:
    """The ward's network is closed until the administrator opens it; this machine's own streams are let in."""
    processes.amplifier("bed1", "--wait", "200", "--duration", "900", "--seizure", "20:38", within=WARD)
    processes.amplifier("bed2", "--wait", "200", "--duration", "900")
    listener = processes.listener("bed1", WARD)
    processes.listener("bed2").until_marker("not-monitoring/warmup")
    until(lambda: pylsl.resolve_byprop("source_id", "amp-bed1", 1, 1.0), 30, "the amplifier is on the network")
    facts["closed"] = {**_state_of("bed1"), "heard": listener.said() + listener.said("status")}
    drop_in = UNITS / "seizure-detector@.service.d" / "lsl-network.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nIPAddressAllow=10.77.0.0/24\n")
    must("systemctl", "daemon-reload")
    listener.until_marker("not-monitoring/warmup")
    facts["opened"] = _state_of("bed1")


def look_closely(facts: Facts) -> None:
    """Look at the two processes from outside."""
    facts["beds"] = {bed: _state_of(bed) for bed in ("bed1", "bed2")}
    for bed, found in facts["beds"].items():
        process = Path("/proc") / str(found["pid"])
        status = dict(re.findall(r"^(\w+):\s+(\S+)", (process / "status").read_text(), re.MULTILINE))
        maps = (process / "maps").read_text()
        within = ("nsenter", "--target", found["pid"], "--mount", "--")
        found |= {
            "user": int(status["Uid"]),
            "capabilities": int(status["CapEff"], 16),
            "no_new_privileges": status["NoNewPrivs"],
            "seccomp": status["Seccomp"],
            "threads": int(status["Threads"]),
            "resident_mb": round(int(status["VmRSS"]) / 1024),
            "limits": (process / "limits").read_text(),
            "state_files": {path.name: machine.mode(path) for path in (STATES / bed).iterdir() if path.is_file()},
            "state_folders": {path.name: machine.mode(path) for path in (STATES / bed).iterdir() if path.is_dir()},
            "libraries": [name for name in ("libtensorflow", "libpywrap_litert") if name in maps],
            "writable_and_executable": len(re.findall(r"^\S+ .wx", maps, re.MULTILINE)),
            "states_in_sight": must(*within, "ls", STATES).split(),
            "state_mode": machine.mode(STATES / bed),
        }


def crash(facts: Facts, listener: Listener) -> None:
    """Kill one bed; then freeze it."""
    before, n, markers = _state_of("bed2"), machine.restarts("bed2"), len(listener.said())
    facts["journal_before"] = _journal("bed2")
    os.kill(before["pid"], signal.SIGKILL)
    facts["killed"] = {"back_s": machine.until_restarted("bed2", n), **_state_of("bed2")}
    listener.until_marker("not-monitoring/warmup", markers)
    facts["journal_after"] = _journal("bed2")
    n, markers = machine.restarts("bed2"), len(listener.said())
    os.kill(machine.pid("bed2"), signal.SIGSTOP)
    facts["frozen"] = {"back_s": machine.until_restarted("bed2", n), **_state_of("bed2"), "log": machine.log("bed2")}
    listener.until_marker("not-monitoring/warmup", markers)


def reload(facts: Facts, listener: Listener) -> None:
    config, before = CONFIGS / "bed2.toml", _state_of("bed2")
    good = config.read_text()
    markers = len(listener.said())
    config.write_text(good.replace("source_id", "source_ids"))
    must("systemctl", "reload", machine.unit("bed2"))
    until(lambda: "kept as it was" in machine.log("bed2"), 30, "the wrong file is refused")
    facts["reloaded_bad"] = {"same_pid": machine.pid("bed2") == before["pid"], "log": machine.log("bed2")}
    facts["reloaded_bad"] |= {"markers": listener.said()[markers:]}
    config.write_text(f"{good}\n[decision]\nonset_hold_s = 3.0\n")
    must("systemctl", "reload", machine.unit("bed2"))
    listener.until_marker("session-reset/reload", markers)
    facts["reloaded_good"] = {"same_pid": machine.pid("bed2") == before["pid"], **_state_of("bed2")}


def detect(facts: Facts, listener: Listener) -> None:
    """What the other machine has heard of its patient's bed while the bed beside it was killed and frozen."""
    listener.until_marker("seizure")
    facts["status_in_seizure"] = machine.status("bed1")
    until(lambda: "seizure/onset" in listener.said("truth"), 30, "the amplifier's truth")
    facts["heard"] = listener.heard
    facts["log_bed1"] = machine.log("bed1")


def stop(facts: Facts, listener: Listener) -> None:
    took_s = machine.run("systemctl", "stop", machine.unit("bed1")).took_s
    listener.until_marker("monitoring-stop")
    facts["stopped"] = {"took_s": round(took_s, 3), "result": machine.shown(machine.unit("bed1"), "Result")}
    facts["stopped"] |= {"last": listener.said()[-1], "log": machine.log("bed1")}
    timer = "seizure-detector@bed1.timer"
    until(lambda: machine.shown(timer, "ActiveState") == "inactive", 10, "nothing starts a stopped bed again")


def mend(facts: Facts) -> None:
    """Begin with a wrong configuration and mend it: nobody but systemd starts the bed again."""
    config, timer = CONFIGS / "bed3.toml", "seizure-detector@bed3.timer"
    good = '[bed]\nname = "bed3"\n[source]\nsource_id = "amp-bed3"\n'
    config.write_text(good.replace("source_id", "sorce_id"))
    facts["wrong"] = {**install("enable", "bed3", "amp-bed3").facts(), **_state_of("bed3")}
    facts["wrong"] |= {"restarts": machine.restarts("bed3"), "timer": machine.shown(timer, "SubState")}
    config.write_text(good)
    # The shipped minute is too long for a test; nothing else is another.
    drop_in = UNITS / f"{timer}.d" / "sooner.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Timer]\nOnUnitInactiveSec=\nOnUnitInactiveSec=1\n")
    must("systemctl", "daemon-reload")
    must("systemctl", "restart", timer)
    until(lambda: machine.shown(machine.unit("bed3"), "ActiveState") == "active", machine.START_S, "bed3 is mended")
    facts["mended"] = _state_of("bed3")
    facts["disabled"] = {**install("disable", "bed3").facts(), "state": _state_of("bed3"), "kept": config.exists()}
    facts["disabled"] |= {"enabled": machine.run("systemctl", "is-enabled", machine.unit("bed3")).out.strip()}
    facts["disabled"] |= {"timer": machine.shown(timer, "ActiveState")}
    facts["unknown_bed"] = install("disable", "bed9").facts()


def remove(facts: Facts) -> None:
    def left() -> list[str]:
        places = (PREFIX, CONFIGS, STATES, UNITS / "seizure-detector@.service", UNITS / "seizure-detector@.timer")
        return [str(path) for path in places if path.exists()]

    facts["uninstalled"] = {**install("uninstall").facts(), "left": left()}
    facts["uninstalled"] |= {"units": must("systemctl", "list-units", "--all", "--no-legend", "seizure-detector@*")}
    facts["purged"] = {**install("uninstall", "--purge").facts(), "left": left()}
    facts["purged"] |= {"drop_ins": [str(path) for path in UNITS.glob("seizure-detector@*")]}


def _state_of(bed: str) -> Facts:
    unit, names = machine.unit(bed), ("ActiveState", "SubState", "Result", "ExecMainStatus", "UnitFileState")
    began, ready = (
        int(machine.shown(unit, f"{what}TimestampMonotonic") or 0) for what in ("ExecMainStart", "ActiveEnter")
    )
    return {
        **{name: machine.shown(unit, name) for name in names},
        "pid": machine.pid(bed),
        "status": machine.status(bed),
        "ready_s": round((ready - began) / 1e6, 2),
    }


def _journal(bed: str) -> Facts | None:
    """Return what the bed's journal holds, if it keeps one."""
    for path in (STATES / bed).glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as file:
            tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = {name: file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
            [(integrity,)] = file.execute("PRAGMA integrity_check").fetchall()
        return {"rows": rows, "integrity": integrity, "mode": oct(path.stat().st_mode & 0o777)}
    return None


def main() -> None:
    """Go through the life step by step; a step that fails ends it, and its error is a fact."""
    wheel = sys.argv[1]
    os.environ.pop("PYTHONPATH", None)  # what is installed must not see the checkout
    facts: Facts = {"took_s": {}}
    processes = Processes()
    one, two = (Listener(Path(f"/srv/listener-{bed}")) for bed in ("bed1", "bed2"))
    steps: list[tuple[str, Callable[[], None]]] = [
        ("lay out dependencies", machine.lay_out_dependencies),
        ("lay network", machine.lay_network),
        ("share mounts", machine.share_mounts),
        ("refuse", lambda: refuse(facts, wheel)),
        ("set up", lambda: set_up(facts, wheel)),
        ("open network", lambda: open_network(facts, processes)),
        ("look closely", lambda: look_closely(facts)),
        ("page", lambda: page.page(facts)),
        ("alerts", lambda: page.alerts(facts, processes)),
        ("crash", lambda: crash(facts, two)),
        ("reload", lambda: reload(facts, two)),
        ("detect", lambda: detect(facts, one)),
        ("review", lambda: review.review(facts)),
        ("stop", lambda: stop(facts, one)),
        ("review later", lambda: review.review_later(facts)),
        ("mend", lambda: mend(facts)),
        ("remove", lambda: remove(facts)),
    ]
    try:
        for name, step in steps:
            began = time.monotonic()
            step()
            facts["took_s"][name] = round(time.monotonic() - began, 1)
    except Exception:  # the facts until then are told, and every test of a missing one fails
        log = machine.run("journalctl", "--no-pager", "--lines=60", "--output=short-precise").out
        facts["failed"] = f"{traceback.format_exc()}\n{log}"
        raise
    finally:
        processes.end()
        print(json.dumps(facts))


if __name__ == "__main__":
    main()
