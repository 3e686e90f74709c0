"""What the README says is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from detector.cli import commands
from detector.config import make_config
from detector.messages import Cause
from detector.page.config import load_page_config
from detector.sinks.lsl import STATUS_CHANNELS
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_screen_has_the_two_commands_each_on_one_line() -> None:
    screen = README.splitlines()[:24]
    started = [line for line in screen if line.startswith("python3 -m venv")]
    assert [line.rsplit("/", 1)[1] for line in started] == [
        "seizure-detector demo",
        "python -m pytest -n 2 --dist loadgroup",
    ]
    assert all("pip install" in line for line in started), "each does its own set-up"


def test_ci_runs_the_readmes_test_command() -> None:
    assert "grep -m 1 -E '^python3 .*pytest' README.md" in (ROOT / ".ci" / "run").read_text()


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"seizure-detector ([a-z]+)\b", README))
    assert named >= {"demo", "run", "watch", "simulate", "discover", "score"}
    assert named <= set(commands.commands)


def test_every_cause_and_status_channel_is_documented() -> None:
    assert all(f"`{cause}`" in README for cause in Cause)
    assert all(f"`{label}`" in README for label, _ in STATUS_CHANNELS)


def test_the_configurations_that_are_shown_are_valid(tmp_path: Path) -> None:
    bed, page = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert make_config(tomllib.loads(re.sub(r"^ {3}", "", bed, flags=re.MULTILINE))).bed.name == "bed1"
    file = tmp_path / "page.toml"
    file.write_text(page)
    config = load_page_config(file)
    assert [target.name for target in (*config.webhook, *config.mqtt)] == ["pager", "broker"]


@pytest.mark.parametrize("name", ["transcript", "figures"])
def test_what_was_promised_to_be_shown_is_there(name: str) -> None:
    shown = README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    assert len(shown.strip()) > 200


def test_every_relative_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
