"""Judge what the tools of `supply-chain` wrote: a bill must have everything, and a service's silence clears nobody."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Python puts it into each environment, and no dependency asks for it; its findings are shown and fail nothing.
NOT_OURS = {"pip"}


def bill(path: Path) -> None:
    """Fail unless the program and everything that it asks for are in the bill, with their versions."""
    said = json.loads(path.read_text(encoding="utf-8"))
    root = said["metadata"]["component"]
    versions = {_plain(one["name"]): one.get("version", "") for one in said["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # The page as well: its packages face a network.
    asked = [
        *project["dependencies"],
        *(text for extra in ("tensorflow", "page") for text in project["optional-dependencies"][extra]),
    ]
    wanted = [_plain(re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]) for text in asked]
    missing = [name for name in wanted if not versions.get(name)]
    if root["name"] != project["name"] or not root.get("version") or missing:
        without = ", ".join(missing) or "its name or version"
        sys.exit(f"{path}: of {root.get('name')} {root.get('version')}, without {without}")
    print(f"{path}: {root['name']} {root['version']} and {len(versions)} packages, CycloneDX {said['specVersion']}")


def advisories(paths: list[Path]) -> None:
    """Fail on a known vulnerability; say so where nothing, or not everything, could be looked up."""
    audited: dict[str, list[str]] = {}
    known: set[str] = set()
    for path in paths:
        for one in _dependencies(path):
            name = f"{_plain(one['name'])} {one.get('version', '')}".strip()
            known.add(_plain(one["name"]))
            if "skip_reason" not in one:
                audited.setdefault(name, []).extend(
                    f"{name}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version yet'}"
                    for found in one["vulns"]
                )
    if not audited:
        print("NOT AUDITED: no advisory service answered for any package; this run says nothing about vulnerabilities")
        return
    unknown = known - {name.split()[0] for name in audited} - {"seizure-detector"}
    print(f"{len(audited)} packages looked up" + (f"; NOT AUDITED: {', '.join(sorted(unknown))}" if unknown else ""))
    found = sorted({text for texts in audited.values() for text in texts})
    for text in found:
        print(f"VULNERABLE {text}")
    if any(text.split()[0] not in NOT_OURS for text in found):
        sys.exit("known vulnerabilities: raise the lower bounds in pyproject.toml, or say here why they do not matter")


def newest(path: Path) -> None:
    """Tell which packages are not the newest release: an advisory that names a fix can be against those alone."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        print("NOT KNOWN: which packages are the newest release")
        return
    behind = sorted(f"{_plain(one['name'])} {one['version']} ({one['latest_version']})" for one in listed)
    print(f"not the newest release: {', '.join(behind)}" if behind else "every package is the newest release")


def _dependencies(path: Path) -> list[dict[str, Any]]:
    """Return what pip-audit wrote; nothing where it could not ask."""
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["dependencies"])
    except (OSError, ValueError):
        return []


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    what, *files = sys.argv[1:]
    if what == "bill":
        bill(Path(files[0]))
    elif what == "newest":
        newest(Path(files[0]))
    else:
        advisories([Path(file) for file in files])
