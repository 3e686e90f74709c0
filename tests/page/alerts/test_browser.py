"""What became of alerts is read in a real browser, and a test alert is sent from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.alerts.receiver import Receiver, receiver, secret
from tests.page.browser import THEMES, Served, chromium, screen_of, shoot


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def screen(tmp_path: Path, server: Receiver) -> Iterator[Any]:
    with chromium() as browser:
        file = secret(tmp_path)
        served = Served(tmp_path, f'[[webhook]]\nname = "pager"\nurl = "{server.url}"\nsecret_file = "{file}"\n')
        with screen_of(browser, served.url) as screen:
            yield screen
        served.end()


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


@pytest.mark.parametrize("theme", THEMES)
def test_everybody_can_read_it(screen: Any, theme: str) -> None:
    screen.get_by_role("link", name="Alerts").click()
    screen.get_by_role("button", name="Send a test alert").click()
    screen.get_by_role("cell", name="test alert").wait_for()
    shoot(screen, "alerts", theme)
