"""What people see and hear, in a real browser: a seizure from alarm to end, and that nothing dead looks alive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.lsl_publisher import publisher
from tests.page.alerts.samples import state
from tests.page.browser import SHOTS, THEMES, Served, alarm, chromium, say_who, screen_of, shoot, shows


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("page"))
    yield served
    served.end()


@pytest.fixture
def screen(browser: Any, served: Served) -> Iterator[Any]:
    with screen_of(browser, served.url) as screen:
        yield screen


def test_a_seizure_sounds_latches_is_acknowledged_and_ends(screen: Any) -> None:
    with publisher("web-a") as process:
        shows(screen, "web-a", "No seizure")
        screen.click("#sound")
        screen.locator("#sound[data-context='running']").wait_for()
        state(process, "SEIZURE")
        shows(screen, "web-a", "Seizure")
        screen.locator("#sound[data-playing='seizure']:not([data-bursts='0'])").wait_for()
        state(process, "NON_SEIZURE")
        shows(screen, "web-a", "No seizure")
        one = alarm(screen, "web-a", "seizure")
        one.filter(has_text="it was over at").wait_for()
        screen.reload()
        one.filter(has_text="it was over at").wait_for()
        one.get_by_role("button", name="Acknowledge").click()
        say_who(screen, "Joy")
        one.wait_for(state="detached")
        screen.locator("#sound:not([data-playing='seizure'])").wait_for()


def test_an_acknowledged_seizure_stays_while_it_goes_on_and_can_be_taken_back(screen: Any) -> None:
    with publisher("web-b") as process:
        shows(screen, "web-b", "No seizure")
        state(process, "SEIZURE")
        one = alarm(screen, "web-b", "seizure")
        one.get_by_role("button", name="Acknowledge").click()
        say_who(screen, "Joy")
        one.filter(has_text="acknowledged by Joy").wait_for()
        one.get_by_role("button", name="Undo").click()
        say_who(screen, "Ann")
        one.get_by_role("button", name="Acknowledge").wait_for()
        one.get_by_role("button", name="Acknowledge").click()
        say_who(screen, "Ann")
        state(process, "NON_SEIZURE")
        one.wait_for(state="detached")


def test_a_paused_sound_goes_on_for_a_new_seizure(screen: Any) -> None:
    with publisher("web-c") as process, publisher("web-d") as other:
        shows(screen, "web-c", "No seizure")
        shows(screen, "web-d", "No seizure")
        screen.click("#sound")
        state(process, "SEIZURE")
        screen.locator("#sound[data-playing='seizure']:not([data-bursts='0'])").wait_for()
        screen.click("#sound")
        screen.get_by_text(re.compile(r"Sound paused for \d+ s")).wait_for()
        bursts = screen.locator("#sound").get_attribute("data-bursts")
        state(other, "SEIZURE")
        screen.locator(f"#sound:not([data-bursts='{bursts}'])").filter(has_text="Pause sound").wait_for()
        for process_ in (process, other):
            state(process_, "NON_SEIZURE")
        for bed in ("web-c", "web-d"):
            alarm(screen, bed, "seizure").get_by_role("button", name="Acknowledge").click()
            say_who(screen, "Joy")


def test_a_killed_detector_is_dead_within_three_seconds_and_its_seizure_stands(screen: Any) -> None:
    with publisher("web-e") as process:
        shows(screen, "web-e", "No seizure")
        state(process, "SEIZURE")
        shows(screen, "web-e", "Seizure")
    shows(screen, "web-e", "Detector dead", 4500)
    alarm(screen, "web-e", "seizure").filter(has_text="whether it goes on is not known").wait_for()
    alarm(screen, "web-e", "dead").wait_for()
    card = screen.locator(".bed[data-key='web-e']")
    assert "Probability\nnot known" in card.inner_text()


def test_a_page_that_is_gone_greys_everything_and_says_so_and_alarms_are_there_when_it_is_back(
    screen: Any, served: Served
) -> None:
    with publisher("web-f") as process:
        shows(screen, "web-f", "No seizure")
        state(process, "SEIZURE")
        alarm(screen, "web-f", "seizure").wait_for()
        served.end()
        screen.locator("#cut").filter(has_text="what it shows is old").wait_for(timeout=6000)
        assert "cut" in screen.locator("body").get_attribute("class")
        served.begin()
        screen.locator("#cut").wait_for(state="hidden")
        alarm(screen, "web-f", "seizure").wait_for()
        state(process, "NON_SEIZURE")
        alarm(screen, "web-f", "seizure").get_by_role("button", name="Acknowledge").click()
        say_who(screen, "Joy")


def test_what_a_peer_calls_itself_is_text_and_no_markup(screen: Any) -> None:
    script = "<img src=x onerror=window.hacked=1>"
    with publisher("web-g") as process:
        shows(screen, "web-g", "No seizure")
        process.tell(f"outlets.push_marker({script!r}, now())")
        screen.click(".bed h2 a:text-is('web-g')")
        screen.get_by_role("cell", name=script).wait_for()
        assert screen.evaluate("window.hacked") is None


def test_it_is_used_by_the_keyboard_alone(screen: Any) -> None:
    with publisher("web-h") as process:
        shows(screen, "web-h", "No seizure")
        state(process, "SEIZURE")
        button = alarm(screen, "web-h", "seizure").get_by_role("button", name="Acknowledge")
        button.wait_for()
        for _ in range(60):
            screen.keyboard.press("Tab")
            focus = screen.locator(":focus")
            if focus.evaluate("one => one.className + one.closest('.alarm')?.innerText").startswith("acknowledgeweb-h"):
                break
        screen.keyboard.press("Enter")
        screen.locator("#ask").wait_for()
        screen.keyboard.type("Joy")
        screen.keyboard.press("Enter")
        alarm(screen, "web-h", "seizure").filter(has_text="acknowledged by Joy").wait_for()
        state(process, "NON_SEIZURE")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("view", ["ward", "bed"])
def test_everybody_can_read_it(screen: Any, theme: str, view: str) -> None:
    with publisher("web-i") as process, publisher("web-j") as other:
        shows(screen, "web-i", "No seizure")
        state(process, "SEIZURE")
        state(other, "NOT_MONITORING")
        shows(screen, "web-i", "Seizure")
        shows(screen, "web-j", "Not monitored")
        if view == "bed":
            screen.click(".bed h2 a:text-is('web-i')")
            screen.locator(".head .state strong").filter(has_text="Seizure").wait_for()
        shoot(screen, view, theme)
        state(process, "NON_SEIZURE")
        alarm(screen, "web-i", "seizure").get_by_role("button", name="Acknowledge").first.click()
        say_who(screen, "Joy")


def test_it_fits_a_phone(browser: Any, served: Served) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    screen = context.new_page()
    with publisher("web-k"):
        screen.goto(served.url)
        shows(screen, "web-k", "No seizure")
        assert screen.evaluate("document.documentElement.scrollWidth") <= 360
        screen.goto(f"{served.url}#/bed/web-k")
        screen.locator(".head .state strong").filter(has_text="No seizure").wait_for()
        assert screen.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_an_address_that_is_none_shows_the_ward(screen: Any, served: Served) -> None:
    with publisher("web-l"):
        screen.goto(f"{served.url}#/bed/%")
        screen.reload()
        shows(screen, "web-l", "No seizure")


def test_that_the_sound_is_off_while_alarms_wait_is_said(screen: Any) -> None:
    with publisher("web-m") as process:
        shows(screen, "web-m", "No seizure")
        state(process, "SEIZURE")
        alarm(screen, "web-m", "seizure").wait_for()
        screen.locator("#mute").filter(has_text="Sound is off on this screen").wait_for()
        screen.click("#sound")
        screen.locator("#mute").wait_for(state="hidden")
        state(process, "NON_SEIZURE")
        alarm(screen, "web-m", "seizure").get_by_role("button", name="Acknowledge").click()
        say_who(screen, "Joy")


def test_the_path_of_the_shots_is_not_committed() -> None:
    assert SHOTS.relative_to(Path(__file__).parents[2]).parts[0] == "build"
