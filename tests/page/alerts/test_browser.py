"""What became of alerts is read in a real browser, and a test alert is sent from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.alerts.receiver import Receiver, receiver, secret
from tests.page.browser import Served, axe, chromium


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def screen(tmp_path: Path, server: Receiver) -> Iterator[Any]:
    with chromium() as browser:
        file = secret(tmp_path)
        served = Served(tmp_path, f'[[webhook]]\nname = "pager"\nurl = "{server.url}"\nsecret_file = "{file}"\n')
        screen = browser.new_page()
        screen.set_default_timeout(15_000)
        wrong: list[str] = []
        screen.on("pageerror", lambda error: wrong.append(str(error)))
        screen.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        screen.goto(served.url)
        yield screen
        served.end()
        assert wrong == []


def test_a_delivery_a_failure_and_a_refusal_are_told(screen: Any, server: Receiver) -> None:
    screen.get_by_role("link", name="Alerts").click()
    panel = screen.get_by_role("region", name="Alerts to pager", exact=True)
    panel.get_by_text("Nothing sent yet").wait_for()
    button = panel.get_by_role("button", name="Send a test alert")
    button.click()
    panel.get_by_role("cell", name="test alert").wait_for()
    panel.get_by_text("All delivered").wait_for()
    assert len(server.keys) == 1
    server.answer = lambda post: 500
    button.click()
    panel.get_by_text("the receiver answers 500").wait_for()
    panel.get_by_text("1 waiting").wait_for()
    server.answer = lambda post: 422
    panel.get_by_role("cell", name="NOT DELIVERED: the receiver answers 422").wait_for()
    panel.get_by_text("1 given up or refused").wait_for()
    screen.locator("#notices").get_by_text("alerts to pager were given up or refused").wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_read_it(screen: Any, theme: str) -> None:
    script = axe()
    if screen.evaluate("document.documentElement.dataset.theme") != theme:
        screen.click("#theme")
    screen.get_by_role("link", name="Alerts").click()
    screen.get_by_role("button", name="Send a test alert").click()
    screen.get_by_role("cell", name="test alert").wait_for()
    screen.evaluate(script)
    found = screen.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]] == []
