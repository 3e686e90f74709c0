"""A seizure looked at on the installed page, whose user is not the bed's, and by another bed, which must not."""

from __future__ import annotations

import contextlib
import http.client
import json
from hashlib import sha256
from typing import Any

from tests.live import until
from tests.systemd import machine
from tests.systemd.machine import STATES, install, must
from tests.systemd.page import NAME

Facts = dict[str, Any]


def _ask(path: str, method: str = "GET") -> Facts:
    """Ask the page."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", 8765, timeout=150)) as connection:
        connection.request(method, path, headers={"x-seizure-detector-page": "1"} if method == "POST" else {})
        answer = connection.getresponse()
        content = answer.read()
        return {"code": answer.status, "text": content.decode(errors="replace"), "sha256": sha256(content).hexdigest()}


def review(facts: Facts) -> None:
    """Look at bed1's seizure on the page, whose user is another one, and try to from another bed."""
    install("enable-page")
    until(lambda: _ask("/livez")["code"] == 200, 30, "the page answers")

    def events(bed: str) -> Facts:
        found: Facts = json.loads(_ask(f"/api/beds/{bed}/clips")["text"])
        return found

    def is_told() -> bool:
        return any(clip["duration_s"] for event in events("bed1")["events"] for clip in event["clips"])

    until(is_told, 120, "the clip is there, and its journal says so")
    found = events("bed1")
    [file] = [clip["file"] for event in found["events"] for clip in event["clips"]]
    at, path = f"/api/beds/bed1/clips/{file}", STATES / "bed1" / "clips" / "bed1" / file
    other, user = machine.pid("bed2"), facts["beds"]["bed2"]["user"]
    group = must("getent", "group", "seizure-review").split(":")[2]
    within = ("nsenter", "--target", other, "--mount", "--")
    as_bed2 = ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups")
    facts["review"] = {
        "events": found,
        "facts": json.loads(_ask(at)["text"]),
        "eeg": json.loads(_ask(f"{at}/eeg?from_s=20&length_s=10")["text"]),
        "download": _ask(f"{at}/edf")["sha256"],
        "file": {"sha256": sha256(path.read_bytes()).hexdigest(), "mode": machine.mode(path), "group": path.group()},
        "closed": events("bed2"),
        "report": _ask("/api/beds/bed1/report", "POST"),
        "told": _ask("/api/beds/bed1/report")["text"][:20_000],
        "by_bed2": machine.run(*within, *as_bed2, "cat", path).facts(),
        "by_bed2_on_its_way": machine.run(*as_bed2, "cat", path).facts(),
        "page_log": must("journalctl", "--unit", NAME, "--output=cat", "--no-pager"),
        "security": must("systemd-analyze", "security", "--no-pager", NAME).splitlines()[-1],
        "writes": machine.run(
            *("nsenter", "--target", machine.shown(NAME, "MainPID"), "--mount", "--"), "touch", path.with_name("x")
        ).facts(),
    }


def review_later(facts: Facts) -> None:
    """Ask for the seizure when its bed was stopped in order, and when it was killed."""
    facts["review_stopped"] = json.loads(_ask("/api/beds/bed1/clips")["text"])
    unit = machine.unit("bed1")
    must("systemctl", "start", unit)
    until(lambda: machine.status("bed1"), 30, "bed1 says what it does")
    must("systemctl", "kill", "--signal=KILL", unit)
    must("systemctl", "stop", unit)
    facts["review_killed"] = {
        **json.loads(_ask("/api/beds/bed1/clips")["text"]),
        "files": [path.name for path in (STATES / "bed1").iterdir()],
    }
    install("disable-page")
