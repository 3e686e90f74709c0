"""What somebody says about an alarm, also one that has gone, is written with the alarm that is meant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.client.lsl_publisher import publisher
from tests.page.alerts.samples import state
from tests.page.browser import Served, alarm, chromium, say_who, screen_of, shows


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.end()


@pytest.fixture
def screen(served: Served) -> Iterator[Any]:
    with chromium() as browser, screen_of(browser, served.url) as screen:
        yield screen


def labels(served: Served) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(served.folder / "page.sqlite")) as connection:
        return connection.execute("SELECT kind, who, alarm_id FROM label ORDER BY id").fetchall()


def alarm_ids(served: Served) -> list[str]:
    with closing(sqlite3.connect(served.folder / "page.sqlite")) as connection:
        rows = connection.execute(
            "SELECT DISTINCT alarm_id FROM alarm_log WHERE alarm_id LIKE '%.seizure.%' ORDER BY id"
        )
        return [alarm_id for (alarm_id,) in rows]


def focus_on(screen: Any, button: str) -> None:
    """Go to a button by the keyboard alone."""
    for _ in range(80):
        screen.keyboard.press("Tab")
        if screen.evaluate("document.activeElement.textContent") == button:
            return
    raise AssertionError(f"no button {button!r} was come to")


def test_an_alarm_is_called_false_by_the_keyboard_taken_back_and_called_so_again_when_it_is_gone(
    screen: Any, served: Served
) -> None:
    with publisher("say-a") as process:
        shows(screen, "say-a", "No seizure")
        state(process, "SEIZURE")
        one = alarm(screen, "say-a", "seizure")
        one.get_by_role("button", name="False alarm").wait_for()
        focus_on(screen, "False alarm")
        screen.keyboard.press("Enter")
        screen.get_by_role("heading", name="No seizure: say-a, alarm since").wait_for()
        screen.keyboard.type("Joy")
        screen.keyboard.press("Enter")
        screen.locator("#notices").get_by_text("written down").wait_for()
        [alarm_id] = alarm_ids(served)
        assert labels(served) == [("false-alarm", "Joy", alarm_id)]
        state(process, "NON_SEIZURE")
        one.get_by_role("button", name="Acknowledge").click()
        say_who(screen, "Joy")
        one.wait_for(state="detached")
        screen.click(".bed h2 a:text-is('say-a')")
        row = screen.get_by_role("row").filter(has_text="label false-alarm")
        row.get_by_role("cell", name="Joy").wait_for()
        row.get_by_role("button", name="Take back").click()
        say_who(screen, "Ann")
        screen.get_by_role("row").filter(has_text="label withdrawn").wait_for()
        raised = screen.get_by_role("row").filter(has_text="alarm raised: seizure")
        raised.get_by_role("button", name="False alarm").click()
        say_who(screen, "Ben")
        screen.get_by_role("row").filter(has_text="Ben").get_by_role("button", name="Take back").wait_for()
        assert raised.get_by_role("button").count() == 0
        assert screen.get_by_role("button", name="Take back").count() == 1
        assert labels(served) == [
            ("false-alarm", "Joy", alarm_id), ("withdrawn", "Ann", alarm_id), ("false-alarm", "Ben", alarm_id),
        ]  # fmt: skip


def test_a_missed_seizure_can_be_told_and_taken_back(screen: Any, served: Served) -> None:
    with publisher("say-b"):
        shows(screen, "say-b", "No seizure")
        screen.click(".bed h2 a:text-is('say-b')")
        screen.get_by_role("button", name="A seizure was missed now").click()
        say_who(screen, "Joy")
        row = screen.get_by_role("row").filter(has_text="label missed-seizure")
        row.get_by_role("button", name="Take back").click()
        say_who(screen, "Joy")
        screen.get_by_role("row").filter(has_text="label withdrawn").wait_for()
        assert screen.get_by_role("button", name="Take back").count() == 0
    with closing(sqlite3.connect(served.folder / "page.sqlite")) as connection:
        [first, second] = connection.execute("SELECT kind, at_s FROM label ORDER BY id").fetchall()
    assert first == ("missed-seizure", second[1])
    assert second[0] == "withdrawn"
