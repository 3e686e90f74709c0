"""The bedside page as a service: what it sees, that it comes back, and that its alerts arrive."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.live import until
from tests.page.alerts.receiver import SECRET, Receiver
from tests.systemd import machine
from tests.systemd.machine import UNITS, WARD, Processes, install, must

Facts = dict[str, Any]
NAME = "seizure-detector-page.service"
CONFIGS, DROP_INS = Path("/etc/seizure-detector-page"), UNITS / f"{NAME}.d"
_CREDENTIAL = f"/run/credentials/{NAME}/pager"


def page(facts: Facts) -> None:
    """Serve the page, freeze it, and ask it."""
    facts["page_enabled"] = install("enable-page").facts()
    until(lambda: len(_states()) >= 2 and "connecting" not in _states().values(), 30, "it sees both beds")
    before = int(machine.shown(NAME, "MainPID"))
    os.kill(before, signal.SIGSTOP)
    until(lambda: int(machine.shown(NAME, "MainPID")) not in (0, before), 60, "the watchdog has it begun again")
    until(lambda: machine.shown(NAME, "ActiveState") == "active", 30, "it is ready")
    until(lambda: len(_states()) >= 2, 30, "it sees both beds again")
    found = Path("/var/lib/private/seizure-detector-page/page.sqlite")
    facts["page"] = {
        "states": _states(),
        "livez": _ask("/livez")["code"],
        "security": must("systemd-analyze", "security", "--no-pager", NAME).splitlines()[-1],
        "file_mode": oct(found.stat().st_mode & 0o777),
        "stop_s": machine.run("systemctl", "stop", NAME).took_s,
        "result": machine.shown(NAME, "Result"),
    }


def alerts(facts: Facts, processes: Processes) -> None:
    """Kill a bed for good: of the two receivers one is here and fails at first, the other is on another machine."""
    key = CONFIGS / "pager.key"
    key.write_text(SECRET)
    key.chmod(0o600)  # root's
    elsewhere = processes.start("receiver", *WARD, *machine.python("tests.systemd.receiver"), "10.77.0.2", "9099")
    here = Receiver()
    here.answer = lambda post: 503
    sections = (
        f'[[webhook]]\nname = "{name}"\nurl = "{url}"\nsecret_file = "{_CREDENTIAL}"\nkinds = ["dead"]\nplain = true\n'
        'beds = ["bed2"]\n'
        for name, url in (("here", here.url), ("elsewhere", "http://10.77.0.2:9099/"))
    )
    with (CONFIGS / "page.toml").open("a") as config:
        config.write("".join(sections))
    unreadable = machine.run("systemctl", "start", NAME)
    facts["alerts"] = {"without_credential": {**unreadable.facts(), "log": _log()}}
    _drop_in("key", f"LoadCredential=pager:{key}")
    must("systemctl", "restart", NAME)
    until(lambda: _states().get("bed2") not in (None, "connecting"), 60, "it sees the bed")
    os.kill(machine.pid("bed2"), signal.SIGKILL)
    must("systemctl", "stop", machine.unit("bed2"))
    until(lambda: len(here.posts) >= 2, 60, "the alert is tried")
    until(lambda: _failing("elsewhere"), 60, "the other one is not reached")
    facts["alerts"] |= {"closed": _failing("elsewhere"), "heard_closed": elsewhere.read_text()}
    n = len(here.posts)
    must("systemctl", "restart", NAME)
    until(lambda: len(here.posts) > n, 60, "the page that was begun again goes on with it")
    here.answer = lambda post: 204
    until(lambda: here.keys, 90, "it is delivered")
    pid = machine.shown(NAME, "MainPID")
    _drop_in("receivers", "IPAddressAllow=10.77.0.2")
    until(lambda: elsewhere.read_text(), 90, "the other one is reached, without a restart")
    must("systemctl", "start", machine.unit("bed2"))
    facts["alerts"] |= {
        "keys": [post.key for post in here.posts],
        "taken": here.keys,
        "post": {"body": here.taken[0].body.decode(), "headers": here.taken[0].headers},
        "elsewhere": elsewhere.read_text().splitlines(),
        "same_pid": machine.shown(NAME, "MainPID") == pid,
    }
    here.end()
    facts["page_disabled"] = install("disable-page").facts()


def _drop_in(name: str, line: str) -> None:
    """Write what `systemctl edit` would."""
    DROP_INS.mkdir(exist_ok=True)
    (DROP_INS / f"{name}.conf").write_text(f"[Service]\n{line}\n")
    must("systemctl", "daemon-reload")


def _ask(path: str) -> Facts:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", 8765, timeout=5)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return {"code": answer.status, "text": answer.read().decode()}


def _states() -> dict[str, str]:
    try:
        return {bed["bed"]: bed["state"] for bed in json.loads(_ask("/api/ward")["text"])["beds"]}
    except ConnectionRefusedError:  # it is being started
        return {}


def _failing(target: str) -> str:
    targets = json.loads(_ask("/api/alerts")["text"])["targets"]
    return next(str(one["error"]) for one in targets if one["name"] == target)


def _log() -> str:
    return must("journalctl", "--unit", NAME, "--output=cat", "--no-pager", "--lines=5")
