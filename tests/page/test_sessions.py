"""Who has logged out sees nothing more, on no screen of that browser, and is asked for the word."""

from __future__ import annotations

from pathlib import Path

from tests.client.lsl_publisher import publisher
from tests.page.browser import Served, chromium, screen_of, shows

WORD = "a word of sixteen letters"


def test_who_logs_out_on_one_screen_is_cut_off_on_all_of_that_browser(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(WORD)
    token.chmod(0o600)
    with publisher("session-a"), chromium() as browser:
        served = Served(tmp_path, server=f'token_file = "{token}"')
        try:
            with screen_of(browser, served.url) as screen:
                screen.locator("#ask-text").fill(WORD)
                screen.keyboard.press("Enter")
                shows(screen, "session-a", "No seizure")
                other = screen.context.new_page()
                other.goto(served.url)
                shows(other, "session-a", "No seizure")
                other.get_by_role("button", name="Log out").click()
                screen.locator("#cut").filter(has_text="what it shows is old").wait_for()
                screen.get_by_role("heading", name="Log in").wait_for()
                screen.locator("#ask-text").fill(WORD)
                screen.keyboard.press("Enter")
                screen.locator("#cut").wait_for(state="hidden")
        finally:
            served.end()
