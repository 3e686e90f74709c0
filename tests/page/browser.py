"""A real browser that looks at a real page; where there is none the tests are skipped, visibly."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live import free_port, program, until

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
# A picture of each is kept by each run of the continuous integration, which fails where one is missing.
VIEWS, THEMES = ("ward", "bed", "alerts", "hours-desktop", "hours-phone", "clip"), ("light", "dark")
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def browser_path() -> str | None:
    """Return where the browser is, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def why_not() -> str:
    """Return why nothing can be looked at here; empty where it can."""
    if browser_path() is None:
        return "no browser is installed (Debian's package is chromium)"
    return "" if importlib.util.find_spec("playwright") else "playwright is not installed"


@contextmanager
def chromium() -> Iterator[Any]:
    """Run a browser."""
    if why := why_not():
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=browser_path(), args=[*_ARGUMENTS, "--autoplay-policy=user-gesture-required"]
        )
        yield browser
        browser.close()


@contextmanager
def screen_of(browser: Any, url: str) -> Iterator[Any]:
    """Open a screen of its own; nothing may go wrong on it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    screen = context.new_page()
    screen.set_default_timeout(15_000)
    wrong: list[str] = []
    screen.on("pageerror", lambda error: wrong.append(str(error)))
    screen.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    screen.goto(url)
    yield screen
    context.close()
    assert [text for text in wrong if "ERR_" not in text and "Failed to load" not in text] == []


def shows(screen: Any, bed: str, words: str, within_ms: int = 15_000) -> None:
    """Wait until the ward view says so of a bed."""
    state = screen.locator(f".bed[data-key='{bed}'] .state strong")
    state.filter(has_text=re.compile(rf"^\S {words}$")).wait_for(timeout=within_ms)


def alarm(screen: Any, bed: str, kind: str) -> Any:
    """Return an alarm of a bed."""
    return screen.locator(f".alarm.{kind}").filter(has_text=bed)


def say_who(screen: Any, who: str) -> None:
    """Answer who it is that does something."""
    screen.locator("#ask-text").fill(who)
    screen.keyboard.press("Enter")
    screen.locator("#ask").wait_for(state="hidden")


def shoot(screen: Any, view: str, theme: str) -> None:
    """Keep a picture of a view in light or dark, and have everybody able to read it (axe-core, WCAG 2.1 AA)."""
    assert view in VIEWS
    if screen.evaluate("document.documentElement.dataset.theme") != theme:
        screen.click("#theme")
    SHOTS.mkdir(parents=True, exist_ok=True)
    screen.screenshot(path=SHOTS / f"{view}-{theme}.png")
    screen.evaluate(axe())
    found = screen.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]] == []


class Served:
    """The page in a process of its own, which can be ended and begun again."""

    def __init__(self, folder: Path, more: str = "", server: str = "") -> None:
        self.folder, self.port = folder, free_port()
        self.config = folder / "page.toml"
        self.config.write_text(
            f"[server]\nport = {self.port}\n{server}\n[alarms]\nnot_monitoring_s = 1.0\n"
            f'[storage]\npath = "{folder}/page.sqlite"\n{more}'
        )
        self._n = 0
        self.begin()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def begin(self) -> None:
        self._n += 1
        log = self.folder / f"page-{self._n}.log"
        self._running = program("page", "--config", str(self.config), log=log)
        self.process = self._running.__enter__()
        until(lambda: self._answers(), 30, "the page answers")

    def end(self) -> None:
        self._running.__exit__(None, None, None)

    def _answers(self) -> bool:
        import http.client

        assert self.process.poll() is None, (self.folder / f"page-{self._n}.log").read_text()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/livez")
            answer = connection.getresponse().status == 200
            connection.close()
        except OSError:
            return False
        return answer


def axe() -> str:
    """Return the script of axe-core; skip where ``.ci/tools`` has not put it."""
    script = Path(os.environ.get("AXE", ROOT / "build" / "axe" / "package" / "axe.min.js"))
    if not script.exists():
        pytest.skip("axe-core is not here (.ci/tools puts it into build/axe)")
    return script.read_text()
