"""What the unit files, the script and the example hold, where there is no systemd to run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detector.errors import BundleError, ConfigError, MissingInputError, UsageError
from tests.conftest import ROOT

FOLDER = ROOT / "systemd"
SERVICE, TIMER = FOLDER / "seizure-detector@.service", FOLDER / "seizure-detector@.timer"
PAGE = FOLDER / "seizure-detector-page.service"
README = (FOLDER / "README.md").read_text(encoding="utf-8")

MUST = """
Type=notify NotifyAccess=main Restart=always RestartSec=1 StartLimitIntervalSec=0 WatchdogSec=10 DynamicUser=yes
User=bed-%i Group=seizure-review StateDirectory=seizure-detector/%i StateDirectoryMode=0750 UMask=0077
NoNewPrivileges=yes CapabilityBoundingSet= AmbientCapabilities= ProtectSystem=strict ProtectHome=yes PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes PrivateIPC=yes PrivateMounts=yes ProtectKernelTunables=yes ProtectKernelModules=yes
ProtectKernelLogs=yes ProtectControlGroups=yes ProtectClock=yes ProtectHostname=yes ProtectProc=invisible
ProcSubset=pid RestrictNamespaces=yes RestrictRealtime=yes RestrictSUIDSGID=yes LockPersonality=yes RemoveIPC=yes
DevicePolicy=closed MemoryDenyWriteExecute=yes Environment=TF_ENABLE_ONEDNN_OPTS=0
Environment=SEIZURE_DETECTOR_BOOT_ID=%b SystemCallArchitectures=native SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM IPAddressDeny=any IPAddressAllow=localhost MemoryMax=2G TasksMax=1024 LimitNOFILE=4096
LimitCORE=0 OOMScoreAdjust=-500 WantedBy=multi-user.target
""".split()


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "["))]


def _values(path: Path, directive: str) -> list[str]:
    return [line.partition("=")[2] for line in _lines(path) if line.startswith(f"{directive}=")]


@pytest.mark.parametrize("line", MUST)
def test_the_service_has_what_keeps_it_alive_and_locked_in(line: str) -> None:
    assert line in _lines(SERVICE)


def test_the_page_is_locked_in_as_a_bed_is() -> None:
    own = {"Description", "Wants", "ExecStart", "TimeoutStartSec", "Environment", "User", "StateDirectory"}
    own |= {"ConfigurationDirectory", "MemoryMax", "NoExecPaths", "TasksMax", "LimitNOFILE", "StateDirectoryMode"}
    # It reads what beds write, and lets the reports that it has made go behind everything else.
    own |= (only_its := {"SupplementaryGroups", "BindReadOnlyPaths"})
    modest = "SystemCallFilter=setpriority"
    # It has nothing to reload, is always tried again, and nobody reads what it writes.
    not_there = {"ExecReload", "RestartPreventExitStatus", "Group"}

    def others(path: Path, names: set[str]) -> list[str]:
        return [line for line in _lines(path) if line.partition("=")[0] not in names]

    assert [line for line in others(PAGE, own) if line != modest] == others(SERVICE, own | not_there)
    assert {line.partition("=")[0] for line in _lines(PAGE)} - only_its == {
        line.partition("=")[0] for line in _lines(SERVICE)
    } - not_there


def test_every_directive_has_its_reason_in_the_readme_and_no_reason_is_left_over() -> None:
    used = {line.partition("=")[0] for path in (SERVICE, TIMER, PAGE) for line in _lines(path)}
    explained = re.findall(r"^\| `(\w+)=` \| \S", README, re.MULTILINE)
    assert sorted(explained) == sorted(set(explained)), "once each"
    assert set(explained) == used


def test_the_page_reads_what_beds_write_and_can_write_none_of_it() -> None:
    assert _values(PAGE, "SupplementaryGroups") == _values(SERVICE, "Group") == ["seizure-review"]
    assert _values(PAGE, "BindReadOnlyPaths") == ["-/var/lib/private/seizure-detector"]
    assert _values(PAGE, "StateDirectoryMode") == ["0700"]
    script = (FOLDER / "install.sh").read_text(encoding="utf-8")
    assert "group=seizure-review" in script
    assert "states=/var/lib/private/seizure-detector\n" in script


def test_a_bed_reads_its_own_file_and_a_reload_reads_it_again() -> None:
    [start], [reload] = _values(SERVICE, "ExecStart"), _values(SERVICE, "ExecReload")
    assert start.endswith("seizure-detector run --config /etc/seizure-detector/%i.toml")
    assert reload == "/bin/kill -HUP $MAINPID"


def test_what_trying_again_cannot_mend_is_left_to_the_timer() -> None:
    [given] = _values(SERVICE, "RestartPreventExitStatus")
    assert {int(code) for code in given.split()} == {
        *(error.exit_code for error in (UsageError, MissingInputError, ConfigError, BundleError)),
        203,  # systemd's own: the program is not there
    }
    assert "seizure-detector@%i.timer" in " ".join(_values(SERVICE, "Wants"))
    assert _values(TIMER, "OnUnitInactiveSec") == ["60"]
    assert _values(TIMER, "PartOf") == ["seizure-detector@%i.service"]


def test_lsl_has_the_sockets_and_the_groups_that_it_asks() -> None:
    [families] = _values(SERVICE, "RestrictAddressFamilies")
    assert set(families.split()) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}
    allowed = set(" ".join(_values(SERVICE, "IPAddressAllow")).split())
    group = "113d:6fdd:2c17:a643:ffe2:1bd1:3cd2"  # https://github.com/sccn/liblsl, src/api_config.cpp
    assert allowed == {
        *("localhost", "224.0.0.1", "224.0.0.183", "239.255.172.215", "255.255.255.255"),
        *(f"ff02:{group}", f"ff05:{group}"),
    }


def test_the_example_of_lsls_configuration_is_read_as_it_is_meant() -> None:
    script = (
        "import pylsl\n"
        "outlet = pylsl.StreamOutlet(pylsl.StreamInfo('a', 'b', 1, 1, 'float32', 'example'))\n"
        "print(outlet.get_info().session_id())\n"
    )
    environment = {**os.environ, "LSLAPICFG": str(FOLDER / "lsl_api.cfg")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout == "default\n", "liblsl takes what stands behind a value as a part of it"
    assert done.stderr == "", "neither a complaint nor liblsl's running commentary"


@pytest.mark.parametrize("script", ["systemd/install.sh", "tests/systemd/boot.sh"])
def test_the_scripts_are_clean(script: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck on this machine")
    done = subprocess.run(["shellcheck", str(ROOT / script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 64), (["bogus"], 64)])
def test_the_script_tells_its_commands(arguments: list[str], code: int) -> None:
    done = subprocess.run(["bash", str(FOLDER / "install.sh"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code
    told = done.stdout if code == 0 else done.stderr
    assert [word for word in ("install", "enable BED", "disable BED", "uninstall", "PYTHON") if word not in told] == []
