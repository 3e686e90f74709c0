"""What is known against our dependencies fails the run, and a service that does not answer is no clean bill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "supply_chain.py"
WELL: dict[str, Any] = {"name": "numpy", "version": "2.4.6", "vulns": []}
OURS: dict[str, Any] = {"name": "seizure-detector", "skip_reason": "not on PyPI"}
SKIPPED: dict[str, Any] = {"name": "keras", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def vulnerable(name: str) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]}


def judge(what: str, *files: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT, what, *files], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("reports", "code", "said"),
    [
        ([[WELL, OURS]], 0, "1 packages looked up\n"),
        ([[WELL, SKIPPED]], 0, "1 packages looked up; NOT AUDITED: keras\n"),
        ([[SKIPPED, OURS]], 0, "NOT AUDITED: no advisory service answered for any package"),
        ([None, None], 0, "NOT AUDITED: no advisory service answered for any package"),
        ([[]], 0, "NOT AUDITED: no advisory service answered for any package"),
        ([[SKIPPED], [WELL, {**WELL, "name": "Keras"}]], 0, "2 packages looked up\n"),
        ([[WELL, vulnerable("keras")]], 1, "VULNERABLE keras 1.0: PYSEC-1, fixed in 1.1, 2.0"),
        ([[WELL], [vulnerable("keras")]], 1, "known vulnerabilities: raise the lower bounds"),
        ([[WELL, vulnerable("pip")]], 0, "VULNERABLE pip 1.0: PYSEC-1"),
        ([[vulnerable("pip"), vulnerable("Pillow")]], 1, "VULNERABLE pillow 1.0: PYSEC-1"),
    ],
)
def test_advisories_are_judged_by_what_was_looked_up(
    tmp_path: Path, reports: list[list[dict[str, Any]] | None], code: int, said: str
) -> None:
    files = []
    for number, report in enumerate(reports):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text("" if report is None else json.dumps({"dependencies": report, "fixes": []}))
    found = judge("advisories", *files)
    assert found[0] == code
    assert said in found[1]


def written(path: Path, *, version: str | None, without: str = "") -> Path:
    names = (
        "ai_edge_litert click edfio keras matplotlib numpy paho-mqtt prometheus_client pydantic pylsl pyxdf rich scipy"
        " setuptools starlette tensorflow uvicorn"
    ).split()
    root = {"name": "seizure-detector"} | ({"version": version} if version else {})
    components = [{"name": name, "version": "1"} for name in names if name != without]
    path.write_text(json.dumps({"specVersion": "1.6", "metadata": {"component": root}, "components": components}))
    return path


@pytest.mark.parametrize(
    ("version", "without", "code", "said"),
    [
        ("0.1.0", "", 0, "seizure-detector 0.1.0 and 17 packages, CycloneDX 1.6"),
        (None, "", 1, "without its name or version"),
        ("0.1.0", "uvicorn", 1, "without uvicorn"),
        ("0.1.0", "prometheus_client", 1, "without prometheus-client"),
    ],
)
def test_a_bill_has_the_program_and_all_that_it_asks_for(
    tmp_path: Path, version: str | None, without: str, code: int, said: str
) -> None:
    found = judge("bill", written(tmp_path / "bill.json", version=version, without=without))
    assert found[0] == code, found
    assert said in found[1]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("[]", "every package is the newest release\n"),
        (
            '[{"name": "H5py", "version": "3.14", "latest_version": "3.16"}]',
            "not the newest release: h5py 3.14 (3.16)\n",
        ),
        ("", "NOT KNOWN: which packages are the newest release\n"),
    ],
)
def test_a_package_that_is_behind_is_told(tmp_path: Path, listed: str, said: str) -> None:
    (tmp_path / "outdated.json").write_text(listed)
    assert judge("newest", tmp_path / "outdated.json") == (0, said)
